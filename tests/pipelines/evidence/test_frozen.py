"""calendar.yaml: frozen once, complete for its years, and its end is said a year before."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import pytest

from connectors.errors import FixConfiguration
from pipelines.evidence.calendar import ClosedDays, is_business_day
from pipelines.evidence.frozen import Frozen, ending, freeze, read_frozen, write_frozen


@pytest.fixture(scope="module")
def table() -> Frozen:
    return freeze(None, range(2026, 2028), [date(2026, 12, 29)])


def test_the_table_comes_back_as_it_was_written(table: Frozen, tmp_path: Path):
    assert read_frozen(tmp_path) is None
    write_frozen(tmp_path, table)
    assert read_frozen(tmp_path) == table


def test_substitute_holidays_and_company_days_are_closed(table: Frozen):
    closed = table.closed
    assert not is_business_day(date(2026, 5, 6), closed), "the substitute for Constitution Day, a Sunday in 2026"
    assert not is_business_day(date(2026, 12, 29), closed)
    assert is_business_day(date(2026, 12, 28), closed)


def test_a_year_that_is_frozen_stays_as_it_is_whatever_the_package_says(table: Frozen):
    bent = table.model_copy(update={"holidays": {date(2026, 7, 7): "七夕"}})
    again = freeze(bent, range(2026, 2029))
    assert [day for day in again.holidays if day.year == 2026] == [date(2026, 7, 7)]
    assert sorted(again.years) == [2026, 2027, 2028]
    assert any(day.year == 2028 for day in again.holidays)


@pytest.mark.parametrize(
    ("today", "says"),
    [(date(2026, 12, 31), None), (date(2027, 1, 1), 2028), (date(2028, 1, 1), 2028), (date(2025, 6, 1), 2025)],
    ids=["a year and a day before its end", "a year before", "ended", "before it begins"],
)
def test_its_end_is_said_a_year_before(table: Frozen, today: date, says: int | None):
    found = ending(table.closed, today)
    assert (found.params["next"] if found else None) == says


def test_no_table_at_all_ends_now():
    assert ending(None, date(2026, 11, 27)) is not None
    assert ending(ClosedDays((2026, 2027), frozenset()), date(2026, 11, 27)) is None


@pytest.mark.parametrize(
    "text", ["years: [2026]", "years: {2026: x}\nholidays: {someday: x}", "years: {", "extra: 1", "company: [2026-02-30]"]
)
def test_a_table_that_cannot_be_read_is_named(tmp_path: Path, text: str):
    (tmp_path / "calendar.yaml").write_text(text, encoding="utf-8")
    with pytest.raises(FixConfiguration, match=r"calendar\.yaml"):
        read_frozen(tmp_path)
