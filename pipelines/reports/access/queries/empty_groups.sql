WITH granted AS (
  SELECT h.principal, max(h.title) AS title, max(h.kind) AS kind, count(DISTINCT h.on_scope) AS scopes
  FROM holds h JOIN scopes s ON s.scope = h.on_scope
  WHERE h.kind IN ('group', 'owners', 'sitegroup') AND h.reads AND h.principal <> '' AND s.resolved
  GROUP BY h.principal
), inside AS (
  SELECT "group" AS principal, count(DISTINCT member) AS members FROM members GROUP BY "group"
)
SELECT coalesce(n.title, g.title, g.principal) AS who, g.kind, coalesce(m.members, 0) AS members, g.scopes, g.principal
FROM granted g
LEFT JOIN inside m ON m.principal = g.principal
LEFT JOIN names n ON n.principal = g.principal
WHERE g.principal NOT IN (SELECT principal FROM above)
ORDER BY g.scopes DESC, who, g.principal
