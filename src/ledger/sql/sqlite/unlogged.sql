-- A tenant's attempts of some time that AWS's log should have, and that have none of these AWS request ids; and how many
-- there are beyond the limit.
SELECT json_object('row', json(entry), 'count', count)
FROM (
    SELECT tenant, attempt, count(*) OVER () AS count FROM attempts
    WHERE tenant = ?1 ->> 'tenant' AND at >= ?1 ->> 'since' AND at < ?1 ->> 'until'
        AND kind <> 'void' AND operation <> 'ApplyGuardrail'
        AND aws_request_id NOT IN (SELECT value FROM json_each(?1 -> 'ids'))
    ORDER BY at, attempt
    LIMIT ?1 ->> 'most'
) JOIN attempts USING (tenant, attempt)
ORDER BY at, attempt
