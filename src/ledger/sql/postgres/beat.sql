-- A replica is alive for another minute, by the clock of the database.
INSERT INTO replicas (name, alive_until)
VALUES ($1::jsonb #>> '{}', (extract(epoch FROM clock_timestamp()) * 1000000)::bigint + 60000000)
ON CONFLICT (name) DO UPDATE SET alive_until = excluded.alive_until
