-- Under which principals each active person acts, stream by stream: their own and every group above, circles included.
CREATE TABLE above AS
WITH RECURSIVE climbed AS (
  SELECT stream, principal AS person, principal FROM accounts
  WHERE active AND principal IN (SELECT principal FROM people WHERE active)
  UNION
  SELECT climbed.stream, climbed.person, m."group" AS principal
  FROM climbed JOIN members m ON m.stream = climbed.stream AND m.member = climbed.principal
)
SELECT stream, person, principal FROM climbed
