SELECT substr(g.scope, 12) AS collection, coalesce(n.title, g.title) AS who, g.login, g.kind, p.active, p.guest,
  g.first_observed, g.first_scan, g.older
FROM grants g
LEFT JOIN people p ON p.principal = g.principal
LEFT JOIN names n ON n.principal = g.principal
WHERE g.via = 'admin'
ORDER BY collection, who, g.login
