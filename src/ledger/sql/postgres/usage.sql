-- Sums over a tenant's attempts of some time, by what they are grouped by: NULL where it is not asked for.
-- A call counts where an attempt of it has none before it in the same group.
SELECT json_build_object(
    'model', model, 'operation', operation, 'label', label, 'bucket', bucket, 'calls', calls, 'attempts', attempts,
    'failed', failed, 'open', open, 'unpriced', unpriced, 'input', input, 'cache_read', cache_read,
    'cache_write_5m', cache_write_5m, 'cache_write_1h', cache_write_1h, 'output', output, 'exact', exact,
    'estimated', estimated, 'reserved', reserved)::text
FROM (SELECT
    CASE WHEN by_model THEN model END AS model,
    CASE WHEN by_operation THEN operation END AS operation,
    labels ->> by_label AS label,
    at / by_time AS bucket,
    count(*) AS attempts,
    count(*) FILTER (WHERE outcome <> 'OK') AS failed,
    count(*) FILTER (WHERE kind IS NULL) AS open,
    count(*) FILTER (WHERE kind = 'unpriced') AS unpriced,
    coalesce(sum(input), 0)::bigint AS input,
    coalesce(sum(cache_read), 0)::bigint AS cache_read,
    coalesce(sum(cache_write_5m), 0)::bigint AS cache_write_5m,
    coalesce(sum(cache_write_1h), 0)::bigint AS cache_write_1h,
    coalesce(sum(output), 0)::bigint AS output,
    coalesce(sum(cost) FILTER (WHERE kind = 'exact'), 0)::bigint AS exact,
    coalesce(sum(cost) FILTER (WHERE kind = 'estimated'), 0)::bigint AS estimated,
    coalesce(sum(reserved) FILTER (WHERE kind IS NULL), 0)::bigint AS reserved,
    count(*) FILTER (WHERE number = 1 OR NOT EXISTS (
        SELECT 1 FROM reserved AS earlier
        WHERE earlier.tenant = attempts.tenant AND earlier.request_id = attempts.request_id
            AND earlier.number < attempts.number AND earlier.at >= since AND earlier.at < until
            AND (NOT by_model OR earlier.model = attempts.model)
            AND (NOT by_operation OR earlier.operation = attempts.operation)
            AND (earlier.labels ->> by_label) IS NOT DISTINCT FROM (attempts.labels ->> by_label)
            AND (by_time IS NULL OR earlier.at / by_time = attempts.at / by_time)
    )) AS calls
FROM jsonb_to_record($1::jsonb) AS given (tenant text, since bigint, until bigint, by_model boolean, by_operation boolean,
        by_label text, by_time bigint)
    JOIN attempts ON attempts.tenant = given.tenant AND at >= since AND at < until
GROUP BY 1, 2, 3, 4
LIMIT ($1::jsonb ->> 'most')::bigint) AS sums
