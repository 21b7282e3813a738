-- Under which principals each active person acts, stream by stream: their own and every group above, circles included.
CREATE TABLE above AS
WITH RECURSIVE climbed AS (
  SELECT a.stream, p.number, a.principal
  FROM accounts a JOIN people p ON p.principal = a.principal
  WHERE a.active AND p.active
  UNION
  SELECT climbed.stream, climbed.number, m."group" AS principal
  FROM climbed JOIN members m ON m.stream = climbed.stream AND m.member = climbed.principal
)
SELECT stream, number, principal FROM climbed
