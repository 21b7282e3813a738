"""The history of what is held: since when, until when, by which reading, and how long it is remembered."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pyarrow as pa

from connectors.protocol import Reject
from pipelines.landing.quarantine import after, overdue, rows_of, standing
from pipelines.landing.rows import Stamp

DAY = timedelta(days=1)
START = datetime(2026, 6, 1, tzinfo=UTC)


def reject(key: str, version: str = "1", reason: str = "value.range") -> Reject:
    return Reject(key, "name", reason, f'{{"id": "{key}"}}', (), version)


def pulled(before: pa.Table | None, day: int, *held: Reject, judged: set[str] | None = None, keep: int = 90) -> pa.Table:
    stamp = Stamp("books/parts", f"pull-{day}", START + day * DAY, 1)
    table = after(before, held, {one.key for one in held} if judged is None else judged, stamp, keep * DAY)
    if table is None:
        assert before is not None
        return before
    return table


def told(table: pa.Table) -> list[tuple[str, str, int, int | None]]:
    """Key, version, and the days from the start on which it was first held and on which it left."""
    return sorted(
        (row.key, row.version, (row.since - START).days, None if row.left_at is None else (row.left_at - START).days)
        for row in rows_of(table)
    )


def test_a_row_is_held_since_its_first_day_while_the_same_version_is_held_and_anew_with_another() -> None:
    table = pulled(None, 0, reject("7"))
    table = pulled(table, 1, reject("7"), reject("8"))
    table = pulled(table, 2, reject("7", reason="value.zone"), reject("8", "2"))
    assert told(table) == [("7", "1", 0, None), ("8", "1", 1, 2), ("8", "2", 2, None)]
    (seven,) = [row for row in rows_of(table) if row.key == "7"]
    assert seven.faults[0].reason == "value.zone" and seven.pull_id == "pull-2", "it takes on what is wrong with it today"


def test_what_a_pull_did_not_look_at_stays_as_it_was_judged() -> None:
    table = pulled(pulled(None, 0, reject("7")), 1, reject("7"), judged=set())
    assert [(row.pull_id, row.since) for row in rows_of(table)] == [("pull-0", START)]


def test_a_row_that_comes_back_is_held_once_more_and_its_first_time_stays_in_the_history() -> None:
    table = pulled(pulled(pulled(None, 0, reject("7")), 1), 2, reject("7"))
    assert told(table) == [("7", "1", 0, 1), ("7", "1", 2, None)]
    assert [row.since for row in standing(table)] == [START + 2 * DAY]


def test_what_left_is_forgotten_after_the_retention_and_what_is_held_never_is() -> None:
    table = pulled(pulled(None, 0, reject("7"), reject("8")), 1, reject("8"))
    for day in (50, 91):
        table = pulled(table, day, reject("8"))
        assert told(table) == [("7", "1", 0, 1), ("8", "1", 0, None)]
    table = pulled(table, 92, reject("8"))
    assert told(table) == [("8", "1", 0, None)]
    rows = rows_of(pulled(table, 500, reject("8")))
    assert [row.key for row in overdue(rows, START + 500 * DAY, 90 * DAY)] == ["8"]
    assert overdue(rows, START + 90 * DAY, 90 * DAY) == ()


def test_of_a_row_that_left_what_it_held_is_forgotten_at_once_and_why_it_was_held_is_not() -> None:
    rows = rows_of(pulled(pulled(None, 0, reject("7"), reject("8")), 1, reject("8")))
    assert {row.key: row.raw for row in rows} == {"7": None, "8": '{"id": "8"}'}
    assert all(row.faults[0].reason == "value.range" for row in rows)


def test_a_table_in_which_nothing_moves_is_not_written_again() -> None:
    table, stamp = pulled(None, 0, reject("7")), Stamp("books/parts", "later", START + DAY, 1)
    assert after(table, [reject("7")], {"7"}, stamp, 90 * DAY) is None
    assert after(table, [reject("7")], set(), stamp, 90 * DAY) is None
    assert after(table, [reject("7", reason="value.zone")], {"7"}, stamp, 90 * DAY) is not None
    left = pulled(table, 1)
    assert after(left, [], set(), Stamp("books/parts", "later", START + 91 * DAY, 1), 90 * DAY) is None
    assert after(left, [], set(), Stamp("books/parts", "later", START + 92 * DAY, 1), 90 * DAY) is not None, "it is forgotten"


def test_a_table_from_before_there_was_a_history_goes_on_as_one() -> None:
    old = pa.table(
        {
            "key": ["7"],
            "column": ["name"],
            "reason": ["value.range"],
            "raw": ['{"id": "7"}'],
            "_pull_id": ["old"],
            "_pulled_at": pa.array([START], pa.timestamp("us", "UTC")),
            "_contract_version": pa.array([1], pa.int64()),
        }
    )
    (row,) = rows_of(old)
    assert (row.key, row.faults[0].column, row.since, row.left_at) == ("7", "name", START, None)
    same = Reject("7", "name", "value.range", '{"id": "7"}')
    assert told(pulled(old, 3, same))[0][2:] == (0, None), "it was held all along"
    assert told(pulled(old, 3))[0][2:] == (0, 3)
