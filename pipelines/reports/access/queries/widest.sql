SELECT s.title AS place, s.level, r.readers, r.guests, coalesce(i.items, 0) AS items, s.scope
FROM scopes s
JOIN rights r ON r.stream = s.stream AND r.scope = s.scope
LEFT JOIN (SELECT scope, count(*) AS items FROM items GROUP BY scope) i ON i.scope = s.scope
WHERE r.resolved
ORDER BY r.readers DESC, items DESC, s.title, s.scope
