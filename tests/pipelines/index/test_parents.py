"""A comment stands beside its record: under its title, for those who may read the record today, and gone with it."""

from __future__ import annotations

import pyarrow as pa

from pipelines.index.parents import ABOVE, under_parents


def comments(*rows: tuple[int, int, str]) -> pa.Table:
    """Comments as (record, number, scope)."""
    return pa.Table.from_pylist(
        [{"record": r, "number": n, "_key": f"[{r},{n}]", "_scope": scope, "_row_hash": f"h{r}{n}"} for r, n, scope in rows]
    )


RECORDS = pa.Table.from_pylist(
    [{"_key": "7", "subject": "主軸の異音", "_scope": "open"}, {"_key": "8", "subject": None, "_scope": "closed"}],
    schema=pa.schema([(name, pa.string()) for name in ("_key", "subject", "_scope")]),
)


def under(rows: pa.Table, records: pa.Table = RECORDS, **restricted: str) -> tuple[pa.Table, tuple[str, ...]]:
    return under_parents(rows, ("record",), records, "subject", restricted, "コメント")


def test_a_comment_carries_the_title_of_its_record() -> None:
    rows, gone = under(comments((7, 1, "open"), (8, 1, "closed")))
    assert rows[ABOVE].to_pylist() == ["主軸の異音 / コメント", "コメント"]
    assert gone == ()


def test_a_title_that_fewer_may_read_than_the_record_stands_on_no_comment() -> None:
    rows, _ = under(comments((7, 1, "open")), subject="board")
    assert rows[ABOVE].to_pylist() == ["コメント"]


def test_a_comment_read_before_its_records_rights_changed_is_for_nobody() -> None:
    rows, _ = under(comments((8, 1, "open")))
    assert rows["_scope"].to_pylist() == ["unresolved"]


def test_a_comment_of_a_record_that_is_gone_is_not_in_the_index() -> None:
    rows, gone = under(comments((7, 1, "open"), (9, 1, "open"), (9, 2, "open")))
    assert rows["_key"].to_pylist() == ["[7,1]"]
    assert gone == ("[9,1]", "[9,2]")


def test_a_new_title_makes_another_row_for_a_build_that_looks_for_changes() -> None:
    renamed = RECORDS.set_column(1, "subject", pa.array(["主軸の振動", None], pa.string()))
    before, after = (
        under(comments((7, 1, "open"), (8, 1, "closed")), records)[0]["_row_hash"].to_pylist() for records in (RECORDS, renamed)
    )
    assert before[0] != after[0]
    assert before[1] == after[1] == "h81"
