"""Runs of equal days: what the gate walks over, so that a year of green days of a thousand streams costs what their changes cost."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta
from typing import Literal

from pipelines.evidence.calendar import DAY
from pipelines.evidence.reasons import Reason
from pipelines.evidence.seals import Seal, Verdict

DayVerdict = Verdict | Literal["unsealed"]
#: A day as one letter, wherever days stand in a row: on pages, in commands, in pictures. Colour alone tells nobody enough.
LETTERS: Mapping[str, str] = {"green": "G", "red": "R", "missing": "–", "excused": "E", "unsealed": "·"}
_WORST_FIRST: tuple[Verdict, ...] = ("red", "missing", "excused", "green")


@dataclass(frozen=True)
class Span:
    """``days`` civil days in a row from ``first`` on, sealed alike. ``contract`` and ``endpoint`` are fingerprints (None: no good pull),
    ``endpoint`` with a leading mark where it was a sandbox's; ``why`` is the first reason of days that are not green."""

    first: date
    days: int
    verdict: Verdict
    policy: str
    contract: str | None = None
    endpoint: str | None = None
    why: Reason | None = None

    @property
    def last(self) -> date:
        return self.first + timedelta(days=self.days - 1)

    def until(self, day: date) -> Span | None:
        """The part up to ``day`` inclusive; None when there is none."""
        if self.last <= day:
            return self
        return replace(self, days=(day - self.first).days + 1) if self.first <= day else None


@dataclass(frozen=True)
class Segment:
    """A span after the walk, or a gap between spans: ``start`` is the count of green days before it, ``counted`` whether its days count."""

    first: date
    days: int
    verdict: DayVerdict
    start: int
    counted: bool

    @property
    def last(self) -> date:
        return self.first + timedelta(days=self.days - 1)

    @property
    def end(self) -> int:
        return self.start + self.days if self.counted else self.start

    def count_on(self, day: date) -> int:
        """The count of green days on ``day``, which lies in this segment."""
        return self.start + (day - self.first).days + 1 if self.counted else self.start


def endpoint_mark(fingerprint: str, sandbox: bool) -> str:
    """An endpoint as one text: a sandbox under the same address is another endpoint."""
    return f"sandbox {fingerprint}" if sandbox else fingerprint


def spans_of(seals: Iterable[Seal]) -> Mapping[str, tuple[Span, ...]]:
    """Seals as spans by stream, oldest first. The sealer writes one seal a day; should two stand there, the worse is believed."""
    by_stream: dict[str, dict[date, Seal]] = defaultdict(dict)
    for seal in seals:
        other = by_stream[seal.stream].get(seal.day)
        if other is None or rank(seal.verdict) < rank(other.verdict):
            by_stream[seal.stream][seal.day] = seal
    return {stream: merged([_span(by_day[day]) for day in sorted(by_day)]) for stream, by_day in by_stream.items()}


def rank(verdict: Verdict) -> int:
    """Smaller is worse."""
    return _WORST_FIRST.index(verdict)


def merged(spans: Sequence[Span]) -> tuple[Span, ...]:
    """Neighbours that say the same, as one."""
    found: list[Span] = []
    for span in spans:
        before = found[-1] if found else None
        if before is not None and _alike(before, span) and before.last + DAY == span.first:
            found[-1] = replace(before, days=before.days + span.days)
        else:
            found.append(span)
    return tuple(found)


def _alike(one: Span, other: Span) -> bool:
    return (
        one.verdict == other.verdict
        and one.policy == other.policy
        and one.contract == other.contract
        and one.endpoint == other.endpoint
        and one.why == other.why
    )


def _span(seal: Seal) -> Span:
    return Span(
        seal.day,
        1,
        seal.verdict,
        seal.policy,
        seal.contract.fingerprint if seal.contract else None,
        endpoint_mark(seal.endpoint.fingerprint, seal.endpoint.sandbox) if seal.endpoint else None,
        seal.reasons[0] if seal.reasons and seal.verdict not in ("green", "excused") else None,
    )
