-- Memberships as they stand, with the time at which a reading of memberships first saw them.
CREATE VIEW joined AS
SELECT "group", member, first_observed, first_scan, first_observed <= first_scan AS older
FROM joined_readings CROSS JOIN (SELECT min(first_observed) AS first_scan FROM joined_readings) scans
WHERE gone_at IS NULL
