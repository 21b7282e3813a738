WITH held AS (
  SELECT i.stream, r.acl, count(*) AS items, count(DISTINCT i.scope) AS scopes
  FROM items i JOIN rights r ON r.stream = i.stream AND r.scope = i.scope
  WHERE r.resolved
  GROUP BY i.stream, r.acl
)
SELECT p.name AS person, p.login, p.mail, sum(coalesce(held.items, 0)) AS items, sum(coalesce(held.scopes, 0)) AS scopes, p.active, p.principal
FROM people p
LEFT JOIN audience a ON a.person = p.principal
LEFT JOIN held ON held.stream = a.stream AND held.acl = a.acl
WHERE p.guest
GROUP BY p.name, p.login, p.mail, p.active, p.principal
ORDER BY items DESC, p.name, p.principal
