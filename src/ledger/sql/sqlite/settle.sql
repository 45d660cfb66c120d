-- Settles those of these attempts that are open; the others have been settled, or were never reserved.
INSERT INTO settled (attempt, tenant, at, kind, outcome, aws_request_id, input, cache_read, cache_write_5m,
    cache_write_1h, output, pico_usd)
SELECT open.attempt, open.tenant, value ->> 'at', value ->> 'kind', value ->> 'outcome', value ->> 'aws_request_id',
    value ->> 'input', value ->> 'cache_read', value ->> 'cache_write_5m', value ->> 'cache_write_1h',
    value ->> 'output', coalesce(value ->> 'pico_usd', open.pico_usd)
FROM json_each(?1) JOIN open ON open.attempt = value ->> 'attempt'
WHERE true
ON CONFLICT DO NOTHING
