-- The people behind each text of principals.
CREATE TABLE audience AS
SELECT DISTINCT named.stream, named.acl, above.person
FROM (
  SELECT DISTINCT r.stream, a.acl, unnest(r.principals) AS principal
  FROM scope_readings r JOIN acls a ON a.stream = r.stream AND a.scope = r.scope
  WHERE r.resolved
) named JOIN above ON above.stream = named.stream AND above.principal = named.principal
