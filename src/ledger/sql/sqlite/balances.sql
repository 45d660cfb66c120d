-- The balances of these tenants and periods.
SELECT json_object('tenant', tenant, 'period', period, 'settled', settled, 'reserved', reserved)
FROM balances
WHERE (tenant, period) IN (SELECT value ->> 'tenant', value ->> 'period' FROM json_each(?1))
