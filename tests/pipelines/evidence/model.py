"""The rules of a day and of the gate once more, from the design's words alone: plain loops, sharing nothing with what they judge."""

from dataclasses import replace
from datetime import timedelta
from itertools import pairwise


def tries_of(root, runs):
    """The run a tick launched, and the daemon's own retries of it."""
    chain = more = [run for run in runs if run.run_id == root]
    while more and (last := chain[-1]).status == "failed" and last.will_retry and not last.backfill:
        more = [r for r in runs if (r.run_id, r.parent_run_id, r.root_run_id) == (last.auto_retry_run_id, last.run_id, root)]
        chain = chain + (more := [r for r in more if r.retry_number and not r.backfill])
    return chain


def is_good(claim, run, slot, day, checks, policy):
    """Succeeded within the day, in the run's own time; the books balance; no drift waits; every check stands recorded in this very run."""
    records = {c.name: c for c in checks if (c.stream, c.run_id) == (claim.stream, claim.run_id)}
    said, books, skew, ended = {c.name: c for c in claim.checks}, claim.balance, policy.max_skew, run.finished_at or claim.finished_at
    good = claim.outcome == "succeeded" and not run.failed_for(claim.stream) and run.status in ("succeeded", "failed") and run.finished_at
    good = good and books.verified and books.source == books.landed + books.quarantined + books.excluded and claim.drift_waiting == 0
    good = good and max(slot, run.started_at) - skew <= claim.started_at <= claim.finished_at <= ended + skew and said
    good = good and claim.finished_at < day.closes_at and set(policy.required_checks) <= set(said)
    for name in said.keys() | records.keys():
        told = [each for each in (said.get(name), records.get(name)) if each]
        fine = all(each.passed for each in told) or (policy.warn_is_green and all(each.severity == "warn" for each in told))
        good = good and fine and name in records and records[name].status in ("succeeded", "failed")
    return good


def verdict_of(stream, day, slots, claims, ticks, runs, checks, policy, last_good=None):
    """The day's verdict, and the good claims it rests on."""
    real = [c for c in claims if c.stream == stream and c.environment == policy.environment]
    real = [c for c in real if policy.environment != "production" or (c.clock == "wall" and not c.endpoint.sandbox)]
    # A schedule fills the slot of its very second, a sensor the latest that had come due.
    filled = {t: t.at if t.kind == "schedule" else max((slot for slot in slots if slot <= t.at), default=None) for t in ticks}
    torn, words, good = {c.pull_id for c in real for d in real if c.pull_id == d.pull_id and c != d}, set(), []
    for slot in (s for s in slots if not any(w.stream == stream and w.declared_at < w.starts_at <= s < w.ends_at for w in policy.windows)):
        own = {r.run_id: [c for c in real if (c.run_id, c.slot or slot) == (r.run_id, slot) and not r.backfill] for r in runs}
        roots = dict.fromkeys(root for t in ticks if stream in t.streams and filled[t] == slot for root in t.run_ids)
        told = [[(r, [c for c in own[r.run_id] if c.root_run_id == root]) for r in tries_of(root, runs)] for root in roots]
        told = [[(run, said) for run, said in tries if said or not run.finished_at or run.failed_for(stream)] for tries in told]
        last = [(max(said, key=lambda c: c.started_at), run) for run, said in (tries[-1] for tries in told if tries) if said]
        fine = [claim for claim, run in last if claim.pull_id not in torn and is_good(claim, run, slot, day, checks, policy)]
        words, good = words | {"missing" if not any(told) else "green" if len(fine) == len(told) else "red"}, good + fine
    stale = policy.freshness and any(a and b - a > policy.freshness for a, b in pairwise([last_good, *sorted(c.finished_at for c in good)]))
    words |= {"red"} if words and (stale or len({c.endpoint for c in good}) > 1) else set()
    return next((word for word in ("red", "missing", "green") if word in words), "excused"), good


def walked(days, told):
    """Green days in a row up to yesterday; whether every contract was agreed to; the days a change began the count anew."""
    count, known, agreed, restarts = 0, [None, None, None], set(), []
    for at in (min(days) + timedelta(n) for n in range((told.today - min(days)).days)) if days else ():
        verdict, *now = days.get(at, ("unsealed", None, None, None))
        now = [new or old for new, old in zip(now, known, strict=True)]
        additive, early = (known[0], now[0]) in told.additive, told.count_from is not None and at < told.count_from
        agreed |= {now[0]} if known[0] is None or now[0] in told.accepted or (additive and known[0] in agreed) else set()
        moved = any(old and old != new for old, new in zip(known[additive:], now[additive:], strict=True))
        count = (0 if moved or early or verdict not in ("green", "excused") else count) + (verdict == "green" and not early)
        known, restarts = now, restarts + [at] * moved
    return count, known[0] is None or known[0] in agreed, restarts


def standing(streams, told):
    """The gate's word and count; ``told`` is what people decided and what was measured."""
    found, since = [walked(days, told) for days in streams], told.eligible_since or told.today
    green, ready = min(count for count, _, _ in found), told.facts_hold and told.week_one and all(agreed for _, agreed, _ in found)
    earned = told.eligible_since and all(day < since for _, _, restarts in found for day in restarts)
    earned = earned and all(walked(days, replace(told, today=since))[0] >= told.green_days for days in streams)
    if told.revoked or told.suspended or not ready or green >= told.green_days or not earned:
        full = ready and green >= told.green_days
        return "revoked" if told.revoked else "suspended" if told.suspended else "eligible" if full else "ineligible", green
    first = max(since, told.resumed_on or since)
    lived = [{days.get(first + timedelta(n), ("unsealed",))[0] for days in streams} for n in range((told.today - first).days)]
    bad = [n for n, verdicts in enumerate(lived) if not verdicts <= {"green", "excused"}]
    kept = [n for n, verdicts in enumerate(lived) if verdicts != {"excused"}]
    in_a_row = any(a in bad and b in bad for a, b in pairwise(kept))
    return ("suspended" if in_a_row or any(c - a < 14 for a, c in zip(bad, bad[2:], strict=False)) else "eligible"), green
