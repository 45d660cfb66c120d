-- The attempts of a call by its id.
CREATE INDEX reserved_by_request ON reserved (tenant, request_id);

-- Both rows of each attempt in one, and as JSON.
CREATE VIEW attempts AS SELECT
    reserved.attempt, reserved.tenant, request_id, number, reserved.at, day, operation, model, model_id, region, tier, labels,
    price_version, reserved.pico_usd AS reserved, settled.at AS ended, kind, outcome, aws_request_id,
    coalesce(input, 0) AS input, coalesce(cache_read, 0) AS cache_read, coalesce(cache_write_5m, 0) AS cache_write_5m,
    coalesce(cache_write_1h, 0) AS cache_write_1h, coalesce(output, 0) AS output, settled.pico_usd AS cost,
    json_build_object(
        'attempt', reserved.attempt, 'request_id', request_id, 'number', number, 'at', reserved.at, 'ended', settled.at,
        'operation', operation, 'model', model, 'model_id', model_id, 'region', region, 'tier', tier, 'labels', labels,
        'price_version', price_version, 'reserved', reserved.pico_usd, 'kind', kind, 'outcome', outcome,
        'aws_request_id', aws_request_id, 'input', coalesce(input, 0), 'cache_read', coalesce(cache_read, 0),
        'cache_write_5m', coalesce(cache_write_5m, 0), 'cache_write_1h', coalesce(cache_write_1h, 0),
        'output', coalesce(output, 0), 'cost', settled.pico_usd)::text AS entry
FROM reserved LEFT JOIN settled ON settled.tenant = reserved.tenant AND settled.attempt = reserved.attempt;
