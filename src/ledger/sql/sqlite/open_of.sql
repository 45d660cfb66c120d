-- Some open attempts of a replica.
SELECT json_object('attempt', attempt, 'tenant', tenant, 'day', day)
FROM open WHERE replica = json_extract(?1, '$') LIMIT 1000
