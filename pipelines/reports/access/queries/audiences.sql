WITH placed AS (
  SELECT i.hash, i.size, i.name, i.stream || ': ' || i.path AS place, r.crowd, r.readers
  FROM items i JOIN rights r ON r.stream = i.stream AND r.scope = i.scope
  WHERE i.hash <> '' AND i.size > 0 AND r.resolved
)
SELECT min(name) AS name, count(*) AS copies, count(DISTINCT crowd) AS audiences,
  min(readers) AS fewest_readers, first_value(place ORDER BY readers, place) AS narrowest_place,
  max(readers) AS most_readers, first_value(place ORDER BY readers DESC, place) AS widest_place, hash
FROM placed
GROUP BY hash, size
HAVING count(DISTINCT crowd) > 1
ORDER BY most_readers - fewest_readers DESC, name, hash
