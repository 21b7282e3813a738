-- Everybody the directory lists. Closed in one stream's reading is closed. A guest is active and not among the organisation's members.
CREATE VIEW people AS
WITH listed AS (
  SELECT principal, max(name) AS name, max(login) AS login, max(mail) AS mail, bool_and(active) AS active FROM accounts GROUP BY principal
), inside AS (
  SELECT DISTINCT member FROM members WHERE starts_with("group", 'members:')
), invited AS (
  SELECT DISTINCT principal FROM grants WHERE lower(login) LIKE '%#ext#%' AND principal <> ''
)
SELECT listed.*,
  invited.principal IS NOT NULL
    OR (active AND inside.member IS NULL AND (SELECT count(*) FROM inside) > 0) AS guest
FROM listed
LEFT JOIN inside ON inside.member = listed.principal
LEFT JOIN invited ON invited.principal = listed.principal
