-- A page of a tenant's attempts, the newest first.
SELECT entry
FROM jsonb_to_record($1::jsonb) AS given (tenant text, since bigint, until bigint, before_at bigint, before uuid,
        request_id text, label text, value text, outcome text)
    JOIN attempts ON attempts.tenant = given.tenant AND at >= since AND at < until
WHERE (before IS NULL OR (at, attempt) < (before_at, before))
    AND (given.request_id IS NULL OR attempts.request_id = given.request_id)
    AND (label IS NULL OR labels ->> label IS NOT NULL)
    AND (value IS NULL OR labels ->> label = value)
    AND (given.outcome IS NULL OR attempts.outcome = given.outcome)
ORDER BY at DESC, attempt DESC
LIMIT ($1::jsonb ->> 'most')::bigint
