WITH sites AS (
  SELECT split_part(scope, ':', 2) AS collection, min(title) AS place FROM scopes WHERE level = 'web' GROUP BY split_part(scope, ':', 2)
)
SELECT coalesce(s.place, substr(g.scope, 12)) AS place, coalesce(n.title, g.title) AS who, g.login, g.kind, p.active, p.guest,
  g.first_observed, g.first_scan, g.older, substr(g.scope, 12) AS collection
FROM grants g
LEFT JOIN sites s ON s.collection = substr(g.scope, 12)
LEFT JOIN people p ON p.principal = g.principal
LEFT JOIN names n ON n.principal = g.principal
WHERE g.via = 'admin'
ORDER BY place, who, g.login
