WITH gone AS (
  SELECT g.scope, coalesce(g.principal, '') AS principal, coalesce(g.login, '') AS login, max(g.title) AS title, g.kind, g.role, g.via,
    max(g.gone_at) AS gone_at
  FROM grant_readings g
  WHERE g.gone_at IS NOT NULL AND NOT EXISTS (
    SELECT 1 FROM grants t WHERE t.scope = g.scope AND t.principal = coalesce(g.principal, '') AND t.login = coalesce(g.login, '')
      AND t.role = g.role AND t.via = g.via AND t.link_digest = coalesce(g.link_digest, ''))
  GROUP BY g.scope, coalesce(g.principal, ''), coalesce(g.login, ''), g.kind, g.role, g.via, g.link_digest
), moved AS (
  SELECT 'added' AS change, first_observed AS at, scope, principal, login, title, kind, role, via FROM grants WHERE NOT older
  UNION ALL
  SELECT 'removed', gone_at, scope, principal, login, title, kind, role, via FROM gone
  UNION ALL
  SELECT 'added', first_observed, "group", member, '', '', split_part(member, ':', 1), 'member', 'group' FROM joined
  WHERE NOT older AND starts_with("group", 'group:')
  UNION ALL
  SELECT 'removed', gone_at, "group", member, '', '', split_part(member, ':', 1), 'member', 'group' FROM joined_readings
  WHERE gone_at IS NOT NULL AND starts_with("group", 'group:')
)
SELECT m.at, m.change, coalesce(s.title, n.title, m.scope) AS place, coalesce(w.title, m.title) AS who, m.login, m.kind, m.role, m.via AS how, m.scope
FROM moved m
LEFT JOIN scopes s ON s.scope = m.scope
LEFT JOIN names n ON n.principal = m.scope
LEFT JOIN names w ON w.principal = m.principal
ORDER BY m.at DESC, place, m.change, who, m.role
