-- Scopes of one stream that name the same principals have the same number.
CREATE TABLE acls AS
SELECT stream, scope, resolved, principals,
  dense_rank() OVER (ORDER BY stream, resolved, array_to_string(array_sort(principals), ' ')) AS acl
FROM scope_readings
