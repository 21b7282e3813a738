"""A repeated element as a stream of its own: its items come with their row, go with it, and are held with it."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from soap_fake import EMPTY, Fake, part, reply, stream

from connectors.errors import AddressUnknown, FixConfiguration
from connectors.protocol import Column, Page, Stream, Window

CODE = Column("code", "Code", pa.string(), required=True)
PLACE = Column("place", "$row", pa.int32(), required=True)
NO = Column("no", "Lines/Line/No", pa.int32(), required=True)
TEXT = Column("text", "Lines/Line/Text", pa.string())
STOCK = Column("stock", "Stock", pa.int32())
SINCE = Window(since=datetime(2026, 11, 1, tzinfo=UTC))


def lines(*columns: Column, key: Sequence[str] = ("code", "place"), **source: Any) -> Stream:
    told = stream(key=key, table="Lines/Line", **source)
    return Stream(told.system, "lines", told.source, told.key, (CODE, PLACE, NO, TEXT, *columns))


def row(code: str, *items: tuple[int, str], more: str = "") -> str:
    inner = "".join(f"<Line><No>{no}</No><Text>{text}</Text></Line>" for no, text in items)
    return part(code, f"{more}<Lines>{inner}</Lines>")


@dataclass
class Held:
    keys: list[tuple[str, int | None]]

    @property
    def count(self) -> int:
        return len(self.keys)

    def rows(self) -> pa.Table:
        columns = {"code": [code for code, _ in self.keys], "place": [place for _, place in self.keys]}
        types = [("code", pa.string()), ("place", pa.int32()), ("_source_version", pa.string())]
        return pa.table({**columns, "_source_version": ["1"] * len(self.keys)}, schema=pa.schema(types))


def pulled(fake: Fake, told: Stream, window: Window | None = None, known: Held | None = None) -> list[Page]:
    return list(fake.connector().pull(told, window or Window(), known=known))


def rows_of(pages: list[Page]) -> list[dict[str, Any]]:
    return [one for page in pages for one in page.rows.to_pylist()]


def test_each_item_is_a_row_with_its_place_and_what_it_needs_of_its_own_row() -> None:
    content = reply(row("A", (10, "x"), (20, "y"), more="<Stock>3</Stock>"), row("B"), row("C", (5, "z")))
    pages = pulled(Fake(content, EMPTY), lines(STOCK))
    assert [(one["code"], one["place"], one["no"], one["text"], one["stock"]) for one in rows_of(pages)] == [
        ("A", 1, 10, "x", 3),
        ("A", 2, 20, "y", 3),
        ("C", 1, 5, "z", None),
    ]
    assert {one["_scope"] for one in rows_of(pages)} == {"soap:erp:parts"} and sum(page.source_rows for page in pages) == 3


def test_items_that_went_from_a_row_which_was_read_again_are_gone_and_others_are_left_alone() -> None:
    known = Held([("A", 1), ("A", 2), ("A", 3), ("B", 1), ("Z", 1)])
    pages = pulled(Fake(reply(row("A", (10, "x")), row("B")), EMPTY), lines(), SINCE, known)
    assert [(one["code"], one["place"], one["_op"]) for one in rows_of(pages)] == [
        ("A", 1, "upsert"),
        ("A", 2, "delete"),
        ("A", 3, "delete"),
        ("B", 1, "delete"),
    ]


def test_a_row_that_cannot_be_typed_is_held_as_a_whole_and_its_old_items_go() -> None:
    known = Held([("A", 1), ("A", 2), ("B", 1)])
    broken = part("A", "<Lines><Line><No>1</No></Line><Line><No>one</No></Line></Lines>")
    pages = pulled(Fake(reply(broken, row("B", (1, "b"))), EMPTY), lines(), SINCE, known)
    assert [one.key for page in pages for one in page.rejects] == ['["A",null]'], "the key of an item that does not exist"
    assert [(one["code"], one["place"], one["_op"]) for one in rows_of(pages)] == [
        ("B", 1, "upsert"),
        ("A", 1, "delete"),
        ("A", 2, "delete"),
    ]


def test_a_row_that_was_held_and_is_right_now_is_held_no_longer_and_one_that_is_still_wrong_stays() -> None:
    known = Held([("A", None), ("B", None)])
    broken = part("A", "<Lines><Line><No>one</No></Line></Lines>")
    pages = pulled(Fake(reply(broken, row("B", (1, "b"))), EMPTY), lines(), SINCE, known)
    assert [(one["code"], one["place"], one["_op"]) for one in rows_of(pages)] == [("B", 1, "upsert"), ("B", None, "delete")]


def test_a_row_that_is_held_is_listed_as_it_is_held() -> None:
    content = reply(part("A", "<Lines><Line><No>one</No></Line></Lines>"), row("B", (1, "b")))
    keys = [one for batch in Fake(content, EMPTY).connector().keys(lines()) for one in batch.to_pylist()]
    assert [(one["code"], one["place"]) for one in keys] == [("B", 1), ("A", None)]
    assert Fake(content, EMPTY).connector().count(lines()) == len(keys)


def test_items_are_counted_and_listed_as_they_are_pulled() -> None:
    content = reply(row("A", (10, "x"), (20, "y")), row("B"), row("C", (5, "z")))
    assert Fake(content, EMPTY).connector().count(lines()) == 3
    keys = [one for batch in Fake(content, EMPTY).connector().keys(lines()) for one in batch.to_pylist()]
    assert [(one["code"], one["place"]) for one in keys] == [("A", 1), ("A", 2), ("C", 1)]


def test_the_schema_of_the_items_is_theirs_and_that_of_the_row_around_them() -> None:
    found = Fake(EMPTY).connector().describe(lines())
    sources = [one.source for one in found.fields]
    assert {"Code", "$row", "Lines/Line/No", "Lines/Line/Text"} <= set(sources) and "Lines/Line" not in sources
    with pytest.raises(AddressUnknown, match="Lines/Line") as caught:
        Fake(EMPTY).connector().describe(
            Stream("erp", "lines", {**lines().source, "table": "Pages/Page"}, ("code", "place"), (CODE, PLACE))
        )
    assert caught.value.code == "soap.no_table"


@pytest.mark.parametrize("key", [("code",), ("place",), ("place", "no")])
def test_a_key_without_the_row_or_without_the_item_is_refused(key: tuple[str, ...]) -> None:
    with pytest.raises(FixConfiguration) as caught:
        pulled(Fake(EMPTY), lines(key=key))
    assert caught.value.code == "soap.table_key" and "$row" in caught.value.say("en")


def test_a_number_of_the_items_own_may_be_the_key_and_declared_readings_hold_inside() -> None:
    told = lines(key=("code", "no"), read={"Lines/Line/Text": {"values": {"x": "エックス"}}})
    pages = pulled(Fake(reply(row("A", (10, "x"), (20, "y"))), EMPTY), told)
    assert [(one["no"], one["text"]) for one in rows_of(pages)] == [(10, "エックス"), (20, "y")]
