SELECT link_scope, link_type, count(*) AS links,
  count(*) FILTER (WHERE link_expires IS NULL AND link_password IS NOT NULL) AS without_expiry,
  count(*) FILTER (WHERE link_expires <= $now) AS expired,
  count(*) FILTER (WHERE link_password) AS with_password,
  count(*) FILTER (WHERE link_password IS NULL) AS details_unknown
FROM grants
WHERE via = 'link' AND kind = 'link'
GROUP BY link_scope, link_type
ORDER BY links DESC, link_scope, link_type
