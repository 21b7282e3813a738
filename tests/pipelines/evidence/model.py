"""The rules of a day and of the gate once more, from the design's words alone: plain loops, sharing nothing with what they judge."""

from __future__ import annotations

from datetime import timedelta

ONE = timedelta(days=1)


def filled(tick, slots):
    """A schedule fills the slot of its very second, a sensor the latest that had come due."""
    return tick.at if tick.kind == "schedule" else max((slot for slot in slots if slot <= tick.at), default=None)


def tries_of(root, runs):
    """The run a tick launched, and the daemon's own retries of it."""
    chain = [run for run in runs if run.run_id == root]
    more = chain
    while more and chain[-1].status == "failed" and chain[-1].will_retry and not chain[-1].backfill:
        more = [run for run in runs if (run.parent_run_id, run.root_run_id) == (chain[-1].run_id, root) and run.retry_number]
        more = [run for run in more if not run.backfill][:1]
        chain += more
    return chain


def is_bad(claim, run, slot, day, checks, policy):
    records = {c.name: c for c in checks if (c.stream, c.run_id) == (claim.stream, claim.run_id)}
    said, books, skew = {c.name: c for c in claim.checks}, claim.balance, policy.max_skew
    bad = claim.outcome != "succeeded" or claim.drift_waiting > 0 or not said or not set(policy.required_checks) <= set(said)
    bad |= run.finished_at is None or run.status not in ("succeeded", "failed") or run.failed_for(claim.stream)
    bad |= not books.verified or books.source != books.landed + books.quarantined + books.excluded
    bad |= claim.started_at < slot - skew or claim.finished_at >= day.closes_at or claim.finished_at < claim.started_at
    bad |= claim.started_at < run.started_at - skew or (run.finished_at or claim.finished_at) < claim.finished_at - skew
    for name in said.keys() | records.keys():
        told = [each for each in (said.get(name), records.get(name)) if each]
        warned = policy.warn_is_green and all(each.severity == "warn" for each in told)
        known = name in records and records[name].status in ("succeeded", "failed")
        bad |= not known or not (warned or all(each.passed for each in told))
    return bad


def verdict_of(stream, day, slots, claims, ticks, runs, checks, policy, last_good=None):
    """The day's verdict, and the good claims it rests on."""
    windows = [w for w in policy.windows if w.stream == stream and w.declared_at < w.starts_at]
    real = [c for c in claims if c.stream == stream and c.environment == policy.environment]
    real = [c for c in real if policy.environment != "production" or (c.clock == "wall" and not c.endpoint.sandbox)]
    words, good = set(), []
    for slot in (s for s in slots if not any(w.starts_at <= s < w.ends_at for w in windows)):
        roots = dict.fromkeys(root for t in ticks if stream in t.streams and filled(t, slots) == slot for root in t.run_ids)
        told = [[(run, [c for c in real if c.run_id == run.run_id and c.slot in (slot, None) and c.root_run_id == root and not run.backfill]) for run in tries_of(root, runs)] for root in roots]
        told = [[(run, own) for run, own in tries if own or not run.finished_at or run.failed_for(stream)] for tries in told]
        ends = [(max(tries[-1][1], key=lambda c: c.started_at, default=None), tries[-1][0]) if tries else (None, None) for tries in told]
        torn = {c.pull_id for c in real for d in real if c.pull_id == d.pull_id and c != d}
        ok = [claim for claim, run in ends if claim and claim.pull_id not in torn and not is_bad(claim, run, slot, day, checks, policy)]
        words.add("missing" if not any(told) else "green" if len(ok) == len(ends) else "red")
        good += ok
    ends = [last_good, *sorted(c.finished_at for c in good)]
    gaps = [b - a for a, b in zip(ends, ends[1:], strict=False) if a]
    moved = len({c.endpoint for c in good}) > 1 or (policy.freshness and any(gap > policy.freshness for gap in gaps))
    return ("red" if "red" in words or (words and moved) else "missing" if "missing" in words else "green" if words else "excused"), good


def walked(days, told):
    """Green days in a row up to yesterday; whether every contract was agreed to; the days the count began anew for a change.

    ``days``: date → (verdict, contract, endpoint, policy)."""
    count, known, agreed, restarts = 0, [None, None, None], set(), []
    for at in (min(days) + n * ONE for n in range((told.today - min(days)).days)) if days else ():
        verdict, *now = days.get(at, ("unsealed", None, None, None))
        now = [new or old for new, old in zip(now, known, strict=True)]
        additive = (known[0], now[0]) in told.additive
        agreed |= {now[0]} if known[0] is None or now[0] in told.accepted or (additive and known[0] in agreed) else set()
        moved = any(old and old != new for old, new in zip(known[additive:], now[additive:], strict=True))
        early = told.count_from is not None and at < told.count_from
        count = 0 if moved or early or verdict not in ("green", "excused") else count
        count, known, restarts = count + (verdict == "green" and not early), now, restarts + [at] * moved
    return count, known[0] is None or known[0] in agreed, restarts


def standing(streams, told):
    """The gate's word and count; ``told`` is what people decided and what was measured."""
    found = [walked(days, told) for days in streams]
    green = min(count for count, _, _ in found)
    ready = told.facts_hold and told.week_one and told.policy_known and all(agreed for _, agreed, _ in found)
    if told.revoked or told.suspended:
        return ("revoked" if told.revoked else "suspended"), green
    since = told.eligible_since
    if not ready or green >= told.green_days or since is None or any(day >= since for _, _, restarts in found for day in restarts):
        return ("eligible" if ready and green >= told.green_days else "ineligible"), green
    first = max(since, told.resumed_on or since)
    lived = [[days.get(first + n * ONE, ("unsealed",))[0] for days in streams] for n in range((told.today - first).days)]
    bad = [n for n, verdicts in enumerate(lived) if not {"green", "excused"}.issuperset(verdicts)]
    kept = [n for n, verdicts in enumerate(lived) if set(verdicts) != {"excused"}]
    spent = any(a in bad and b in bad for a, b in zip(kept, kept[1:], strict=False)) or any(c - a < 14 for a, c in zip(bad, bad[2:], strict=False))
    return ("suspended" if spent else "eligible"), green
