-- Claims these ids, where nobody has them or their time is over.
INSERT INTO results (tenant, request_id, claim, print, replica, at, expires, state, outcome)
SELECT tenant, request_id, claim, print, replica, at, expires, 'flying', ''
FROM jsonb_to_recordset($1::jsonb) AS given (tenant text, request_id text, claim uuid, print text, replica text, at bigint,
    expires bigint)
ORDER BY tenant, request_id
ON CONFLICT (tenant, request_id) DO UPDATE SET claim = excluded.claim, print = excluded.print, replica = excluded.replica,
    at = excluded.at, expires = excluded.expires, state = 'flying', outcome = '', body = NULL
WHERE results.expires <= excluded.at
