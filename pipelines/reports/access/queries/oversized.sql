SELECT stream, path, size, modified_at, modified_by
FROM items
WHERE size >= $oversized_bytes
ORDER BY size DESC, stream, path
