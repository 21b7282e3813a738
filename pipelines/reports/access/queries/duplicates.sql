SELECT min(name) AS name, count(*) AS copies, size, (count(*) - 1) * size AS spare_bytes, count(DISTINCT stream) AS streams,
  min(path) AS path, hash
FROM items
WHERE hash <> '' AND size > 0
GROUP BY hash, size
HAVING count(*) > 1
ORDER BY spare_bytes DESC, path, hash
