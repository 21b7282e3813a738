"""Elements that are columns as a whole: their inside is XML text, the same whatever prefixes and pieces a server sends it in."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st
from lxml import etree
from soap_fake import NS, Fake, part, reply, stream
from soap_schemas import XSD_URL, contract, described, drift, typed, with_parts

from connectors.errors import BrokenReply, FixConfiguration
from connectors.protocol import Column, Window
from connectors.soap.decode import RawRow, decode
from connectors.soap.plan import compile_plan
from connectors.soap.xmltree import MAX_DEPTH, MAX_TEXT, UnsafeXml

XSI = "http://www.w3.org/2001/XMLSchema-instance"
SCHEMA = with_parts(
    '<xs:element name="Open" type="p:Open" minOccurs="0" nillable="true"/><xs:element name="Loose" minOccurs="0"/>'
    '<xs:element name="Note" type="p:Mixed" minOccurs="0" maxOccurs="9"/><xs:element name="Node" type="p:Node" minOccurs="0"/>'
    '<xs:any minOccurs="0" processContents="lax"/>',
    '<xs:complexType name="Open"><xs:sequence><xs:any minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>'
    '<xs:complexType name="Mixed" mixed="true"><xs:sequence><xs:element name="b" type="xs:string" minOccurs="0" maxOccurs="9"/>'
    "</xs:sequence></xs:complexType>"
    '<xs:complexType name="Node"><xs:sequence><xs:element name="Name" type="xs:string"/>'
    '<xs:element name="Node" type="p:Node" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>',
)
OPEN, LOOSE = (Column(name.lower(), name, pa.string()) for name in ("Open", "Loose"))
NOTES = Column("notes", "Note", pa.list_(pa.string()))
WHOLE = Column("whole", ".", pa.string())
P = f'xmlns="{NS}"'


def read(column: Column, *rows: str) -> list[Any]:
    made, rejects = typed(SCHEMA, (column,), *rows, arrays=True)
    assert not rejects
    return [row[column.name] for row in made]


@pytest.mark.parametrize(
    ("inner", "text"),
    [
        ("<Open/>", ""),
        ("<Open>  </Open>", "  "),
        ("<Open><a/></Open>", f"<a {P}></a>"),
        ("<Open><a b='2' a='1'>x</a><c/></Open>", f'<a {P} a="1" b="2">x</a><c {P}></c>'),
        ("<Open><x:a xmlns:x='urn:x'><x:b/><c/></x:a></Open>", f'<a xmlns="urn:x"><b></b><c {P}></c></a>'),
        ("<Open><a xmlns=''><b/></a></Open>", "<a><b></b></a>"),
        ("<Open><x:a xmlns:x='urn:x'><b xmlns=''/></x:a></Open>", '<a xmlns="urn:x"><b xmlns=""></b></a>'),
        ("<Open><a>1 &lt; 2 &amp; <![CDATA[<3>]]><!-- no --><?pi no?>&#13;</a></Open>", f"<a {P}>1 &lt; 2 &amp; &lt;3&gt;&#xD;</a>"),
        ("<Open><a b='\"&#10;&lt;'/></Open>", f'<a {P} b="&quot;&#xA;&lt;"></a>'),
        ("<Open><a xsi:nil='true'/></Open>", f'<a {P} xmlns:xsi="{XSI}" xsi:nil="true"></a>'),
        (
            "<Open><a xmlns:y='urn:y' xmlns:z='urn:z' z:q='1' y:q='2' q='3'/></Open>",
            f'<a {P} xmlns:n1="urn:y" xmlns:n2="urn:z" q="3" n1:q="2" n2:q="1"></a>',
        ),
        (
            "<Open xmlns:s='urn:s'><a xsi:type='s:Kind'><b xsi:type='s:Other'/></a></Open>",
            f'<a {P} xmlns:n2="urn:s" xmlns:xsi="{XSI}" xsi:type="n2:Kind"><b xsi:type="n2:Other"></b></a>',
        ),
        ("<Open><a xml:lang='ja'>軸受</a></Open>", f'<a {P} xml:lang="ja">軸受</a>'),
    ],
)
def test_what_the_schema_leaves_open_is_its_xml(inner: str, text: str) -> None:
    assert read(OPEN, inner, "") == [text, None]
    # It is well-formed by itself.
    etree.fromstring(f"<x>{text}</x>")


def test_an_element_of_any_type_is_its_text_or_the_xml_that_stands_in_it() -> None:
    rows = ("<Loose>A &amp; B</Loose>", "<Loose><a>A &amp; B</a></Loose>", "<Loose> 12 </Loose>", "<Loose/>", "")
    assert read(LOOSE, *rows) == ["A & B", f"<a {P}>A &amp; B</a>", " 12 ", "", None]


def test_mixed_content_that_repeats_is_a_list_of_xml() -> None:
    rows = ("<Note>see <b>here</b> &amp; there</Note><Note/>", "<Note>plain</Note>", "")
    assert read(NOTES, *rows) == [[f"see <b {P}>here</b> &amp; there", ""], ["plain"], None]


def test_what_is_left_open_is_read_as_deep_as_it_goes() -> None:
    inner = f"<Name>0</Name>{'<Node><Name>n</Name>' * 30}{'</Node>' * 30}"
    (text,) = read(OPEN, f"<Open>{inner}</Open>")
    assert text.count("<Node") == 30 and etree.fromstring(f"<x>{text}</x>").xpath("count(.//*)") == 61


def test_a_row_can_be_a_column_as_xml_beside_its_other_columns() -> None:
    columns = (Column("stock", "Stock", pa.int32()), OPEN, WHOLE)
    inner = "<Stock>3</Stock><Open><a/></Open><x:Extra xmlns:x='urn:x'>e</x:Extra>"
    made, rejects = typed(SCHEMA, columns, inner, arrays=True)
    assert not rejects and made[0]["stock"] == 3 and made[0]["open"] == f"<a {P}></a>"
    key = f"<Key {P}>k-A0</Key><Code {P}>A0</Code><Stock {P}>3</Stock>"
    assert made[0]["whole"] == f'{key}<Open {P}><a></a></Open><Extra xmlns="urn:x">e</Extra>'


def test_what_a_value_may_not_be_it_may_not_be_as_xml() -> None:
    nil, filled, twice = '<Open xsi:nil="true"/>', '<Open xsi:nil="true"><a/></Open>', "<Open/><Open/>"
    made, rejects = typed(SCHEMA, (OPEN,), nil, filled, twice, arrays=True)
    assert made == [{"open": None}]
    assert [one.reason.partition(" ")[0] for one in rejects] == ["value.mixed", "value.twice"]


def decoded(inner: str, *columns: Column, **how: Any) -> list[RawRow]:
    found = contract(SCHEMA)
    plan = compile_plan(found, found.operations["ReadParts"], rows="List/Part", columns=columns)
    rows: list[RawRow] = []

    def sink(block: Sequence[RawRow]) -> None:
        rows.extend(block)

    decode(io.BytesIO(reply(part("A", inner), part("B"))), plan, sink, **how)
    return rows


@pytest.mark.parametrize("column", [OPEN, WHOLE])
def test_depth_and_size_have_their_limits_there_too(column: Column) -> None:
    deep = f"<Open>{'<d>' * MAX_DEPTH}{'</d>' * MAX_DEPTH}</Open>"
    with pytest.raises(UnsafeXml, match="nested more than"):
        decoded(deep, column)
    with pytest.raises(UnsafeXml, match="longer than"):
        decoded(f"<Open><t>{'x' * (MAX_TEXT // 2)}</t><t>{'&amp;' * (MAX_TEXT // 10)}</t></Open>", column)


def test_an_attachment_inside_of_it_has_no_column() -> None:
    include = '<Open><i:Include xmlns:i="http://www.w3.org/2004/08/xop/include" href="cid:a"/></Open>'
    given: dict[str, Any] = {"paging": {"kind": "none"}, "arguments": {"setSize": 0}}
    fake = Fake(reply(part("A", include)), documents={XSD_URL: SCHEMA})
    with pytest.raises(BrokenReply) as caught:
        list(fake.connector().pull(stream(OPEN, **given), Window()))
    assert caught.value.code == "soap.attachment_misplaced"


def test_only_a_row_is_a_column_of_itself() -> None:
    inner = Column("place", "Place", pa.struct([("whole", pa.string())]), children=(WHOLE,))
    with pytest.raises(FixConfiguration):
        decoded("", inner)


_NAMES = st.sampled_from(["a", "b", "部品"])
_SPACES = st.sampled_from(["", "urn:x", "urn:y&z", NS])
_TEXTS = st.text(st.sampled_from(list("a &<>\"'\t\n\r軸]")), max_size=6)
_KEYS = st.tuples(st.sampled_from(["", "urn:x", "urn:q"]), _NAMES)
_TREES = st.recursive(
    st.tuples(_SPACES, _NAMES, st.dictionaries(_KEYS, _TEXTS, max_size=2), st.lists(_TEXTS, max_size=1)),
    lambda inner: st.tuples(_SPACES, _NAMES, st.dictionaries(_KEYS, _TEXTS, max_size=2), st.lists(st.one_of(_TEXTS, inner), max_size=3)),
    max_leaves=8,
)


def built(tree: Any, prefixes: dict[str, str]) -> Any:
    space, name, attributes, content = tree
    known = {prefix: uri for uri, prefix in prefixes.items()}
    made = etree.Element(f"{{{space}}}{name}" if space else name, {}, nsmap={key: uri for key, uri in known.items() if uri})
    for (uri, key), value in attributes.items():
        made.set(f"{{{uri}}}{key}" if uri else key, value)
    last = None
    for one in content:
        if isinstance(one, tuple):
            last = built(one, prefixes)
            made.append(last)
        elif last is None:
            made.text = (made.text or "") + one
        else:
            last.tail = (last.tail or "") + one
    return made


def shape(element: Any) -> Any:
    """An element by expanded names alone."""
    return element.tag, dict(element.attrib), element.text or "", [(shape(child), child.tail or "") for child in element]


@given(st.lists(_TREES, max_size=3), st.integers(1, 300))
def test_it_holds_what_another_parser_reads_whatever_the_prefixes_and_the_pieces(trees: list[Any], chunk: int) -> None:
    texts: set[str] = set()
    for prefixes in ({"urn:x": "p", "urn:q": "q"}, {"urn:x": "q", "urn:y&z": "zz", NS: "r"}):
        # A line end that stands for itself is written as a reference, as any serialiser does.
        elements = [etree.tostring(built(tree, prefixes), encoding="unicode").replace("\r", "&#13;") for tree in trees]
        (first, _) = decoded(f'<Open xmlns="{NS}">{"".join(elements)}</Open>'.replace(f'<Open xmlns="{NS}">', "<Open>"), OPEN, chunk=chunk)
        came = etree.fromstring(f"<x>{first[0]}</x>")
        sent = etree.fromstring(f'<Open xmlns="{NS}">{"".join(elements)}</Open>')
        assert [shape(child) for child in came] == [shape(child) for child in sent]
        texts.add(first[0])
    assert len(texts) == 1


def test_such_columns_are_no_drift_and_what_they_hold_belongs_to_the_reader() -> None:
    for column in (OPEN, NOTES, WHOLE):
        before = described(SCHEMA, column)
        live = [one for one in before.fields if one.source == column.source]
        assert [one.type for one in live] == [column.type]
        assert drift(before, described(SCHEMA, column)) == []
        changed = SCHEMA.replace('name="Name" type="xs:string"', 'name="Name" type="xs:int"')
        assert (before.fingerprint == described(changed, column).fingerprint) is (column in (OPEN, NOTES))


def test_an_offer_says_what_its_columns_leave_out_and_how_to_have_it() -> None:
    (offer,) = Fake(reply(), documents={XSD_URL: SCHEMA}).connector().discover()
    (said,) = [note for note in offer.notes if note.startswith("not among the columns")]
    assert "the row (xsd:any: what the schema leaves open; a column of type string with the source `.` has all of it as XML)" in said
    assert "Open (xsd:any: what the schema leaves open; a column of type string with the source `Open` has all of it as XML)" in said
    assert "Note (mixed content: the text between its elements; a column" in said
    assert "Node/Node (recursive: Node holds itself; single columns of it can be declared, and a column of type list of string" in said
    assert "with the source `Node/Node` has all of it as JSON)" in said
    assert "Loose (xsd:anyType: its type is unknown; where elements stand in it, the column has them as XML)" in said
