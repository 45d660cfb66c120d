-- Every tenant that has rows, or had some.
SELECT json_quote(tenant) FROM balances WHERE ?1 IS NOT NULL GROUP BY tenant
