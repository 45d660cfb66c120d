-- What stands under these ids.
SELECT json_object('tenant', tenant, 'request_id', request_id, 'claim', claim, 'print', print, 'state', state, 'outcome',
    outcome, 'body', body)
FROM results
WHERE (tenant, request_id) IN (SELECT value ->> 'tenant', value ->> 'request_id' FROM json_each(?1))
