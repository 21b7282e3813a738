"""After an index was eligible: the error budget of its days, and the operator's sign-offs of the first working days in production."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import date, timedelta

from pipelines.evidence.calendar import DAY
from pipelines.evidence.history import History
from pipelines.evidence.reasons import Reason, reason
from pipelines.evidence.spans import Segment
from pipelines.evidence.walk import segment_on

_GOOD = ("green", "excused")


def bad_days(streams: Sequence[Sequence[Segment]], since: date) -> tuple[date, ...]:
    """The days from ``since`` on that were not green for some stream, in order. A day excused for every stream is none."""
    found: set[date] = set()
    for segments in streams:
        for segment in segments:
            if segment.verdict not in _GOOD and segment.last >= since:
                first = max(segment.first, since)
                found.update(first + timedelta(days=n) for n in range((segment.last - first).days + 1))
    return tuple(sorted(found))


def overspent(bad: Sequence[date], streams: Sequence[Sequence[Segment]]) -> Reason | None:
    """Two bad days in a row, or three in fourteen. Days that were excused for every stream do not part two bad ones."""
    for at, day in enumerate(bad):
        if at > 0 and all(_excused(streams, between) for between in _between(bad[at - 1], day)):
            return reason("gate.two_bad_in_a_row", day=day.isoformat())
        if at > 1 and (day - bad[at - 2]).days < 14:
            return reason("gate.three_bad_in_fourteen", day=day.isoformat())
    return None


def reviews_missed(history: History, allowed: int, today: date) -> Reason | None:
    """Too many working days after promotion without the operator's sign-off. A day may still be signed on the day after it."""
    due = [day for day in history.review_days if day < today - DAY and (history.resumed_on is None or day >= history.resumed_on)]
    missing = [day for day in due if day not in history.reviewed]
    if len(missing) < allowed:
        return None
    return reason("gate.reviews_missed", days=", ".join(day.isoformat() for day in missing))


def _between(first: date, last: date) -> list[date]:
    return [first + timedelta(days=n) for n in range(1, (last - first).days)]


def _excused(streams: Sequence[Sequence[Segment]], day: date) -> bool:
    found = (segment_on(segments, day) for segments in streams)
    return all(segment is not None and segment.verdict == "excused" for segment in found)
