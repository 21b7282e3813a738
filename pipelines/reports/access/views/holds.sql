-- What stands on each scope: its own grants, and those of the collection's administrators, whom no scope shuts out. A scope that narrows
-- another (its drafts, one author's items: what stands behind the slash) has the grants of that one, for the principals it lets in.
CREATE VIEW holds AS
SELECT s.scope AS on_scope, g.*
FROM scopes s JOIN grants g ON g.scope = split_part(s.scope, '/', 1) AND g.via IN ('direct', 'link')
WHERE strpos(s.scope, '/') = 0 OR array_has(s.principals, g.principal)
UNION ALL
SELECT s.scope AS on_scope, g.*
FROM scopes s JOIN grants g ON g.scope = 'sharepoint:' || split_part(s.scope, ':', 2) AND g.via = 'admin'
