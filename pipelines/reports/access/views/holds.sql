-- What stands on each scope: its own grants, and those of the collection's administrators, whom no scope shuts out.
CREATE VIEW holds AS
SELECT s.scope AS on_scope, g.*
FROM scopes s JOIN grants g ON g.scope = split_part(s.scope, '/author:', 1) AND g.via IN ('direct', 'link')
UNION ALL
SELECT s.scope AS on_scope, g.*
FROM scopes s JOIN grants g ON g.scope = 'sharepoint:' || split_part(s.scope, ':', 2) AND g.via = 'admin'
