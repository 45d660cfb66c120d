-- From when to when a tenant's call of this id has attempts.
SELECT json_array(min(at), max(at)) FROM reserved
WHERE tenant = ?1 ->> 'tenant' AND request_id = ?1 ->> 'request_id'
HAVING count(*) > 0
