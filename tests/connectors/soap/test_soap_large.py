"""Replies too large to be read in one piece: whole or not at all, in parts that memory can hold, staged while they arrive."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from typing import Any

import httpx
import pyarrow as pa
import pytest
from soap_fake import EMPTY, Fake, part, reply, stream
from soap_replies import plan, raw, typed

from connectors.errors import BrokenReply
from connectors.protocol import Column, Cursor, Page, Window
from connectors.soap import staging
from connectors.soap.raw import Presence

TEXT = Column("name", "名称", pa.string())
STOCK = Column("stock", "Stock", pa.int32())
COUNT = 2000
PARTS = [part(f"A{index:05d}", f"<名称>軸受 {index} &amp; 部品</名称><Stock>{index}</Stock>") for index in range(COUNT)]
WHOLE = reply(*PARTS)
NONE: dict[str, Any] = {"paging": {"kind": "none"}, "arguments": {"setSize": 0}}


def pull(fake: Fake, *columns: Column, cursor: Cursor | None = None, **source: Any) -> list[Page]:
    return list(fake.connector().pull(stream(*columns, **{**NONE, **source}), Window(), cursor))


def codes(pages: list[Page]) -> list[str]:
    return [code for page in pages for code in page.rows.column("code").to_pylist()]


def test_a_large_reply_is_read_by_arrays_to_the_last_row() -> None:
    rows, said, by_arrays = raw(WHOLE)
    assert said.rows == len(rows) == COUNT and by_arrays > COUNT * 0.9
    assert rows == raw(WHOLE, arrays=False)[0]


@pytest.mark.parametrize("share", [0.5, 0.99, 0.9999])
def test_a_large_reply_that_is_cut_gives_no_row_and_is_asked_for_again(share: float) -> None:
    fake = Fake(WHOLE[: int(len(WHOLE) * share)])
    with pytest.raises(BrokenReply) as caught:
        pull(fake, TEXT, STOCK)
    assert caught.value.code == "soap.incomplete" and len(fake.asked) == 3
    assert codes(pull(Fake(WHOLE[: int(len(WHOLE) * share)], WHOLE), TEXT, STOCK)) == codes(pull(Fake(WHOLE), TEXT, STOCK))


def test_a_large_reply_cut_inside_a_character_gives_no_row() -> None:
    at = WHOLE.rindex("部".encode()) + 1
    with pytest.raises(BrokenReply, match="broke off"):
        pull(Fake(WHOLE[:at]), TEXT)


@pytest.mark.parametrize("encoding", ["shift_jis", "Windows-31J", "MS932"])
def test_a_large_reply_cut_inside_a_double_byte_character_gives_no_row(encoding: str) -> None:
    content = WHOLE.decode().replace("utf-8", encoding).encode("cp932")
    at = content.rindex("部".encode("cp932")) + 1
    with pytest.raises(BrokenReply) as caught:
        pull(Fake(content[:at]), TEXT)
    assert caught.value.code == "soap.incomplete"


def test_a_large_shift_jis_reply_reads_as_python_reads_cp932() -> None:
    odd = "A\\B~ ①② 髙﨑 ｶﾅ ～－"
    body = [part(f"A{index}", f"<名称>{odd}</名称>") for index in range(500)]
    content = reply(*body).decode().replace("utf-8", "Shift_JIS").encode("cp932")
    rows, _, by_arrays = raw(content)
    assert by_arrays > 200 and {row[2] for row in rows} == {odd.encode("cp932").decode("cp932")}


def test_utf_8_bytes_declared_as_shift_jis_are_an_error_that_names_the_encoding() -> None:
    with pytest.raises(BrokenReply, match="cp932"):
        pull(Fake(WHOLE.replace(b"utf-8", b"Shift_JIS", 1)), TEXT)


@pytest.mark.parametrize("text", ["東京", "日本", "株式会社", "ああ"])
def test_utf_8_that_shift_jis_can_read_as_other_kanji_is_refused_all_the_same(text: str) -> None:
    content = reply(part(text), head='<?xml version="1.0" encoding="Shift_JIS"?>')
    content.decode("cp932")
    with pytest.raises(BrokenReply, match="UTF-8, though the reply declares Shift_JIS"):
        pull(Fake(content))


@pytest.mark.parametrize("text", ["東京", "ﾂｱﾃﾞﾔ", "①髙～", "abc"])
def test_what_is_really_shift_jis_is_read(text: str) -> None:
    content = reply(part("A", f"<名称>{text}</名称>"), head='<?xml version="1.0" encoding="Shift_JIS"?>').decode().encode("cp932")
    (page,) = (one for one in pull(Fake(content, EMPTY), TEXT) if one.rows.num_rows)
    assert page.rows.column("name").to_pylist() == [text]


def test_an_instruction_whose_name_only_begins_like_a_declaration_declares_nothing() -> None:
    content = reply(part("A"), part("東京"), head='<?xmlish version="1.0" encoding="Shift_JIS"?>')
    assert codes(pull(Fake(content))) == ["A", "東京"]


def test_one_row_less_than_the_reply_says_is_no_rows_at_all() -> None:
    for said in (COUNT + 1, COUNT - 1):
        with pytest.raises(BrokenReply, match=f"says {said} rows and sent {COUNT}"):
            pull(Fake(reply(*PARTS, count=said)), TEXT)


@pytest.mark.parametrize(
    ("bad", "column"),
    [
        ("<Stock>12,5</Stock>", "Stock"),
        ("<Since>2026/11/01</Since>", "Since"),
        ("<Since>0000-00-00</Since>", "Since"),
        ("<Active>Yes</Active>", "Active"),
    ],
)
def test_one_bad_value_among_many_is_named_with_its_row_and_the_others_stay(bad: str, column: str) -> None:
    parts = [*PARTS]
    parts[1233] = part("BAD", bad)
    for arrays in (True, False):
        rows, rejects = typed(reply(*parts), arrays=arrays)
        assert rows.num_rows == COUNT - 1 and [one.key for one in rejects] == ["BAD"]
        value = bad.partition(">")[2].partition("<")[0]
        assert f"ReadParts List/Part[1234]/{column} = '{value}'" in rejects[0].reason
    assert rejects[0].column == column.lower()


def test_absent_nil_and_empty_stay_three_things_in_a_large_reply() -> None:
    kinds = ("", '<名称 xsi:nil="true"/>', "<名称/>", "<名称></名称>", "<名称>x</名称>")
    rows, _, by_arrays = raw(reply(*(part(f"A{index}", kinds[index % 5]) for index in range(COUNT))))
    assert by_arrays > COUNT * 0.8
    assert [row[2] for row in rows[:5]] == [Presence.ABSENT, Presence.NIL, "", "", "x"]
    assert all([row[2] for row in rows].count(kind) == COUNT // 5 for kind in (Presence.ABSENT, Presence.NIL, "x"))


def test_a_default_stands_for_an_empty_element_and_not_for_an_absent_one() -> None:
    from dataclasses import replace

    from connectors.soap.steps import Cell
    from connectors.soap.values import Rules, Where, batch

    cell = Cell(STOCK, 0, replace(_simple(), builtin="int"), default="7")
    rows, rejects = batch([cell], [[""], [Presence.ABSENT], ["1"]], Rules(), Where("Op", "R", 1), key=(), versions=[""] * 3, scope="s")
    assert rows.column("stock").to_pylist() == [7, None, 1] and not rejects


def _simple() -> Any:
    from connectors.soap.components import SimpleType

    return SimpleType("x", "string")


# --- parts


@pytest.fixture
def small_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(staging, "PART", 700)
    monkeypatch.setattr(staging, "IN_MEMORY", 10_000)


@pytest.mark.usefixtures("small_parts")
def test_a_large_reply_leaves_in_parts_and_each_cursor_reads_the_rest_and_only_the_rest() -> None:
    larger = reply(*(part(f"A{index:05d}", f"<Stock>{index}</Stock>") for index in range(30_000)))
    pages = pull(Fake(larger), STOCK)
    everything = codes(pages)
    assert len(pages) > 2 and len(set(everything)) == sum(page.source_rows for page in pages) == 30_000
    for at, page in enumerate(pages[:-1]):
        assert codes(pull(Fake(larger), STOCK, cursor=page.cursor)) == codes(pages[at + 1 :])
    assert codes(pull(Fake(larger), STOCK, cursor=pages[-1].cursor)) == []


@pytest.mark.usefixtures("small_parts")
def test_parts_of_a_page_with_a_bookmark_go_on_to_the_next_page() -> None:
    paging: dict[str, Any] = {
        "arguments": {},
        "paging": {"kind": "bookmark", "request": "bookmarkKey", "size": "setSize", "page": 2000, "from": "Key"},
    }
    answers = (WHOLE, reply(part("B1"), part("B2")), EMPTY)
    pages = pull(Fake(*answers), STOCK, **paging)
    assert len(codes(pages)) == COUNT + 2
    rest = pull(Fake(*answers), STOCK, cursor=pages[0].cursor, **paging)
    assert codes(pages[:1]) + codes(rest) == codes(pages)


@pytest.mark.usefixtures("small_parts")
def test_a_reply_that_changed_since_its_first_part_is_read_whole_again() -> None:
    pages = pull(Fake(WHOLE), STOCK)
    other = reply(part("NEW"), *PARTS)
    assert len(codes(pull(Fake(other), STOCK, cursor=pages[0].cursor))) == COUNT + 1


@pytest.mark.usefixtures("small_parts")
def test_rejects_of_a_large_reply_all_come_out_of_the_stage() -> None:
    parts = [part(f"A{index}", "<Stock>x</Stock>" if index % 2 else "<Stock>1</Stock>") for index in range(COUNT)]
    pages = pull(Fake(reply(*parts)), STOCK)
    assert sum(len(page.rejects) for page in pages) == COUNT // 2 == len(codes(pages))
    assert sum(page.source_rows for page in pages) == COUNT


# --- as it arrives


class Slowly(httpx.SyncByteStream):
    """A body in small chunks that notes how many were taken when rows were staged."""

    def __init__(self, content: bytes, staged: list[int]) -> None:
        self.content, self.staged, self.sent = content, staged, 0
        self.seen: list[int] = []

    def __iter__(self) -> Iterator[bytes]:
        for at in range(0, len(self.content), 50_000):
            self.seen.append(sum(self.staged))
            self.sent = at
            yield self.content[at : at + 50_000]


def test_rows_are_staged_before_the_last_byte_has_arrived_and_leave_only_after_it(monkeypatch: pytest.MonkeyPatch) -> None:
    staged: list[int] = []
    add = staging.Stage.add

    def adding(self: staging.Stage, batch: pa.RecordBatch, rejects: Any) -> None:
        staged.append(batch.num_rows)
        add(self, batch, rejects)

    monkeypatch.setattr(staging.Stage, "add", adding)
    content = reply(*PARTS * 10)
    body = Slowly(content, staged)
    fake = Fake(httpx.Response(200, stream=body, headers={"Content-Type": "text/xml; charset=utf-8"}))
    pages = fake.connector().pull(stream(STOCK, **NONE), Window())
    first = next(pages)
    assert body.seen[-1] > 0 and body.sent + 50_000 >= len(content)
    assert first.rows.num_rows + sum(page.rows.num_rows for page in pages) == COUNT * 10


def test_more_bytes_than_a_reply_may_have_are_refused_while_they_arrive(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("connectors.soap.client.MAX_REPLY", 100_000)
    with pytest.raises(BrokenReply) as caught:
        pull(Fake(WHOLE), STOCK)
    assert caught.value.code == "soap.reply_too_large"


class Endless:
    """A document that begins like a reply and goes on with the same bytes for ever."""

    def __init__(self, again: bytes) -> None:
        self.held = WHOLE[: WHOLE.index(b"<Part>")] + again
        self.again = again
        self.given = 0

    def read(self, size: int) -> bytes:
        while len(self.held) < size:
            self.held += self.again * (1 + size // len(self.again))
        data, self.held = self.held[:size], self.held[size:]
        self.given += len(data)
        assert self.given < 100_000_000, "the limit did not hold"
        return data


@pytest.mark.parametrize(
    ("begin", "again"),
    [
        ("<Part><Lines>", "<Line><No>1</No></Line>"),
        ("<Part><Tag>", "x" * 1000),
        ('<Part a="', "x" * 1000),
        ("<Part><Code>1</Code></Part><!--", "x" * 1000),
        ("<Part><Code>1</Code></Part>", "<Deep>"),
        ("<Part><Code>1</Code>", "<Deep>"),
    ],
)
def test_what_never_ends_is_refused_within_limits(begin: str, again: str, monkeypatch: pytest.MonkeyPatch) -> None:
    from connectors.soap.decode import decode
    from connectors.soap.xmltree import UnsafeXml

    monkeypatch.setattr("connectors.soap.decode._LONGEST", 3_000_000)
    lines = Column("lines", "Lines/Line", pa.list_(pa.struct([("no", pa.int32())])), children=(Column("no", "No", pa.int32()),))
    source: Any = Endless(again.encode())
    source.held = source.held.replace(again.encode(), (begin + again).encode(), 1)
    with pytest.raises(UnsafeXml):
        decode(source, plan((STOCK, lines, Column("tags", "Tag", pa.list_(pa.string())))), lambda _: None)


_MEMORY = """
import io, sys
from soap_fake import part, reply
from soap_replies import plan
from connectors.pages import page_schema
from connectors.soap.decode import decode
from connectors.soap.staging import Stage
from connectors.soap.values import Rules, Where, batch
import pyarrow as pa
pa.array([""]).dictionary_encode()
head, _, tail = reply("@").partition(b"@")
piece = "".join(part(f"A{n}", f"<名称>軸受 {n}</名称><Stock>{n}</Stock><Since>2026-11-01</Since>") for n in range(1000)).encode()

class Endless(io.RawIOBase):
    left, held = int(sys.argv[1]), head
    def read(self, size):
        while len(self.held) < size and self.left:
            self.left -= 1
            self.held += piece + (b"" if self.left else tail)
        data, self.held = self.held[:size], self.held[size:]
        return data

def peak():
    return next(int(line.split()[1]) / 1024 for line in open("/proc/self/status") if line.startswith("VmHWM"))

compiled, before = plan(), peak()
stage = Stage(page_schema([cell.column for cell in compiled.cells]))
def sink(block):
    where = Where("Op", "Rows", stage.rows + 1)
    stage.add(*batch(compiled.cells, block, Rules(), where, key=("code",), versions=[""] * len(block), scope="s"))
decode(Endless(), compiled, sink)
print(sum(rows.num_rows for rows, _ in stage.parts()), peak() - before)
"""


def test_memory_does_not_grow_with_the_reply() -> None:
    here = os.path.dirname(__file__)
    done = subprocess.run(
        [sys.executable, "-c", _MEMORY, "250"], capture_output=True, text=True, check=True, env={**os.environ, "PYTHONPATH": here}
    )
    rows, megabytes = done.stdout.split()
    assert int(rows) == 250_000 and float(megabytes) < 100
