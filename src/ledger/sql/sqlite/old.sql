-- Some attempts of a tenant that have ended, and began before a time.
SELECT json_quote(attempt) FROM reserved JOIN settled USING (tenant, attempt)
WHERE tenant = ?1 ->> 'tenant' AND reserved.at < ?1 ->> 'until'
ORDER BY reserved.at
LIMIT 500
