"""What green days teach of a number, and what a person says about it."""

from __future__ import annotations

import math
from datetime import UTC, date, datetime, timedelta
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError

from expectations.band_settings import Bands
from expectations.bands import LEAST, MOST, SETTLED, Band, ColumnNumbers, Numbers, Taught, bands_of, learned, outside

START = datetime(2026, 11, 1, 5, tzinfo=UTC)
NUMBERS = st.floats(-1e9, 1e9)


def numbers(day: int, **more: Any) -> Numbers:
    given: dict[str, Any] = {"source": "s", "whole": True, "rows": 130, "live": 130, **more}
    return Numbers(pull_id=f"p{day}", at=START + timedelta(days=day), **given)


def days(*given: Numbers) -> list[Taught]:
    return [Taught(date(2026, 11, 1) + timedelta(days=n), one) for n, one in enumerate(given)]


def of(kind: str, found: tuple[Band, ...], column: str = "") -> Band | None:
    return next((band for band in found if (band.kind, band.column) == (kind, column)), None)


LIVE = [120, 125, 130, 128, 140, 133, 122, 121, 130, 138, 129, 131, 126, 139]


def green(count: int = len(LIVE), **more: Any) -> list[Taught]:
    return days(*(numbers(n, live=LIVE[n % len(LIVE)], **more) for n in range(count)))


def test_no_band_exists_before_seven_green_days() -> None:
    today = numbers(20, live=12)
    assert of("live", bands_of(Bands(), today, green(LEAST - 1), {})) is None
    assert of("live", bands_of(Bands(), today, green(LEAST), {})) is not None


def test_a_table_that_shrinks_to_a_tenth_is_outside_and_one_that_grows_a_little_is_not() -> None:
    band = of("live", bands_of(Bands(), numbers(20, live=12), green(), {}))
    assert band is not None and outside(band) and (band.days, band.seen) == (14, (120, 140))
    grown = of("live", bands_of(Bands(), numbers(20, live=144), green(), {}))
    assert grown is not None and not outside(grown)


@given(values=st.lists(NUMBERS, min_size=LEAST, max_size=MOST), floor=st.floats(0, 1e6))
def test_what_green_days_showed_lies_within_but_for_one_odd_day_on_a_side(values: list[float], floor: float) -> None:
    low, high = learned(values, floor)
    assert low <= high
    outside = [value for value in values if not low <= value <= high]
    assert len(outside) <= (2 if len(values) >= SETTLED else 0)


@given(values=st.lists(NUMBERS, min_size=LEAST, max_size=MOST), floor=st.floats(0, 1e6), more=st.floats(0, 1e6))
def test_a_higher_floor_never_narrows_a_band(values: list[float], floor: float, more: float) -> None:
    low, high = learned(values, floor)
    wider_low, wider_high = learned(values, floor + more)
    assert wider_low <= low and high <= wider_high


@given(values=st.lists(NUMBERS, min_size=LEAST, max_size=SETTLED - 2), one=NUMBERS)
def test_while_days_are_few_another_green_day_never_narrows_a_band(values: list[float], one: float) -> None:
    low, high = learned(values, 1.0)
    after_low, after_high = learned([*values, one], 1.0)
    assert after_low <= low and high <= after_high


@given(values=st.lists(st.integers(-1000, 1000), min_size=LEAST, max_size=MOST), by=st.integers(-(10**6), 10**6))
def test_a_band_moves_with_its_days(values: list[int], by: int) -> None:
    low, high = learned(values, 3)
    moved_low, moved_high = learned([value + by for value in values], 3)
    assert (moved_low, moved_high) == (low + by, high + by)


def test_the_order_of_days_changes_nothing_but_which_are_the_last() -> None:
    history = green(20)
    today = numbers(40)
    assert bands_of(Bands(), today, history, {}) == bands_of(Bands(), today, history[::-1], {})


def test_one_odd_green_day_of_fourteen_does_not_widen_a_band() -> None:
    wild = [*LIVE[:13], 9_000]
    low, high = learned(wild, 5)
    assert (low, high) == learned(LIVE[:13], 5) or high < 300
    assert high < 9_000 and low > 0


def test_weekends_that_bring_nothing_are_within_and_what_a_week_never_brought_is_not() -> None:
    week = [120.0, 131.0, 118.0, 140.0, 125.0, 0.0, 0.0]
    history = days(*(numbers(n, changed=week[n % 7]) for n in range(14)))
    for changed, out in ((0.0, False), (140.0, False), (900.0, True)):
        band = of("changed", bands_of(Bands(), numbers(20, changed=changed), history, {}))
        assert band is not None and outside(band) is out, changed


def test_only_a_greater_age_is_news() -> None:
    history = days(*(numbers(n, freshness=1.0 + n % 5) for n in range(14)))
    for age, out in ((0.0, False), (6.0, False), (16.0, False), (26.0, True)):
        band = of("freshness", bands_of(Bands(), numbers(20, freshness=age), history, {}))
        assert band is not None and band.low is None and outside(band) is out, age


def column(nulls: int = 0, shape: str = "t", **more: Any) -> dict[str, ColumnNumbers]:
    return {"amount": ColumnNumbers(shape, nulls, **more)}


def test_a_share_of_nulls_that_jumps_is_outside_and_chance_in_few_rows_is_not() -> None:
    history = days(*(numbers(n, columns=column(2 + n % 3)) for n in range(14)))
    jumped = of("nulls", bands_of(Bands(), numbers(20, columns=column(60)), history, {}), "amount")
    assert jumped is not None and outside(jumped)
    few = of("nulls", bands_of(Bands(), numbers(20, rows=25, columns=column(3)), history, {}), "amount")
    assert few is not None and not outside(few)
    assert of("nulls", bands_of(Bands(), numbers(20, rows=10, columns=column(9)), history, {}), "amount") is None


def test_columns_are_compared_only_between_pulls_that_read_the_same() -> None:
    history = days(*(numbers(n, columns=column(2)) for n in range(14)))
    part = numbers(20, whole=False, columns=column(60))
    assert of("nulls", bands_of(Bands(), part, history, {}), "amount") is None
    assert of("live", bands_of(Bands(), part, history, {})) is not None


def test_different_values_are_compared_where_everything_was_read() -> None:
    history = days(*(numbers(n, columns=column(distinct=40 + n % 3)) for n in range(14)))
    band = of("distinct", bands_of(Bands(), numbers(20, columns=column(distinct=3)), history, {}), "amount")
    assert band is not None and outside(band)
    parts = days(*(numbers(n, whole=False, columns=column(distinct=40)) for n in range(14)))
    assert of("distinct", bands_of(Bands(), numbers(20, whole=False, columns=column(distinct=3)), parts, {}), "amount") is None


def test_values_a_hundred_times_too_large_or_below_zero_for_the_first_time_are_outside() -> None:
    history = days(*(numbers(n, columns=column(low=10.0, high=9_800.0 + n)) for n in range(14)))
    for low, high, out in ((10.0, 9_900.0, False), (0.0, 12_000.0, False), (10.0, 980_000.0, True), (-1.0, 9_800.0, True)):
        band = of("range", bands_of(Bands(), numbers(20, columns=column(low=low, high=high)), history, {}), "amount")
        assert band is not None and outside(band) is out, (low, high)


def test_a_date_of_the_year_9999_is_outside_and_next_week_is_not() -> None:
    first = datetime(2026, 1, 1, tzinfo=UTC).timestamp()
    history = days(*(numbers(n, columns=column(low=first, high=first + n * 86_400)) for n in range(14)))
    for at, out in ((first + 21 * 86_400, False), (datetime(9999, 12, 31, tzinfo=UTC).timestamp(), True)):
        today = numbers(20, columns=column(low=first, high=at))
        band = of("range", bands_of(Bands(), today, history, {"amount": True}), "amount")
        assert band is not None and outside(band) is out


@pytest.mark.parametrize(
    "changed",
    [{"source": "another"}, {"columns": column(2, shape="other type")}],
    ids=["another address", "another type"],
)
def test_what_was_read_under_another_promise_teaches_nothing_it_concerns(changed: dict[str, Any]) -> None:
    history = days(*(numbers(n, columns=column(2)) for n in range(14)))
    today = numbers(20, **{"columns": column(60), **changed})
    assert of("nulls", bands_of(Bands(), today, history, {}), "amount") is None
    assert (of("live", bands_of(Bands(), today, history, {})) is None) is ("source" in changed)


def test_what_a_person_accepted_is_where_learning_begins_anew() -> None:
    accepted = {"live": START + timedelta(days=10)}
    history = green(14)
    assert of("live", bands_of(Bands(), numbers(14, live=12, since=accepted), history, {})) is None
    after = [*history, *days(*(numbers(14 + n, live=12) for n in range(LEAST)))]
    band = of("live", bands_of(Bands(), numbers(40, live=13, since={"live": START + timedelta(days=14)}), after, {}))
    assert band is not None and band.days == LEAST and not outside(band)


def test_days_before_since_teach_nothing() -> None:
    assert of("live", bands_of(Bands(since=date(2026, 11, 10)), numbers(20, live=12), green(14), {})) is None
    assert of("live", bands_of(Bands(since=date(2026, 11, 3)), numbers(20, live=12), green(14), {})) is not None


def test_a_bound_that_a_person_fixed_stands_in_the_place_of_a_learned_one_from_the_first_day() -> None:
    settings = Bands.model_validate({"live": {"min": 100, "severity": "critical"}})
    band = of("live", bands_of(settings, numbers(0, live=99), [], {}))
    assert band is not None and outside(band) and (band.severity, band.high, band.days) == ("critical", None, 0)
    learned_too = of("live", bands_of(settings, numbers(20, live=99_999), green(), {}))
    assert learned_too is not None and learned_too.low == 100 and outside(learned_too) and learned_too.days == 14


def test_a_kind_can_be_off_for_all_or_for_one_column() -> None:
    history = days(*(numbers(n, columns={**column(2), "other": ColumnNumbers("t", 2)}) for n in range(14)))
    today = numbers(20, columns={**column(90), "other": ColumnNumbers("t", 90)})
    settings = Bands.model_validate({"live": "off", "columns": {"amount": {"nulls": "off"}}})
    found = bands_of(settings, today, history, {})
    assert of("live", found) is None and of("nulls", found, "amount") is None
    other = of("nulls", found, "other")
    assert other is not None and outside(other)
    assert Bands.model_validate({"live": False}) == Bands.model_validate({"live": "off"}), "what YAML 1.1 makes of the word"


@pytest.mark.parametrize(
    "wrong",
    [{"volume": "off"}, {"live": "on"}, {"live": {"min": "many"}}, {"live": {"min": 9, "max": 1}}, {"columns": {"a": {"live": "off"}}}],
)
def test_a_section_that_says_nothing_sensible_is_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(ValidationError):
        Bands.model_validate(wrong)


@given(value=NUMBERS, further=st.floats(0, 1e9))
def test_what_lies_further_out_than_something_outside_is_outside(value: float, further: float) -> None:
    def at(live: float) -> Band:
        return Band("live", "", *learned(LIVE, 5), 14, None, "warning", live, live)

    if outside(at(value)):
        assert outside(at(value + math.copysign(further, value - 130)))
