-- From when to when a tenant's call of this id has attempts.
SELECT json_build_array(min(at), max(at))::text FROM reserved
WHERE tenant = $1::jsonb ->> 'tenant' AND request_id = $1::jsonb ->> 'request_id'
HAVING count(*) > 0
