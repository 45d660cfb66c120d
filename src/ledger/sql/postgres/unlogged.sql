-- A tenant's attempts of some time that AWS's log should have, and that have none of these AWS request ids; and how many
-- there are beyond the limit.
SELECT json_build_object('row', entry::json, 'count', count)::text
FROM (
    SELECT tenant, attempt, count(*) OVER () AS count FROM attempts
    WHERE tenant = $1::jsonb ->> 'tenant' AND at >= ($1::jsonb ->> 'since')::bigint AND at < ($1::jsonb ->> 'until')::bigint
        AND kind <> 'void' AND operation <> 'ApplyGuardrail'
        AND aws_request_id NOT IN (SELECT jsonb_array_elements_text($1::jsonb -> 'ids'))
    ORDER BY at, attempt
    LIMIT ($1::jsonb ->> 'most')::bigint
) AS page JOIN attempts USING (tenant, attempt)
ORDER BY at, attempt
