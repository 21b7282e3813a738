WITH pairs AS (
  SELECT scope, parent FROM scopes WHERE parent <> '' AND scope NOT LIKE '%/%' AND scope IN (SELECT scope FROM own)
), changes AS (
  SELECT p.scope, 'added' AS change, o.who, o.role, o.title, o.kind, o.first_observed, o.first_scan, o.older
  FROM pairs p JOIN own o ON o.scope = p.scope
  WHERE NOT EXISTS (SELECT 1 FROM own u WHERE u.scope = p.parent AND u.who = o.who AND u.role = o.role)
  UNION ALL
  SELECT p.scope, 'removed', o.who, o.role, o.title, o.kind, NULL, NULL, NULL
  FROM pairs p JOIN own o ON o.scope = p.parent
  WHERE NOT EXISTS (SELECT 1 FROM own u WHERE u.scope = p.scope AND u.who = o.who AND u.role = o.role)
)
SELECT s.title AS place, s.level, c.change, coalesce(n.title, c.title, c.who) AS who, c.kind, c.role, c.first_observed, c.first_scan, c.older, s.scope
FROM changes c
JOIN scopes s ON s.scope = c.scope
LEFT JOIN names n ON n.principal = c.who
ORDER BY s.title, c.change, who, c.role, s.scope
