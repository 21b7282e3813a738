"""Runs of rows read by whole arrays: the same rows as expat reads, or expat's own verdict, whatever the bytes are."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from soaking import rounds
from soap_fake import NS, part, reply
from soap_replies import raw

from connectors.soap.decode import IncompleteXml, NotSoap
from connectors.soap.raw import Presence
from connectors.soap.tags import read_tag
from connectors.soap.xmltree import BrokenXml, UnsafeXml

NAMED = (BrokenXml, UnsafeXml, NotSoap, IncompleteXml)
SMALL = {"head": 700, "chunk": 900}


def outcome(content: bytes, **how: Any) -> object:
    """The rows with the scalars and the notes, or the kind of the named error. Any other exception is a failure of the test."""
    try:
        rows, said, _ = raw(content, **how)
    except NAMED as error:
        return type(error)
    return rows, said.rows, said.scalars, said.fault, said.missing, sorted(said.notes.all(), key=repr)


def same(content: bytes, **how: Any) -> object:
    by_arrays = outcome(content, **{**SMALL, **how})
    assert by_arrays == outcome(content, arrays=False)
    return by_arrays


def many(inner: str, count: int = 60) -> bytes:
    return reply(*(part(f"A{index}", inner.replace("@@", str(index))) for index in range(count)))


def read_by_arrays(content: bytes) -> int:
    assert same(content) not in NAMED
    return raw(content, **SMALL)[2]


@pytest.mark.parametrize(
    "inner",
    [
        "",
        "<名称>軸受 @@</名称><Stock>@@</Stock>",
        '<名称 xsi:nil="true"/><Stock xsi:nil="1"></Stock><Grade/>',
        "<Stock>1</Stock><Stock>2</Stock>",
        "<Place><City>浜松</City><Shelf xsi:nil='true'/></Place>",
        '<Price   currency = "A&amp;B" />',
        "<Price currency='JPY'>12.50</Price>",
        "<名称>a &amp; b &lt;c&gt; &#x9AD9; &#12354; &amp;lt;</名称>",
        "<New><Deep a='1'><Code>not ours</Code></Deep>text</New>",
        '<x:Other xmlns:x="urn:x"/><Other xmlns="urn:x">1</Other>',
        '<New xmlns:q="urn:q"><Deep>1</Deep></New>',
        '<Stock xmlns:i="http://www.w3.org/2001/XMLSchema-instance" i:nil="true"/>',
        "\n  <Stock>\t7\n</Stock>\n",
        "<名称>二行\r\nの値\rです</名称>\r\n",
        "<Tag>a</Tag><Lines><Line><No>1</No></Line></Lines>",
    ],
)
def test_what_servers_usually_send_is_read_by_arrays_and_equals_what_expat_reads(inner: str) -> None:
    assert read_by_arrays(many(inner)) > 40


@pytest.mark.parametrize(
    "inner",
    [
        "<!-- a comment --><Stock>1</Stock>",
        "<名称><![CDATA[<Part> & </Part>]]></名称>",
        "<名称>a > b</名称>",
        "<?pi anything?>",
        '<Other a="&gt;" b=">"/>',
        '<New xmlns="urn:else"><Code>not ours</Code></New>',
        '<New xmlns:q="urn:q"><q:Deep>1</q:Deep></New>',
        '<New xmlns:e="urn:q"><e:Deep>1</e:Deep></New>',
        "<Stock><b>1</b>2</Stock>",
        '<Price currency="JPY">1</Price><Price currency="USD"/>',
        "<Place><City>浜松</City></Place><Place/>",
        '<Stock xsi:nil="true">1</Stock>',
        '<Stock xsi:nil="yes"/>',
        "<größe>1</größe>",
    ],
)
def test_what_is_unusual_is_left_to_expat(inner: str) -> None:
    assert read_by_arrays(many(inner)) == 0


@pytest.mark.parametrize(
    "inner",
    [
        "<Stock>1</Stok>",
        "<Stock>1",
        "</Stock>",
        "<A><B></A></B>",
        "<名称>a & b</名称>",
        "<名称>&nbsp;</名称>",
        "<名称>&#0;</名称>",
        "<名称>&#xFFFF;</名称>",
        "<名称>\x01</名称>",
        "<名称>\ufffe</名称>",
        "<Price currency='a' currency='b'/>",
        "<Price currency=a/>",
        "<x:Stock>1</x:Stock>",
        "<Stock x:nil='true'/>",
        "<1/>",
        "< Stock/>",
        "<Stock / >",
        "<名称>]]></名称>",
        "<A xmlns:p=''/>",
    ],
)
def test_what_is_not_xml_is_broken_wherever_it_stands(inner: str) -> None:
    good = [part(f"A{index}", "<Stock>1</Stock>") for index in range(60)]
    for at in (0, 20, 59):
        assert same(reply(*good[:at], part("X", inner), *good[at:])) in (BrokenXml, IncompleteXml)


def test_bytes_that_are_no_utf_8_in_a_later_row_are_broken() -> None:
    content = many("<名称>軸受</名称>")
    at = content.rindex("軸".encode())
    assert same(content[:at] + b"\x8e\xb2" + content[at + 2 :]) is BrokenXml
    assert same(content[:at] + b"\xed\xa0\x80" + content[at + 3 :]) is BrokenXml


def test_rows_inside_a_comment_are_no_rows() -> None:
    parts = [part(f"A{index}") for index in range(40)]
    content = reply(*parts[:10], "<!-- >", *parts[10:20], "-->", *parts[20:], count=30)
    rows, said, _ = raw(content, **SMALL)
    assert said.rows == 30 and [row[1] for row in rows][9:12] == ["A9", "A20", "A21"]
    for chunk in range(60, 200, 7):
        same(content, chunk=chunk)


def test_an_element_of_the_rows_own_name_inside_a_row_is_no_row() -> None:
    content = many("<Sub><Part><Code>inner</Code></Part></Sub>")
    assert len(raw(content, **SMALL)[0]) == 60
    for chunk in range(100, 300, 13):
        same(content, chunk=chunk)


def test_the_same_element_in_another_namespace_is_another_element() -> None:
    rows, _, by_arrays = raw(many('<x:Stock xmlns:x="urn:else">5</x:Stock>'), **SMALL)
    assert by_arrays and all(row[4] is Presence.ABSENT for row in rows)


def test_rows_around_other_siblings_and_below_two_parents_are_all_read() -> None:
    parts = [part(f"A{index}", "<Stock>1</Stock>") for index in range(40)]
    same(reply(*parts[:20], "<Note>between</Note>", *parts[20:]))
    same(reply(*parts[:20], "</List><List>", *parts[20:]))


def test_one_unusual_row_costs_its_run_only() -> None:
    parts = [part(f"A{index}", "<Stock>1</Stock>") for index in range(200)]
    parts[100] = part("C", "<!-- one -->")
    content = reply(*parts)
    assert same(content) and raw(content, **SMALL)[2] > 150


def test_a_reply_is_the_same_in_whatever_pieces_it_comes() -> None:
    content = many("<名称>髙 &amp; ①</名称><Place><City>浜</City></Place>", 30)
    whole = outcome(content, arrays=False)
    for size in (*range(1, 40), 997):
        assert outcome(content, head=size, chunk=size) == whole


def test_line_ends_other_than_line_feeds_are_line_feeds() -> None:
    rows, _, by_arrays = raw(many("<名称>a\r\nb\rc&#13;</名称>"), **SMALL)
    assert by_arrays and {row[2] for row in rows} == {"a\nb\nc\r"}


@pytest.mark.parametrize(
    "text",
    [
        "<",
        "<>",
        "</>",
        "<a b>",
        "<a b=c>",
        "<a b='<'/>",
        "<a:b:c/>",
        "<a b='1' b='2'>",
        "<a xmlns:xml='u'/>",
        "<a p:b='1'/>",
        "<a b='&x;'/>",
    ],
)
def test_a_tag_that_is_not_plainly_one_is_not_read(text: str) -> None:
    assert read_tag(text, {}) is None


# --- any bytes

_INNER = st.lists(
    st.sampled_from(
        [
            "<名称>軸受</名称>",
            "<名称/>",
            '<名称 xsi:nil="true"/>',
            "<Stock>12,5</Stock>",
            "<Stock>12</Stock>",
            "<Grade>A</Grade>",
            '<Price currency="JPY">1.50</Price>',
            "<Place><City>浜松</City></Place>",
            "<Place/>",
            "<!-- c -->",
            "<![CDATA[x]]>",
            "<New><Code>x</Code></New>",
            "&amp;",
            "\n ",
            "<名称>&#x41;&lt;</名称>",
        ]
    ),
    max_size=5,
)


@given(st.lists(_INNER.map("".join), max_size=30), st.integers(1, 600), st.integers(1, 3000))
def test_arrays_and_expat_read_the_same_rows(inners: list[str], head: int, chunk: int) -> None:
    same(reply(*(part(f"A{index}", inner) for index, inner in enumerate(inners))), head=head, chunk=chunk)


def by_lxml(content: bytes) -> list[list[object]] | None:
    """Key, code, name and stock of every row as a parser of other people reads them; None when it refuses the document."""
    parser = etree.XMLParser(resolve_entities=False, no_network=True, huge_tree=False, recover=False)
    try:
        root = etree.fromstring(content, parser)
    except etree.XMLSyntaxError:
        return None
    found: list[list[object]] = []
    for row in root.iterfind(f"{{*}}Body/{{{NS}}}ReadParts_Result/{{{NS}}}List/{{{NS}}}Part"):
        made: list[object] = []
        for name in ("Key", "Code", "名称", "Stock"):
            elements = row.findall(f"{{{NS}}}{name}")
            if len(elements) != 1:
                made.append(Presence.TWICE if elements else Presence.ABSENT)
            elif elements[0].get("{http://www.w3.org/2001/XMLSchema-instance}nil") in ("true", "1"):
                made.append(Presence.NIL)
            else:
                made.append("".join(elements[0].xpath("text()")))
        found.append(made)
    return found


def end_of(content: bytes, **how: Any) -> object:
    """The outcome, after it has been compared: arrays with events, and rows with what another parser reads."""
    ended = same(content, **how)
    if isinstance(ended, tuple):
        rows = [[*row[:3], row[4]] for row in ended[0]]
        other = by_lxml(content)
        assert other is None or rows == other
        assert other is not None or b"\x00" not in content
    return ended


_EXTRA = (
    b"<",
    b">",
    b"/",
    b"&",
    b"]]>",
    b"<!--",
    b"-->",
    b"<Part>",
    b"</Part>",
    b"\xe3",
    b"\x00",
    b'"',
    b"'",
    b" ",
    b"=",
    b"1",
    b"<![CDATA[",
)


def mutated(content: bytes, seed: int) -> bytes:
    """The reply with a few of its bytes taken out, doubled, exchanged or put in."""
    chance = random.Random(seed)
    made = bytearray(content)
    for _ in range(chance.randint(1, 3)):
        at, length = chance.randrange(len(made)), chance.choice((1, 1, 2, 8, 40))
        kind = chance.randrange(9)
        if kind == 0:
            del made[at : at + length]
        elif kind == 1:
            made[at:at] = made[at : at + length]
        elif kind == 2:
            made[at : at + 1] = bytes((chance.randrange(256),))
        elif kind == 3:
            made[at:at] = chance.choice(_EXTRA)
        elif kind > 4:
            # Gentle ones, that may leave a document: another letter or digit.
            made[at : at + 1] = chance.choice(b"0A9 x-").to_bytes(1, "big")
        else:
            other = chance.randrange(len(made))
            made[at : at + length], made[other : other + length] = made[other : other + length], made[at : at + length]
    return bytes(made)


MIXED = reply(*(part(f"A{n}", f'<名称>軸 &amp; {n}</名称><Stock>{n}</Stock><Price currency="JPY">1.5</Price><Since/>') for n in range(25)))


@settings(max_examples=300)
@given(st.integers(0, 2**32), st.integers(60, 1500))
def test_a_mutated_reply_ends_in_the_rows_it_holds_or_in_a_named_error(seed: int, chunk: int) -> None:
    end_of(mutated(MIXED, seed), head=300, chunk=chunk)


@pytest.mark.soak
@settings(max_examples=rounds(100_000))
@given(st.integers(0, 2**48), st.integers(60, 1500))
def test_mutated_replies_for_long(seed: int, chunk: int) -> None:
    end_of(mutated(MIXED, seed), head=300, chunk=chunk)
