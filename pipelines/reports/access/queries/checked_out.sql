SELECT stream, path, publication, modified_by, modified_at, size
FROM items
WHERE publication IN ('checkout', 'draft')
ORDER BY publication, stream, path
