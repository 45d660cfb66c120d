-- How these calls ended, where the claim is still theirs.
UPDATE results
SET state = given.value ->> 'state', outcome = given.value ->> 'outcome', body = given.value ->> 'body'
FROM json_each(?1) AS given
WHERE results.tenant = given.value ->> 'tenant' AND results.request_id = given.value ->> 'request_id'
    AND results.claim = given.value ->> 'claim'
