-- Replicas that no longer count as alive and have open attempts.
SELECT json_quote(name) FROM replicas
WHERE alive_until < CAST(unixepoch('subsec') * 1000000 AS INTEGER) AND name <> json_extract(?1, '$')
    AND name IN (SELECT replica FROM open)
