-- Claims these ids, where nobody has them or their time is over.
INSERT INTO results (tenant, request_id, claim, print, replica, at, expires, state, outcome)
SELECT value ->> 'tenant', value ->> 'request_id', value ->> 'claim', value ->> 'print', value ->> 'replica',
    value ->> 'at', value ->> 'expires', 'flying', ''
FROM json_each(?1) WHERE true
ON CONFLICT (tenant, request_id) DO UPDATE SET claim = excluded.claim, print = excluded.print, replica = excluded.replica,
    at = excluded.at, expires = excluded.expires, state = 'flying', outcome = '', body = NULL
WHERE results.expires <= excluded.at
