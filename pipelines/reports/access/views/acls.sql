-- The principals of each scope as one text: scopes with the same text have the same readers.
CREATE TABLE acls AS
SELECT stream, scope, resolved, array_to_string(array_sort(principals), ' ') AS acl FROM scope_readings
