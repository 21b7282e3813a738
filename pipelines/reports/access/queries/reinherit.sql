WITH unlike AS (
  SELECT s.scope FROM scopes s JOIN own o ON o.scope = s.scope
  LEFT JOIN own u ON u.scope = s.parent AND u.who = o.who AND u.role = o.role
  WHERE u.scope IS NULL
  UNION
  SELECT s.scope FROM scopes s JOIN own o ON o.scope = s.parent
  LEFT JOIN own u ON u.scope = s.scope AND u.who = o.who AND u.role = o.role
  WHERE u.scope IS NULL
)
SELECT s.title AS place, s.level, above.title AS parent_place, r.readers, coalesce(i.items, 0) AS items, s.scope
FROM scopes s
JOIN scopes above ON above.scope = s.parent
JOIN rights r ON r.stream = s.stream AND r.scope = s.scope
JOIN rights q ON q.stream = above.stream AND q.scope = above.scope AND q.crowd = r.crowd
LEFT JOIN (SELECT scope, count(*) AS items FROM items GROUP BY scope) i ON i.scope = s.scope
WHERE s.parent <> '' AND s.scope NOT LIKE '%/%' AND s.resolved AND above.resolved
  AND s.scope IN (SELECT scope FROM own)
  AND s.scope NOT IN (SELECT scope FROM grants WHERE via = 'link')
  AND s.scope NOT IN (SELECT scope FROM unlike)
ORDER BY items DESC, s.title, s.scope
