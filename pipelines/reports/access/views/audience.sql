-- The people behind each set of principals.
CREATE TABLE audience AS
SELECT DISTINCT named.acl, above.number
FROM (
  SELECT stream, acl, unnest(principals) AS principal
  FROM (SELECT stream, acl, first_value(principals) AS principals FROM acls WHERE resolved GROUP BY stream, acl)
) named JOIN above ON above.stream = named.stream AND above.principal = named.principal
