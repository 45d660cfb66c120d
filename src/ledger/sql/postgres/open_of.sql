-- Some open attempts of a replica.
SELECT json_build_object('attempt', attempt, 'tenant', tenant, 'day', day)::text
FROM open WHERE replica = $1::jsonb #>> '{}' LIMIT 1000
