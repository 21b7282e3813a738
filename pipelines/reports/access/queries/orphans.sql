SELECT coalesce(s.title, n.title, g.scope) AS place, coalesce(s.level, CASE WHEN g.via = 'admin' THEN 'collection' ELSE 'sitegroup' END) AS level,
  g.title AS who, g.login, g.role, g.via AS how, coalesce(i.items, 0) AS items, g.first_observed, g.first_scan, g.older, g.scope
FROM grants g
LEFT JOIN scopes s ON s.scope = g.scope
LEFT JOIN names n ON n.principal = g.scope
LEFT JOIN (SELECT scope, count(*) AS items FROM items GROUP BY scope) i ON i.scope = g.scope
WHERE g.kind = 'orphan' AND g.via <> 'link'
ORDER BY g.login, place, g.scope
