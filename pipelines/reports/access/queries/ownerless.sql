WITH collections AS (
  SELECT DISTINCT split_part(scope, ':', 2) AS collection FROM scopes WHERE starts_with(scope, 'sharepoint:')
), kept AS (
  SELECT DISTINCT substr(g.scope, 12) AS collection FROM grants g JOIN above a ON a.principal = g.principal WHERE g.via = 'admin'
)
SELECT c.collection, min(s.title) AS place
FROM collections c JOIN scopes s ON split_part(s.scope, ':', 2) = c.collection
WHERE c.collection NOT IN (SELECT collection FROM kept)
GROUP BY c.collection
ORDER BY c.collection
