-- Who reads the items of each scope of each stream. Unresolved is nobody, and said so.
CREATE TABLE rights AS
SELECT a.stream, a.scope, a.resolved, a.acl,
  CASE WHEN a.resolved THEN coalesce(c.readers, 0) END AS readers,
  CASE WHEN a.resolved THEN coalesce(c.guests, 0) END AS guests,
  CASE WHEN a.resolved THEN coalesce(c.crowd, 'nobody') END AS crowd
FROM acls a LEFT JOIN crowds c ON c.acl = a.acl
