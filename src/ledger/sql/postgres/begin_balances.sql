-- Balances of zero for tenants and periods that have none, so that there is something to lock.
INSERT INTO balances (tenant, period, settled, reserved)
SELECT tenant, period, 0, 0 FROM jsonb_to_recordset($1::jsonb) AS given (tenant text, period text)
ORDER BY tenant, period
ON CONFLICT DO NOTHING
