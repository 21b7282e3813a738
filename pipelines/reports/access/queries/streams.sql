SELECT r.stream, coalesce(i.items, 0) AS items, count(*) AS scopes, count(*) FILTER (WHERE NOT r.resolved) AS unresolved_scopes,
  max(r.read_at) AS read_at, max(f.first_scan) AS first_scan
FROM scope_readings r
LEFT JOIN (SELECT stream, count(*) AS items FROM items GROUP BY stream) i ON i.stream = r.stream
LEFT JOIN firsts f ON f.stream = r.stream
GROUP BY r.stream, i.items
ORDER BY r.stream
