-- Some attempts of a tenant that have ended, and began before a time.
SELECT to_json(attempt)::text FROM reserved JOIN settled USING (tenant, attempt)
WHERE tenant = $1::jsonb ->> 'tenant' AND reserved.at < ($1::jsonb ->> 'until')::bigint
ORDER BY reserved.at
LIMIT 500
