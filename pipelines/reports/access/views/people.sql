-- Everybody the directory lists. Closed in one stream's reading is closed. A guest is active and not among the organisation's members.
-- "mark" scatters the number over 64 bits (the last step of splitmix64), so that a set of people can be told by the marks of its members.
CREATE TABLE people AS
WITH listed AS (
  SELECT principal, max(name) AS name, max(login) AS login, max(mail) AS mail, bool_and(active) AS active,
    row_number() OVER (ORDER BY principal) AS number
  FROM accounts GROUP BY principal
), numbered AS (
  SELECT principal, name, login, mail, active, CAST(number AS BIGINT) AS number, CAST(number AS BIGINT) * -7046029254386353131 AS z FROM listed
), mixed AS (
  SELECT *, (z ^ ((z >> 30) & 17179869183)) * -4658895280553007687 AS y FROM numbered
), inside AS (
  SELECT DISTINCT member FROM members WHERE starts_with("group", 'members:')
), invited AS (
  SELECT DISTINCT principal FROM grants WHERE lower(login) LIKE '%#ext#%' AND principal <> ''
)
SELECT mixed.principal, name, login, mail, active, number, y ^ ((y >> 27) & 137438953471) AS mark,
  invited.principal IS NOT NULL
    OR (active AND inside.member IS NULL AND (SELECT count(*) FROM inside) > 0) AS guest
FROM mixed
LEFT JOIN inside ON inside.member = mixed.principal
LEFT JOIN invited ON invited.principal = mixed.principal
