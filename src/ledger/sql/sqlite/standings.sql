-- A tenant's balances of these periods.
SELECT json_object('period', period, 'settled', settled, 'reserved', reserved) FROM balances
WHERE tenant = ?1 ->> 'tenant' AND period IN (SELECT value FROM json_each(?1 -> 'periods'))
