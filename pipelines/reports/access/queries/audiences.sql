WITH placed AS (
  SELECT i.hash, i.size, i.name, i.stream || ': ' || i.path AS place, r.crowd, r.readers
  FROM items i JOIN rights r ON r.stream = i.stream AND r.scope = i.scope
  WHERE i.hash <> '' AND i.size > 0 AND r.resolved
), unlike AS (
  SELECT hash, size FROM placed GROUP BY hash, size HAVING min(crowd) <> max(crowd)
)
SELECT min(p.name) AS name, count(*) AS copies, count(DISTINCT p.crowd) AS audiences,
  min(p.readers) AS fewest_readers, first_value(p.place ORDER BY p.readers, p.place) AS narrowest_place,
  max(p.readers) AS most_readers, first_value(p.place ORDER BY p.readers DESC, p.place) AS widest_place, p.hash
FROM unlike u JOIN placed p ON p.hash = u.hash AND p.size = u.size
GROUP BY p.hash, p.size
ORDER BY most_readers - fewest_readers DESC, name, hash
