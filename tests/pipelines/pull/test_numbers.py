"""Numbers of a pull that depend on the days between two: what changed a day, and how old the newest row is."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from types import SimpleNamespace
from typing import Any, cast

import pytest

from connectors.protocol import Window
from expectations.contract import Contract
from expectations.profile import ColumnProfile, Profile
from pipelines.evidence.calendar import ClosedDays
from pipelines.landing.numbers import Kept
from pipelines.pull.numbers import MARKS, Closed, numbers_of
from pipelines.pull.window import Reading

#: A Friday, five in the morning in Tokyo.
FRIDAY = datetime(2026, 11, 19, 20, tzinfo=UTC)
OPEN = Closed("Asia/Tokyo", None)
#: Week-ends, and Monday 23 November.
SHUT = Closed("Asia/Tokyo", ClosedDays((2026,), frozenset({date(2026, 11, 23)})))
CONTRACT = Contract.model_validate(
    {
        "stream": "a/b",
        "version": 1,
        "source": {},
        "key": ["id"],
        "cursor": {"field": "at"},
        "fields": [{"name": "id", "source": "id", "type": "int64"}, {"name": "at", "source": "at", "type": "timestamp[us, UTC]"}],
    }
)


def after(
    at: datetime, earlier: Kept | None, *, changed: int = 0, newest: datetime | None = None, why: str = "", closed: Closed = OPEN
) -> Kept:
    """The numbers of a pull at this instant."""
    profile = Profile(rows=changed, columns={"at": ColumnProfile(rows=changed, high=newest), "id": ColumnProfile(rows=changed)})
    fetched = cast(Any, SimpleNamespace(profile=profile, live_after=100, changed=changed))
    window = Window() if why else Window(since=at)
    return numbers_of(
        CONTRACT, fetched, Reading(window, why=why), earlier, pull_id=str(at), at=at, accepted=False, asked=False, closed=closed
    )


def test_changes_are_a_days_however_many_pulls_it_had_and_however_long_none_came() -> None:
    kept = after(FRIDAY, None, changed=100, why="first")
    assert kept.numbers.changed is None, "nothing can be said of the first"
    for hour in range(1, 25):
        kept = after(FRIDAY + timedelta(hours=hour), kept, changed=1)
    assert kept.numbers.changed == 24
    late = after(FRIDAY + timedelta(days=4), kept, changed=30)
    assert late.numbers.changed == pytest.approx(10)


def test_days_on_which_nobody_works_are_none() -> None:
    kept = after(FRIDAY, None, changed=100, newest=FRIDAY - timedelta(hours=2), why="first", closed=SHUT)
    tuesday = after(FRIDAY + timedelta(days=4), kept, changed=12, closed=SHUT)
    assert tuesday.numbers.changed == pytest.approx(12) and tuesday.numbers.freshness == pytest.approx(26)
    everyday = after(FRIDAY + timedelta(days=4), kept, changed=12)
    assert everyday.numbers.changed == pytest.approx(3) and everyday.numbers.freshness == pytest.approx(98)


@pytest.mark.parametrize("why", ["contract", "schema", "moved"])
def test_rows_that_are_new_only_to_us_are_no_changes_and_counting_begins_anew(why: str) -> None:
    kept = after(FRIDAY + timedelta(days=1), after(FRIDAY, None, changed=100, why="first"), changed=100, why=why)
    assert kept.numbers.changed is None and kept.taken == 0
    assert after(FRIDAY + timedelta(days=2), kept, changed=7).numbers.changed == pytest.approx(7)


def test_what_is_remembered_of_earlier_pulls_does_not_grow() -> None:
    kept = after(FRIDAY, None, why="first")
    for minute in range(5, 3 * 24 * 60, 5):
        kept = after(FRIDAY + timedelta(minutes=minute), kept, changed=1)
    assert len(kept.marks) <= MARKS
    assert kept.numbers.changed == pytest.approx(288, rel=0.1)
