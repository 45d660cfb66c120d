-- Deletes some rows whose time is over.
DELETE FROM results
WHERE (tenant, request_id) IN (
    SELECT tenant, request_id FROM results WHERE expires <= ($1::jsonb #>> '{}')::bigint LIMIT 500 FOR UPDATE SKIP LOCKED)
RETURNING '1'::text
