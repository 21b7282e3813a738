"""The walk over one stream's days: how the count of green days grows, what sets it back, and which days are shown."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

from pipelines.evidence.calendar import DAY
from pipelines.evidence.history import History
from pipelines.evidence.reasons import Reason, reason
from pipelines.evidence.spans import DayVerdict, Segment, Span


@dataclass(frozen=True)
class Walked:
    """One stream up to yesterday: its count, its days as segments, what last set the count back, the days that restarted it, and the
    fingerprints of its first and newest contract."""

    green_days: int
    segments: tuple[Segment, ...]
    last_reason: Reason | None
    restarts: tuple[date, ...]
    first_contract: str | None
    contract: str | None

    def count_on(self, day: date) -> int:
        """The count of green days on ``day``; 0 on a day that is not known."""
        segment = segment_on(self.segments, day)
        return 0 if segment is None else segment.count_on(day)


def walk(stream: str, spans: Sequence[Span], today: date, history: History) -> Walked:
    """Count forward from the first seal to yesterday; every day in between must be sealed. Without a seal no day was ever owed: no days."""
    yesterday = today - DAY
    count, last_reason = 0, None
    segments: list[Segment] = []
    restarts: list[date] = []
    first_contract: str | None = None
    known: Span | None = None
    count_from = history.count_from
    # The day behind the last one walked over.
    next_day: date | None = None
    for whole in spans:
        span = whole.until(yesterday)
        if span is None:
            break
        if next_day is not None and next_day < span.first:
            segments.append(_gap(next_day, span.first - DAY))
            count, last_reason = 0, _unsealed(stream, segments[-1])
        next_day = span.last + DAY
        changed = _changed(stream, known, span, history)
        if changed is not None:
            count, last_reason = 0, changed
            restarts.append(span.first)
        for part in _split(span, count_from):
            counted = part.verdict == "green" and (count_from is None or part.first >= count_from)
            if part.verdict == "green" and not counted and count_from is not None:
                last_reason = reason("gate.policy_since", day=count_from.isoformat())
            elif part.verdict not in ("green", "excused"):
                count, last_reason = 0, part.why
            segments.append(Segment(part.first, part.days, part.verdict, count, counted))
            count += part.days if counted else 0
        first_contract = first_contract or span.contract
        known = _known(known, span)
    if next_day is not None and next_day <= yesterday:
        segments.append(_gap(next_day, yesterday))
        count, last_reason = 0, _unsealed(stream, segments[-1])
    return Walked(count, tuple(segments), last_reason, tuple(restarts), first_contract, known.contract if known else None)


def window(segments: Sequence[Segment], wanted: int) -> tuple[tuple[date, DayVerdict], ...]:
    """The newest days, oldest first, as many as hold ``wanted`` that are not excused."""
    found: list[tuple[date, DayVerdict]] = []
    seen = 0
    for segment in reversed(segments):
        for back in range(segment.days):
            if seen >= wanted:
                return tuple(reversed(found))
            found.append((segment.last - timedelta(days=back), segment.verdict))
            seen += segment.verdict != "excused"
    return tuple(reversed(found))


def segment_on(segments: Sequence[Segment], day: date) -> Segment | None:
    """The segment that ``day`` lies in."""
    at = bisect_right(segments, day, key=lambda segment: segment.first)
    return segments[at - 1] if at and segments[at - 1].last >= day else None


def _gap(first: date, last: date) -> Segment:
    return Segment(first, (last - first).days + 1, "unsealed", 0, False)


def _unsealed(stream: str, gap: Segment) -> Reason:
    return reason("gate.day_not_sealed", stream=stream, day=gap.last.isoformat())


def _split(span: Span, count_from: date | None) -> tuple[Span, ...]:
    if count_from is None or not span.first < count_from <= span.last:
        return (span,)
    before = (count_from - span.first).days
    return replace(span, days=before), replace(span, first=count_from, days=span.days - before)


def _known(before: Span | None, span: Span) -> Span:
    """The newest span, with the contract and endpoint last seen where its own days had no good pull."""
    if before is None:
        return span
    if span.contract and span.endpoint:
        return span
    return replace(span, contract=span.contract or before.contract, endpoint=span.endpoint or before.endpoint)


def _changed(stream: str, before: Span | None, span: Span, history: History) -> Reason | None:
    """What restarts the count on this day. A contract change nobody accepted as additive is taken for a breaking one."""
    if before is None:
        return None
    at = span.first.isoformat()
    if before.endpoint and span.endpoint and before.endpoint != span.endpoint:
        return reason("gate.endpoint_changed", stream=stream, day=at)
    old, new = before.contract, span.contract
    if old is not None and new is not None and old != new and (stream, old, new) not in history.additive:
        return reason("gate.contract_changed", stream=stream, day=at)
    if before.policy != span.policy:
        return reason("gate.seal_policy_changed", stream=stream, day=at)
    return None
