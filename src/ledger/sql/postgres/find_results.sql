-- What stands under these ids.
SELECT json_build_object('tenant', tenant, 'request_id', request_id, 'claim', claim, 'print', print, 'state', state,
    'outcome', outcome, 'body', body)::text
FROM results
WHERE (tenant, request_id) IN (
    SELECT tenant, request_id FROM jsonb_to_recordset($1::jsonb) AS given (tenant text, request_id text))
