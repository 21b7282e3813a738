SELECT i.stream, i.path, i.modified_at, i.modified_by, i.size, r.readers
FROM items i LEFT JOIN rights r ON r.stream = i.stream AND r.scope = i.scope
WHERE i.modified_at < $stale_before
ORDER BY i.modified_at, i.stream, i.path
