-- A tenant's attempts that have one of these AWS request ids.
SELECT entry
FROM json_each(?1 -> 'ids')
    JOIN settled ON settled.tenant = ?1 ->> 'tenant' AND settled.aws_request_id = value
    JOIN attempts ON attempts.tenant = settled.tenant AND attempts.attempt = settled.attempt
ORDER BY attempts.at, attempts.attempt
