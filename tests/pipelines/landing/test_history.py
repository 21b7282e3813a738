from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from pipelines.landing.history import FIRST, GONE, observed, standing

START = datetime(2026, 11, 1, tzinfo=UTC)
KEY = ("who", "what")


def facts(*rows: tuple[str, str], note: str = "") -> pa.Table:
    columns = [[row[0] for row in rows], [row[1] for row in rows], [note] * len(rows)]
    return pa.table([pa.array(column, pa.string()) for column in columns], names=["who", "what", "note"])


def at(day: int) -> datetime:
    return START + timedelta(days=day)


def told(history: pa.Table) -> set[tuple[str, str, datetime, datetime | None]]:
    return {(row["who"], row["what"], row[FIRST], row[GONE]) for row in history.to_pylist()}


def test_a_fact_that_went_and_came_back_stands_there_twice() -> None:
    history = observed(None, facts(("a", "reads")), KEY, at(0))
    history = observed(history, facts(("b", "reads")), KEY, at(1))
    history = observed(history, facts(("a", "reads"), ("b", "reads")), KEY, at(2))
    assert told(history) == {("a", "reads", at(0), at(1)), ("b", "reads", at(1), None), ("a", "reads", at(2), None)}


def test_a_fact_that_stands_takes_on_what_else_is_said_of_it_and_keeps_its_day() -> None:
    history = observed(observed(None, facts(("a", "reads"), note="old"), KEY, at(0)), facts(("a", "reads"), note="new"), KEY, at(1))
    (row,) = history.to_pylist()
    assert (row["note"], row[FIRST], row[GONE]) == ("new", at(0), None)


def test_a_history_of_an_older_shape_goes_on_in_the_new_one() -> None:
    history = observed(None, facts(("a", "reads")).drop_columns(["note"]), KEY, at(0))
    history = observed(history, facts(("b", "reads"), note="new"), KEY, at(1))
    assert {(row["who"], row["note"]) for row in history.to_pylist()} == {("a", None), ("b", "new")}


_readings = st.lists(st.sets(st.tuples(st.sampled_from("abc"), st.sampled_from(["reads", "writes", "a\x1fb"]))), min_size=1, max_size=8)


@given(_readings)
def test_any_sequence_of_readings_can_be_read_back_day_by_day(readings: list[set[tuple[str, str]]]) -> None:
    history: pa.Table | None = None
    for day, rows in enumerate(readings):
        history = observed(history, facts(*sorted(rows)), KEY, at(day))
        assert {(row["who"], row["what"]) for row in standing(history).to_pylist()} == rows
    for day, rows in enumerate(readings):
        then = {(who, what) for who, what, first, gone in told(history) if first <= at(day) and (gone is None or at(day) < gone)}
        assert then == rows
