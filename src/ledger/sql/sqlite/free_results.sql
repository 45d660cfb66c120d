-- Frees the ids of these calls, where the claim is still theirs.
DELETE FROM results
WHERE (tenant, request_id, claim) IN (
    SELECT value ->> 'tenant', value ->> 'request_id', value ->> 'claim' FROM json_each(?1))
