-- A page of a tenant's attempts, the newest first.
SELECT entry FROM attempts
WHERE tenant = ?1 ->> 'tenant' AND at >= ?1 ->> 'since' AND at < ?1 ->> 'until'
    AND (?1 ->> 'before' IS NULL OR (at, attempt) < (?1 ->> 'before_at', ?1 ->> 'before'))
    AND (?1 ->> 'request_id' IS NULL OR request_id = ?1 ->> 'request_id')
    AND (?1 ->> 'label' IS NULL OR labels ->> ('$."' || (?1 ->> 'label') || '"') IS NOT NULL)
    AND (?1 ->> 'value' IS NULL OR labels ->> ('$."' || (?1 ->> 'label') || '"') = ?1 ->> 'value')
    AND (?1 ->> 'outcome' IS NULL OR outcome = ?1 ->> 'outcome')
ORDER BY at DESC, attempt DESC
LIMIT ?1 ->> 'most'
