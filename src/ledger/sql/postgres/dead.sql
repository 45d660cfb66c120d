-- Replicas that no longer count as alive and have open attempts, or calls under way.
SELECT to_json(name)::text FROM replicas
WHERE alive_until < (extract(epoch FROM clock_timestamp()) * 1000000)::bigint AND name <> $1::jsonb #>> '{}'
    AND (name IN (SELECT replica FROM open) OR name IN (SELECT replica FROM results WHERE state = 'flying'))
