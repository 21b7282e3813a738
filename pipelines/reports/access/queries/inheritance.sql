WITH pairs AS (
  SELECT scope, parent FROM scopes WHERE parent <> '' AND scope NOT LIKE '%/%'
), added AS (
  SELECT p.scope, count(*) AS added FROM pairs p JOIN own o ON o.scope = p.scope
  WHERE NOT EXISTS (SELECT 1 FROM own u WHERE u.scope = p.parent AND u.who = o.who AND u.role = o.role)
  GROUP BY p.scope
), removed AS (
  SELECT p.scope, count(*) AS removed FROM pairs p JOIN own o ON o.scope = p.parent
  WHERE NOT EXISTS (SELECT 1 FROM own u WHERE u.scope = p.scope AND u.who = o.who AND u.role = o.role)
  GROUP BY p.scope
), since AS (
  SELECT scope, min(first_observed) AS first_observed, first_value(first_scan ORDER BY first_observed) AS first_scan,
    bool_or(older) AS older, count(*) FILTER (WHERE via = 'link') AS links
  FROM grants GROUP BY scope
)
SELECT s.title AS place, s.level, above.title AS parent_place,
  CASE
    WHEN above.scope IS NULL OR NOT s.resolved OR NOT above.resolved OR since.scope IS NULL THEN 'unknown'
    WHEN added.added IS NULL AND removed.removed IS NULL AND since.links > 0 THEN 'same but links'
    WHEN added.added IS NULL AND removed.removed IS NULL THEN 'same'
    WHEN r.crowd = q.crowd THEN 'same readers'
    ELSE 'differs'
  END AS state,
  CASE WHEN since.scope IS NOT NULL THEN coalesce(added.added, 0) END AS added,
  CASE WHEN since.scope IS NOT NULL THEN coalesce(removed.removed, 0) END AS removed, r.readers, q.readers AS parent_readers,
  coalesce(i.items, 0) AS items, since.first_observed, since.first_scan, since.older, s.scope
FROM pairs
JOIN scopes s ON s.scope = pairs.scope
LEFT JOIN scopes above ON above.scope = pairs.parent
LEFT JOIN rights r ON r.stream = s.stream AND r.scope = s.scope
LEFT JOIN rights q ON q.stream = above.stream AND q.scope = above.scope
LEFT JOIN added ON added.scope = s.scope
LEFT JOIN removed ON removed.scope = s.scope
LEFT JOIN since ON since.scope = s.scope
LEFT JOIN (SELECT scope, count(*) AS items FROM items GROUP BY scope) i ON i.scope = s.scope
ORDER BY added + removed DESC NULLS LAST, items DESC, s.title, s.scope
