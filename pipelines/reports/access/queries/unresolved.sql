WITH held AS (SELECT stream, scope, count(*) AS items FROM items GROUP BY stream, scope)
SELECT r.stream, CASE WHEN r.title = '' THEN r.scope ELSE r.title END AS place, r.level, r.reason, coalesce(h.items, 0) AS items, r.scope
FROM scope_readings r LEFT JOIN held h ON h.stream = r.stream AND h.scope = r.scope
WHERE NOT r.resolved
UNION ALL
SELECT h.stream, h.scope AS place, '' AS level, 'no reading of this scope' AS reason, h.items, h.scope
FROM held h LEFT JOIN scope_readings r ON r.stream = h.stream AND r.scope = h.scope
WHERE r.scope IS NULL
ORDER BY items DESC, stream, place
