-- Takes a tenant's answers out that are kept for repeats since before a time.
DELETE FROM results
WHERE tenant = ?1 ->> 'tenant' AND state <> 'flying' AND at < ?1 ->> 'until'
