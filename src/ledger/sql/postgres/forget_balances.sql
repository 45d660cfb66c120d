-- Takes a tenant's balances of periods out that ended before a day, and hold nothing.
DELETE FROM balances
WHERE tenant = $1::jsonb ->> 'tenant' AND reserved = 0
    AND period COLLATE "C" < left($1::jsonb ->> 'day', length(period)) COLLATE "C"
