SELECT s.title AS place, s.level, g.link_scope, g.link_type, coalesce(p.name, g.title) AS person, coalesce(nullif(p.login, ''), g.login) AS login,
  g.link_expires, g.first_observed, g.first_scan, g.older, substr(g.link_digest, 1, 12) AS link, s.scope
FROM grants g
JOIN scopes s ON s.scope = g.scope
LEFT JOIN people p ON p.principal = g.principal
WHERE g.via = 'link' AND g.kind <> 'link' AND (p.guest OR lower(g.login) LIKE '%#ext#%' OR g.kind = 'orphan')
ORDER BY s.title, person, g.link_digest, s.scope
