-- A tenant's balances of these periods.
SELECT json_build_object('period', period, 'settled', settled, 'reserved', reserved)::text FROM balances
WHERE tenant = $1::jsonb ->> 'tenant' AND period IN (SELECT jsonb_array_elements_text($1::jsonb -> 'periods'))
