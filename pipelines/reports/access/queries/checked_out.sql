SELECT stream, path, publication, modified_by, modified_at, size
FROM items
WHERE publication IN ('checked_out', 'draft')
ORDER BY publication, stream, path
