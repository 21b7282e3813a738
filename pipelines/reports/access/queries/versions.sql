SELECT i.stream, i.path, i.size, v.versions, v.bytes AS version_bytes
FROM versions v JOIN items i ON i.stream = v.stream AND i.item = v.item_id
WHERE v.bytes >= $oversized_bytes
ORDER BY v.bytes DESC, i.stream, i.path
