WITH wide AS (
  SELECT on_scope, kind, role, via, '' AS through, first_observed, first_scan, older
  FROM holds WHERE kind IN ('members', 'everyone') AND reads AND via <> 'link'
  UNION ALL
  SELECT h.on_scope, m.kind, h.role, 'group' AS via, coalesce(n.title, h.title, h.principal) AS through,
    greatest(h.first_observed, m.first_observed) AS first_observed,
    CASE WHEN h.first_observed >= m.first_observed THEN h.first_scan ELSE m.first_scan END AS first_scan,
    CASE WHEN h.first_observed >= m.first_observed THEN h.older ELSE m.older END AS older
  FROM grants m
  JOIN holds h ON h.principal = m.scope AND h.reads
  LEFT JOIN names n ON n.principal = h.principal
  WHERE m.via = 'group' AND m.kind IN ('members', 'everyone')
)
SELECT s.title AS place, s.level, w.kind, w.via AS how, w.through AS site_group, w.role, coalesce(i.items, 0) AS items,
  w.first_observed, w.first_scan, w.older, s.scope
FROM wide w
JOIN scopes s ON s.scope = w.on_scope
LEFT JOIN (SELECT scope, count(*) AS items FROM items GROUP BY scope) i ON i.scope = s.scope
ORDER BY items DESC, s.title, w.kind, w.via, w.through, s.scope
