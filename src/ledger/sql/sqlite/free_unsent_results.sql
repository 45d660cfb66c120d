-- Frees what a replica had under way and never sent.
DELETE FROM results
WHERE state = 'flying' AND replica = json_extract(?1, '$') AND NOT EXISTS (
    SELECT 1 FROM reserved JOIN settled ON settled.attempt = reserved.attempt
    WHERE reserved.tenant = results.tenant AND reserved.at >= results.at AND reserved.request_id = results.request_id
        AND settled.kind <> 'void')
