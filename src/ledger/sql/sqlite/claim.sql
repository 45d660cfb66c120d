-- The file is locked already.
SELECT 'true' WHERE ?1 IS NOT NULL
