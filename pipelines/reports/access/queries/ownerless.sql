WITH collections AS (
  SELECT split_part(scope, ':', 2) AS collection, min(CASE WHEN level = 'web' THEN title END) AS place
  FROM scopes WHERE starts_with(scope, 'sharepoint:') GROUP BY split_part(scope, ':', 2)
), kept AS (
  SELECT DISTINCT substr(g.scope, 12) AS collection FROM grants g JOIN above a ON a.principal = g.principal WHERE g.via = 'admin'
)
SELECT coalesce(place, collection) AS place, collection
FROM collections
WHERE collection NOT IN (SELECT collection FROM kept)
ORDER BY place, collection
