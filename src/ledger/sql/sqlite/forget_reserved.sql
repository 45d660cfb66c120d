-- Takes the rows of these attempts of a tenant out.
DELETE FROM reserved
WHERE tenant = ?1 ->> 'tenant' AND attempt IN (SELECT value FROM json_each(?1 -> 'attempts'))
