WITH twins AS (
  SELECT hash, size, count(*) AS copies FROM items WHERE hash <> '' AND size > 0 GROUP BY hash, size HAVING count(*) > 1
)
SELECT min(i.name) AS name, max(t.copies) AS copies, i.size, (max(t.copies) - 1) * i.size AS spare_bytes,
  count(DISTINCT i.stream) AS streams, min(i.path) AS path, i.hash
FROM twins t JOIN items i ON i.hash = t.hash AND i.size = t.size
GROUP BY i.hash, i.size
ORDER BY spare_bytes DESC, path, hash
