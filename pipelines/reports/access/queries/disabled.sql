WITH direct AS (
  SELECT principal, count(DISTINCT scope) AS scopes FROM grants WHERE reads AND principal <> '' AND via IN ('direct', 'admin') GROUP BY principal
), inside AS (
  SELECT member AS principal, count(DISTINCT "group") AS in_groups FROM members GROUP BY member
)
SELECT p.name AS person, p.login, coalesce(d.scopes, 0) AS scopes, coalesce(g.in_groups, 0) AS in_groups, p.principal
FROM people p
LEFT JOIN direct d ON d.principal = p.principal
LEFT JOIN inside g ON g.principal = p.principal
WHERE NOT p.active AND coalesce(d.scopes, 0) + coalesce(g.in_groups, 0) > 0
ORDER BY scopes DESC, in_groups DESC, p.login, p.principal
