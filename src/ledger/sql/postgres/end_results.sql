-- How these calls ended, where the claim is still theirs.
UPDATE results
SET state = given.state, outcome = given.outcome, body = given.body
FROM jsonb_to_recordset($1::jsonb) AS given (tenant text, request_id text, claim uuid, state text, outcome text, body text)
WHERE results.tenant = given.tenant AND results.request_id = given.request_id AND results.claim = given.claim
