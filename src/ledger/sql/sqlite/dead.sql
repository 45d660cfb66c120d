-- Replicas that no longer count as alive and have open attempts, or calls under way.
SELECT json_quote(name) FROM replicas
WHERE alive_until < CAST(unixepoch('subsec') * 1000000 AS INTEGER) AND name <> json_extract(?1, '$')
    AND (name IN (SELECT replica FROM open) OR name IN (SELECT replica FROM results WHERE state = 'flying'))
