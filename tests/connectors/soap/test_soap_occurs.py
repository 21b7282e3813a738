"""How often an element may come, and what a column makes of it: lists that became single, values with attributes that repeat."""

from __future__ import annotations

import pyarrow as pa
import pytest
from soap_fake import SCHEMA
from soap_schemas import described, drift, typed, with_parts

from connectors.protocol import Column

TAGS = Column("tags", "Tag", pa.list_(pa.string()))
LINE = (Column("no", "No", pa.int32()), Column("text", "Text", pa.string()))
LINES = Column("lines", "Lines/Line", pa.list_(pa.struct([(one.name, one.type) for one in LINE])), children=LINE)
ONE_TAG = SCHEMA.replace('name="Tag" type="xs:token" minOccurs="0" maxOccurs="unbounded"', 'name="Tag" type="xs:token" minOccurs="0"')
ONE_LINE = SCHEMA.replace('name="Line" type="p:Line" minOccurs="0" maxOccurs="unbounded"', 'name="Line" type="p:Line" minOccurs="0"')


@pytest.fixture(params=[False, True], ids=["by events", "by arrays"])
def arrays(request: pytest.FixtureRequest) -> bool:
    return request.param


def test_an_element_that_comes_once_now_is_reported_and_does_not_stop_its_readers() -> None:
    assert drift(described(SCHEMA, TAGS), described(ONE_TAG, TAGS)) == [("narrowed", "Tag", False)]
    found = drift(described(SCHEMA, LINES), described(ONE_LINE, LINES))
    assert ("narrowed", "Lines/Line", False) in found and not any(blocks for *_, blocks in found)


def test_a_list_of_what_comes_once_has_one_item_whatever_it_holds(arrays: bool) -> None:
    rows, rejects = typed(ONE_TAG, (TAGS,), "<Tag>a b c</Tag>", "", arrays=arrays)
    assert not rejects and rows == [{"tags": ["a b c"]}, {"tags": None}]
    line = "<Lines><Line><No>1</No><Text>x</Text></Line></Lines>"
    assert typed(ONE_LINE, (LINES,), line, "<Lines/>", "", arrays=arrays) == (
        [{"lines": [{"no": 1, "text": "x"}]}, {"lines": []}, {"lines": None}],
        [],
    )


def test_white_space_is_what_the_type_says_of_it(arrays: bool) -> None:
    spaced = with_parts(
        "".join(f'<xs:element name="{name}" type="p:{name}" minOccurs="0"/>' for name in ("Kept", "Flat", "Tight")),
        "".join(
            f'<xs:simpleType name="{name}"><xs:restriction base="xs:{base}"><xs:whiteSpace value="{rule}"/></xs:restriction></xs:simpleType>'
            for name, base, rule in (
                ("Kept", "string", "preserve"),
                ("Flat", "string", "replace"),
                ("Tight", "normalizedString", "collapse"),
            )
        ),
    )
    columns = tuple(Column(name, name, pa.string()) for name in ("Kept", "Flat", "Tight"))
    text = " a \n  b "
    rows, _ = typed(spaced, columns, "".join(f"<{name}>{text}</{name}>" for name in ("Kept", "Flat", "Tight")), arrays=arrays)
    assert rows == [{"Kept": text, "Flat": " a    b ", "Tight": "a b"}]


IDS = with_parts(
    '<xs:element name="ID" type="p:ID" minOccurs="0" maxOccurs="unbounded"/>',
    '<xs:complexType name="ID"><xs:simpleContent><xs:extension base="xs:int"><xs:attribute name="type" type="xs:string"/>'
    "</xs:extension></xs:simpleContent></xs:complexType>",
)
BOTH = (Column("value", "text()", pa.int32()), Column("type", "@type", pa.string()))
ID = Column("ids", "ID", pa.list_(pa.struct([(one.name, one.type) for one in BOTH])), children=BOTH)
PLAIN = Column("ids", "ID", pa.list_(pa.int32()))


def test_a_repeated_value_keeps_its_attributes_beside_it(arrays: bool) -> None:
    live = next(one for one in described(IDS).fields if one.source == "ID")
    assert live.type == pa.list_(pa.struct([("text()", pa.int32()), ("@type", pa.string())]))
    rows, rejects = typed(
        IDS, (ID,), '<ID type="WID">1</ID><ID>2</ID>', "", "<ID><b/>3</ID>", '<ID type="x">three</ID>', "<ID>4</ID>", arrays=arrays
    )
    assert [row["ids"] for row in rows] == [[{"value": 1, "type": "WID"}, {"value": 2, "type": None}], None, [{"value": 4, "type": None}]]
    assert "value.mixed" in rejects[0].reason and "ID[1]/text()" in rejects[1].reason


def test_a_contract_that_wants_the_values_alone_still_has_them(arrays: bool) -> None:
    assert typed(IDS, (PLAIN,), '<ID type="WID">1</ID><ID>2</ID>', arrays=arrays)[0] == [{"ids": [1, 2]}]
    assert next(one for one in described(IDS, PLAIN).fields if one.source == "ID").type == pa.list_(pa.int32())
    before = described(IDS, ID)
    assert drift(before, described(IDS, ID)) == []
    assert drift(before, described(IDS.replace('name="type" type="xs:string"', 'name="type" type="xs:int"'), ID)) == [
        ("retyped", "ID.@type", True)
    ]


def test_a_value_with_attributes_that_comes_once_may_be_a_struct(arrays: bool) -> None:
    inner = (Column("value", "text()", pa.decimal128(10, 2)), Column("currency", "@currency", pa.string()))
    price = Column("price", "Price", pa.struct([(one.name, one.type) for one in inner]), children=inner)
    rows, rejects = typed(SCHEMA, (price,), '<Price currency="JPY">7</Price>', "", arrays=arrays)
    assert not rejects and str(rows[0]["price"]["value"]) == "7.00" and rows[0]["price"]["currency"] == "JPY" and rows[1]["price"] is None


def test_a_byte_is_a_type_that_a_contract_can_have() -> None:
    tiny = with_parts('<xs:element name="Tiny" type="xs:byte" minOccurs="0"/>')
    found = described(tiny)
    assert drift(found, found) == []
    assert drift(found, described(tiny.replace('"xs:byte"', '"xs:short"'))) == [("widened", "Tiny", True)]
