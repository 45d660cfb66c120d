-- Every tenant that has rows, or had some.
SELECT to_json(tenant)::text FROM balances WHERE $1 IS NOT NULL GROUP BY tenant
