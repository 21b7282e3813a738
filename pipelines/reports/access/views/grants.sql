-- What stands today, each grant once, with the earliest instant at which any stream saw it.
CREATE VIEW grants AS
WITH standing AS (
  SELECT g.*, f.first_scan,
    max(g.read_at) OVER (PARTITION BY g.scope) AS newest
  FROM grant_readings g JOIN firsts f ON f.stream = g.stream
  WHERE g.gone_at IS NULL
)
SELECT scope, coalesce(principal, '') AS principal, coalesce(login, '') AS login, max(title) AS title, kind, role, via, reads,
  coalesce(link_scope, '') AS link_scope, coalesce(link_type, '') AS link_type, max(link_expires) AS link_expires,
  bool_or(link_password) AS link_password, coalesce(link_digest, '') AS link_digest,
  min(first_observed) AS first_observed,
  first_value(first_scan ORDER BY first_observed, first_scan) AS first_scan,
  min(first_observed) <= first_value(first_scan ORDER BY first_observed, first_scan) AS older
FROM standing
GROUP BY scope, coalesce(principal, ''), coalesce(login, ''), kind, role, via, reads,
  coalesce(link_scope, ''), coalesce(link_type, ''), coalesce(link_digest, '')
HAVING max(read_at) = max(newest)
