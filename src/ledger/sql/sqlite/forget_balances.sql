-- Takes a tenant's balances of periods out that ended before a day, and hold nothing.
DELETE FROM balances
WHERE tenant = ?1 ->> 'tenant' AND reserved = 0 AND period < substr(?1 ->> 'day', 1, length(period))
