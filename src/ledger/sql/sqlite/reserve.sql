INSERT INTO reserved (attempt, replica, tenant, request_id, number, at, day, operation, model, model_id, region, tier,
    labels, price_version, pico_usd)
SELECT value ->> 'attempt', value ->> 'replica', value ->> 'tenant', value ->> 'request_id', value ->> 'number',
    value ->> 'at', value ->> 'day', value ->> 'operation', value ->> 'model', value ->> 'model_id', value ->> 'region',
    value ->> 'tier', value -> 'labels', value ->> 'price_version', value ->> 'pico_usd'
FROM json_each(?1)
