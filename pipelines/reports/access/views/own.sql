-- The grants by which a scope is held against its parent. Limited Access opens nothing and comes and goes by itself; of who stands for
-- nobody (an app, a login that is gone) only its name says whether a grant is that.
CREATE VIEW own AS
SELECT scope, coalesce(nullif(principal, ''), login) AS who, role, max(title) AS title, max(kind) AS kind,
  min(first_observed) AS first_observed, first_value(first_scan ORDER BY first_observed) AS first_scan, bool_or(older) AS older
FROM grants
WHERE via = 'direct' AND (
  reads OR (
    (kind IN ('orphan', 'unknown') OR starts_with(lower(login), 'i:0i.t|'))
    AND role NOT IN ('Limited Access', 'Web-Only Limited Access', '制限付きアクセス')
  )
)
GROUP BY scope, coalesce(nullif(principal, ''), login), role
