WITH held AS (
  SELECT r.acl, count(*) AS items, count(DISTINCT i.scope) AS scopes
  FROM items i JOIN rights r ON r.stream = i.stream AND r.scope = i.scope
  WHERE r.resolved
  GROUP BY r.acl
)
SELECT p.name AS person, p.login, p.mail, sum(coalesce(held.items, 0)) AS items, sum(coalesce(held.scopes, 0)) AS scopes, p.active, p.principal
FROM people p
LEFT JOIN audience a ON a.number = p.number
LEFT JOIN held ON held.acl = a.acl
WHERE p.guest
GROUP BY p.name, p.login, p.mail, p.active, p.principal
ORDER BY items DESC, p.name, p.principal
