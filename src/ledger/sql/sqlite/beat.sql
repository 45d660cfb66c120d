-- A replica is alive for another minute.
INSERT INTO replicas (name, alive_until)
VALUES (json_extract(?1, '$'), CAST(unixepoch('subsec') * 1000000 AS INTEGER) + 60000000)
ON CONFLICT DO UPDATE SET alive_until = excluded.alive_until
