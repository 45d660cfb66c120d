-- Whether the name is this session's alone, for as long as the session lasts.
SELECT to_json(pg_try_advisory_lock(hashtextextended('bedrock-inference ' || ($1::jsonb #>> '{}'), 0)))::text
