INSERT INTO reserved (attempt, replica, tenant, request_id, number, at, day, operation, model, model_id, region, tier,
    labels, price_version, pico_usd)
SELECT attempt, replica, tenant, request_id, number, at, day, operation, model, model_id, region, tier, labels,
    price_version, pico_usd
FROM jsonb_to_recordset($1::jsonb) AS given (attempt uuid, replica text, tenant text, request_id text, number bigint,
    at bigint, day text, operation text, model text, model_id text, region text, tier text, labels jsonb,
    price_version text, pico_usd bigint)
