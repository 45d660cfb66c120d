-- Nobody knows how it ended what a replica had under way.
UPDATE results SET state = 'lost', outcome = 'RECOVERED' WHERE state = 'flying' AND replica = json_extract(?1, '$')
