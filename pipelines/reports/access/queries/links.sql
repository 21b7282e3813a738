SELECT link_scope, link_type, count(DISTINCT link_digest) AS links,
  count(DISTINCT link_digest) FILTER (WHERE link_expires IS NULL) AS without_expiry,
  count(DISTINCT link_digest) FILTER (WHERE link_expires <= $now) AS expired,
  count(DISTINCT link_digest) FILTER (WHERE link_password IS NULL) AS password_unknown
FROM grants
WHERE via = 'link'
GROUP BY link_scope, link_type
ORDER BY links DESC, link_scope, link_type
