"""Absent, nil and empty become one null or text in a column: where a reply had more than one of them, it is told how often each came."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from soap_fake import SCHEMA, Fake, part, reply, stream
from soap_replies import FLAT, plan

from connectors.protocol import Column, Note, Window
from connectors.soap.decode import RawRow, decode
from connectors.soap.notes import Notes
from connectors.soap.presence import Presences
from connectors.soap.raw import Block
from connectors.soap.values import Rules, Where, batch

NAME = Column("name", "名称", pa.string())
TAGS = Column("tags", "Tag", pa.list_(pa.string()))
LINES = Column("lines", "Lines/Line", pa.list_(pa.struct([("no", pa.int32())])), children=(Column("no", "No", pa.int32()),))
ALONE: dict[str, Any] = {"paging": {"kind": "none"}, "arguments": {"setSize": 0}}


def notes(*rows: str, columns: tuple[Column, ...] = (NAME,), **source: Any) -> set[tuple[str, str, int, bool]]:
    content = reply(*(part(f"A{index}", row) for index, row in enumerate(rows)))
    pages = Fake(content).connector().pull(stream(*columns, **ALONE, **source), Window())
    return {(note.column, note.what, note.count, note.fact) for page in pages for note in page.notes}


NIL = '<名称 xsi:nil="true"/>'


def test_a_column_with_more_than_one_of_them_tells_how_often_each_came() -> None:
    rows = ["", "<名称/>", NIL, "<名称>軸受</名称>"] * 100
    assert notes(*rows, NIL) == {("name", "value.absent", 100, True), ("name", "value.nil", 101, True), ("name", "value.empty", 100, True)}


@pytest.mark.parametrize("inner", ["", "<名称/>", NIL])
def test_a_column_with_one_of_them_tells_nothing_that_it_does_not_show_itself(inner: str) -> None:
    assert notes(*([inner, "<名称>軸受</名称>"] * 50)) == set()


def test_it_is_told_of_the_whole_reply_and_also_of_rows_that_are_held() -> None:
    rows = [""] * 9000 + ["<Stock/>"] + [""] * 9000
    assert notes(*rows, columns=(Column("stock", "Stock", pa.int32()),)) == {
        ("stock", "value.absent", 18_000, True),
        ("stock", "value.empty", 1, True),
    }


def test_lists_structs_and_columns_with_a_reading_are_counted_too() -> None:
    assert notes("", "<Lines/>", "<Lines><Line><No>1</No></Line></Lines>", columns=(LINES,)) == {
        ("lines", "value.absent", 1, True),
        ("lines", "value.empty", 1, True),
    }
    read = {"名称": {"values": {"x": "y"}}}
    assert notes("", NIL, "<名称>x</名称>", read=read) == {("name", "value.absent", 1, True), ("name", "value.nil", 1, True)}
    assert notes("", "<Tag>a</Tag>", columns=(TAGS,)) == set()


def test_rows_by_arrays_and_by_events_count_the_same() -> None:
    import io

    content = reply(*(part(f"A{index}", ("", "<名称/>", NIL, "<名称>x</名称><Stock/>")[index % 4]) for index in range(400)))

    def told(arrays: bool) -> tuple[tuple[Note, ...], int]:
        found, presences, by_arrays = Notes(), Presences(), 0

        def sink(block: list[RawRow] | Block) -> None:
            nonlocal by_arrays
            by_arrays += len(block) if isinstance(block, Block) else 0
            where = Where("R", "List/Part", 1)
            batch(plan(FLAT).cells, block, Rules(), where, key=("code",), versions=[""] * len(block), scope="", presences=presences)

        decode(io.BytesIO(content), plan(FLAT), sink, arrays=arrays, head=700, chunk=5000)
        presences.tell(found)
        return found.all(), by_arrays

    (by_events, none), (by_arrays, many) = told(False), told(True)
    assert by_events == by_arrays and none == 0 and many > 300
    assert Note("name", "value.nil", 100, fact=True) in by_events and Note("stock", "value.empty", 100, fact=True) in by_events


def test_an_empty_qualified_name_is_empty_whatever_the_default_namespace_is() -> None:
    sorts = {"https://erp.example/ws/Parts?xsd=parts.xsd": SCHEMA.replace('name="Opens" type="xs:time"', 'name="Opens" type="xs:QName"')}
    content = reply(part("A", "<Opens/>"), part("B", "<Opens> </Opens>"), part("C", "<Opens>軸受</Opens>"))
    (page,) = Fake(content, documents=sorts).connector().pull(stream(Column("sort", "Opens", pa.string()), **ALONE), Window())
    assert page.rows.column("sort").to_pylist() == ["{urn:parts}軸受"]
    assert [one.reason.rpartition(" = ")[2] for one in page.rejects] == ["''", "' '"]
