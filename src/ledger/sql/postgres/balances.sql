-- The balances of these tenants and periods, locked in one order for everybody until the transaction ends.
SELECT json_build_object('tenant', tenant, 'period', period, 'settled', settled, 'reserved', reserved)::text
FROM balances
WHERE (tenant, period) IN (SELECT tenant, period FROM jsonb_to_recordset($1::jsonb) AS given (tenant text, period text))
ORDER BY tenant, period
FOR UPDATE
