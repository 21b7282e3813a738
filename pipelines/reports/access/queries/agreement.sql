SELECT at, sample, count(*) AS pairs, count(*) FILTER (WHERE verdict = 'agree') AS agreed,
  count(*) FILTER (WHERE verdict = 'open') AS too_open, count(*) FILTER (WHERE verdict = 'closed') AS too_closed,
  count(*) FILTER (WHERE verdict = 'narrower') AS narrower_by_rule, count(*) FILTER (WHERE verdict = 'unsaid') AS unsaid
FROM agreement
GROUP BY at, sample
ORDER BY at DESC, sample
