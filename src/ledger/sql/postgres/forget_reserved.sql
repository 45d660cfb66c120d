-- Takes the rows of these attempts of a tenant out.
DELETE FROM reserved
WHERE tenant = $1::jsonb ->> 'tenant'
    AND attempt IN (SELECT value::uuid FROM jsonb_array_elements_text($1::jsonb -> 'attempts') AS given (value))
