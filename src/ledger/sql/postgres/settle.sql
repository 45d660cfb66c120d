-- Settles those of these attempts that are open; the others have been settled, or were never reserved.
INSERT INTO settled (attempt, tenant, at, kind, outcome, aws_request_id, input, cache_read, cache_write_5m,
    cache_write_1h, output, pico_usd)
SELECT open.attempt, open.tenant, given.at, kind, outcome, aws_request_id, input, cache_read, cache_write_5m,
    cache_write_1h, output, coalesce(given.pico_usd, open.pico_usd)
FROM jsonb_to_recordset($1::jsonb) AS given (attempt uuid, at bigint, kind text, outcome text, aws_request_id text,
    input bigint, cache_read bigint, cache_write_5m bigint, cache_write_1h bigint, output bigint, pico_usd bigint)
JOIN open ON open.attempt = given.attempt
ON CONFLICT DO NOTHING
