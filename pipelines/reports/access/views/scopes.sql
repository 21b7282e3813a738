-- Each scope once: a site's rights are read by every stream of it, and the newest reading holds.
CREATE VIEW scopes AS
SELECT stream, read_at, scope, title, principals, resolved, reason, parent, level
FROM (
  SELECT *, row_number() OVER (
    PARTITION BY scope, CASE WHEN scope = 'unresolved' THEN stream ELSE '' END ORDER BY read_at DESC, stream
  ) AS nth
  FROM scope_readings
)
WHERE nth = 1
