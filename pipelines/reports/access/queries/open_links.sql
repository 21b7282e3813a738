SELECT s.title AS place, s.level, g.link_scope, g.link_type, g.link_password AS has_password, coalesce(i.items, 0) AS items,
  g.first_observed, g.first_scan, g.older, substr(g.link_digest, 1, 12) AS link, s.scope
FROM grants g
JOIN scopes s ON s.scope = g.scope
LEFT JOIN (SELECT scope, count(*) AS items FROM items GROUP BY scope) i ON i.scope = s.scope
WHERE g.via = 'link' AND g.kind = 'link' AND g.link_scope IN ('anonymous', 'organization')
  AND g.link_expires IS NULL AND g.link_password IS NOT NULL
ORDER BY g.link_scope, g.link_type, items DESC, s.title, g.link_digest
