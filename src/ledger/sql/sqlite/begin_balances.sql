-- Balances of zero for tenants and periods that have none.
INSERT INTO balances (tenant, period, settled, reserved)
SELECT value ->> 'tenant', value ->> 'period', 0, 0 FROM json_each(?1) WHERE true
ON CONFLICT DO NOTHING
