-- A name to read for each principal.
CREATE VIEW names AS
SELECT principal, max(title) AS title FROM (
  SELECT principal, coalesce(nullif(name, ''), nullif(login, ''), principal) AS title FROM people
  UNION ALL SELECT principal, title FROM group_names WHERE title <> '' AND principal NOT IN (SELECT principal FROM people)
) GROUP BY principal
