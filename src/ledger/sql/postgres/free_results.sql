-- Frees the ids of these calls, where the claim is still theirs.
DELETE FROM results
WHERE (tenant, request_id, claim) IN (
    SELECT tenant, request_id, claim
    FROM jsonb_to_recordset($1::jsonb) AS given (tenant text, request_id text, claim uuid))
