-- When each stream's grants were first scanned. Of what stood then, nobody knows since when.
CREATE VIEW firsts AS
SELECT stream, min(first_observed) AS first_scan FROM grant_readings GROUP BY stream
