-- A tenant's attempts that have one of these AWS request ids.
SELECT entry
FROM jsonb_array_elements_text($1::jsonb -> 'ids') AS given (id)
    JOIN settled ON settled.tenant = $1::jsonb ->> 'tenant' AND settled.aws_request_id = id
    JOIN attempts ON attempts.tenant = settled.tenant AND attempts.attempt = settled.attempt
ORDER BY attempts.at, attempts.attempt
