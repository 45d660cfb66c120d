-- Sums over a tenant's attempts of some time, by what they are grouped by: NULL where it is not asked for.
-- A call counts where an attempt of it has none before it in the same group. The LIMIT of -1 limits nothing; it keeps the
-- inner rows narrow, which are sorted. CASE, unlike OR, leaves out what need not be looked up.
SELECT json_object(
    'model', model, 'operation', operation, 'label', label, 'bucket', bucket, 'calls', calls, 'attempts', attempts,
    'failed', failed, 'open', open, 'unpriced', unpriced, 'input', input, 'cache_read', cache_read,
    'cache_write_5m', cache_write_5m, 'cache_write_1h', cache_write_1h, 'output', output, 'exact', exact,
    'estimated', estimated, 'reserved', reserved)
FROM (SELECT
    model, operation, label, bucket,
    sum(begins) AS calls,
    count(*) AS attempts,
    count(*) FILTER (WHERE failed) AS failed, sum(open) AS open, count(*) FILTER (WHERE unpriced) AS unpriced,
    sum(input) AS input, sum(cache_read) AS cache_read, sum(cache_write_5m) AS cache_write_5m,
    sum(cache_write_1h) AS cache_write_1h, sum(output) AS output,
    coalesce(sum(exact), 0) AS exact, coalesce(sum(estimated), 0) AS estimated, coalesce(sum(reserved), 0) AS reserved
FROM (SELECT
    CASE WHEN by_model THEN model END AS model,
    CASE WHEN by_operation THEN operation END AS operation,
    CASE WHEN by_label IS NOT NULL THEN labels ->> by_label END AS label,
    at / by_time AS bucket,
    CASE WHEN number = 1 THEN true ELSE NOT EXISTS (
        SELECT 1 FROM reserved AS earlier
        WHERE earlier.tenant = attempts.tenant AND earlier.request_id = attempts.request_id
            AND earlier.number < attempts.number AND +earlier.at >= since AND +earlier.at < until
            AND (NOT by_model OR earlier.model = attempts.model)
            AND (NOT by_operation OR earlier.operation = attempts.operation)
            AND (earlier.labels ->> by_label) IS (attempts.labels ->> by_label)
            AND (by_time IS NULL OR earlier.at / by_time = attempts.at / by_time)
    ) END AS begins,
    outcome <> 'OK' AS failed,
    kind IS NULL AS open,
    kind = 'unpriced' AS unpriced,
    input, cache_read, cache_write_5m, cache_write_1h, output,
    CASE WHEN kind = 'exact' THEN cost END AS exact,
    CASE WHEN kind = 'estimated' THEN cost END AS estimated,
    CASE WHEN kind IS NULL THEN reserved END AS reserved
FROM (SELECT ?1 ->> 'tenant' AS asked, ?1 ->> 'since' AS since, ?1 ->> 'until' AS until, ?1 ->> 'by_model' AS by_model,
        ?1 ->> 'by_operation' AS by_operation, '$."' || (?1 ->> 'by_label') || '"' AS by_label, ?1 ->> 'by_time' AS by_time)
    JOIN attempts ON attempts.tenant = asked AND at >= since AND at < until
LIMIT -1)
GROUP BY model, operation, label, bucket
LIMIT ?1 ->> 'most')
