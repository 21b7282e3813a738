WITH held AS (
  SELECT r.acl, count(*) AS items, count(DISTINCT i.scope) AS scopes
  FROM items i JOIN rights r ON r.stream = i.stream AND r.scope = i.scope
  WHERE r.resolved
  GROUP BY r.acl
)
SELECT p.name AS person, p.login, sum(held.items) AS items, sum(held.scopes) AS scopes, p.guest, p.principal
FROM held
JOIN audience a ON a.acl = held.acl
JOIN people p ON p.number = a.number
GROUP BY p.name, p.login, p.guest, p.principal
ORDER BY items DESC, p.login, p.principal
