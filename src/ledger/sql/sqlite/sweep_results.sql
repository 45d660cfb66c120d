-- Deletes some rows whose time is over.
DELETE FROM results
WHERE rowid IN (SELECT rowid FROM results WHERE expires <= json_extract(?1, '$') LIMIT 500)
RETURNING '1'
