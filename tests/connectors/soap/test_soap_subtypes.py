"""xsi:type: rows that say which subtype they are, by whatever prefix, and what becomes of the columns of each."""

from __future__ import annotations

import io
from collections.abc import Sequence
from typing import Any

import pyarrow as pa
import pytest
from soap_fake import SCHEMA, WSDL, WSDL_URL, Fake, part, reply, stream
from soap_replies import typed as from_replies
from soap_schemas import XSD_URL, described, drift
from soap_schemas import typed as schema_typed

from connectors.errors import ContractBroken
from connectors.protocol import Column, Reject, Window
from connectors.soap.bundle import fetch
from connectors.soap.decode import RawRow, decode
from connectors.soap.plan import compile_plan
from connectors.soap.steps import Plan
from connectors.soap.values import Rules, Where, batch
from connectors.soap.wsdl import read

SUBTYPES = """<xs:complexType name="Assembly"><xs:complexContent><xs:extension base="p:Part"><xs:sequence>
<xs:element name="Pieces" type="xs:int"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>
<xs:complexType name="Fluid"><xs:complexContent><xs:extension base="p:Part"><xs:sequence>
<xs:element name="Litres" type="xs:decimal" minOccurs="0"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType></xs:schema>"""
COLUMNS = (
    Column("code", "Code", pa.string(), required=True),
    Column("kind", "@xsi:type", pa.string()),
    Column("pieces", "Pieces", pa.int32()),
    Column("litres", "Litres", pa.decimal128(10, 2)),
)


def compiled(*columns: Column) -> Plan:
    schema = SCHEMA.replace("</xs:schema>", SUBTYPES)
    contract = read(fetch(WSDL_URL, lambda url: ((WSDL if url == WSDL_URL else schema).encode(), "text/xml")))
    return compile_plan(contract, contract.operations["ReadParts"], rows="List/Part", columns=columns)


@pytest.fixture(params=[False, True], ids=["by events", "by arrays"])
def arrays(request: pytest.FixtureRequest) -> bool:
    return request.param


def typed(arrays: bool, *rows: str, columns: Sequence[Column] = COLUMNS) -> tuple[list[dict[str, Any]], list[Reject]]:
    plan = compiled(*columns)
    made: list[dict[str, Any]] = []
    rejects: list[Reject] = []

    def sink(block: Sequence[RawRow]) -> None:
        where = Where("ReadParts", "List/Part", len(made) + len(rejects) + 1)
        good, bad = batch(plan.cells, block, Rules(), where, key=("code",), versions=[""] * len(block), scope="s", checks=plan.checks)
        made.extend(good.select([column.name for column in columns]).to_pylist())
        rejects.extend(bad)

    # A row before them, so that arrays know where rows begin.
    decode(io.BytesIO(reply("<Part><Code>first</Code></Part>", *rows)), plan, sink, arrays=arrays, head=480)
    return made[1:], rejects


def test_each_row_has_the_columns_of_its_type_and_nulls_for_the_others(arrays: bool) -> None:
    rows, rejects = typed(
        arrays,
        '<Part xmlns:q="urn:parts" xsi:type="q:Assembly"><Code>A</Code><Pieces>3</Pieces></Part>',
        '<Part xmlns:q="urn:parts" xsi:type="q:Fluid"><Code>B</Code><Litres>1.5</Litres></Part>',
        '<Part xsi:type="Part"><Code>C</Code></Part>',
        "<Part><Code>D</Code></Part>",
    )
    assert not rejects
    assert [row["kind"] for row in rows] == ["{urn:parts}Assembly", "{urn:parts}Fluid", "{urn:parts}Part", None]
    assert [(row["pieces"], row["litres"] and str(row["litres"])) for row in rows] == [
        (3, None),
        (None, "1.50"),
        (None, None),
        (None, None),
    ]


@pytest.mark.parametrize("said", ["q:Ghost", "xsi:Assembly", "unbound:Assembly", "q:"])
def test_a_type_the_contract_does_not_know_is_named_with_its_row(arrays: bool, said: str) -> None:
    _, rejects = typed(arrays, f'<Part xmlns:q="urn:parts" xsi:type="{said}"><Code>A</Code></Part>')
    assert "ReadParts List/Part[2]/@xsi:type" in rejects[0].reason and "value.enumeration" in rejects[0].reason


@pytest.mark.parametrize("said", ["q:Ghost", "q:Line", "unbound:Assembly"])
def test_a_type_is_judged_where_no_column_asks_for_it(arrays: bool, said: str) -> None:
    good = '<Part xmlns:q="urn:parts" xsi:type="q:Assembly"><Code>A</Code></Part>'
    rows, rejects = typed(
        arrays,
        good,
        f'<Part xmlns:q="urn:parts" xsi:type="{said}"><Code>B</Code></Part>',
        "<Part><Code>C</Code></Part>",
        columns=COLUMNS[:1],
    )
    assert [row["code"] for row in rows] == ["A", "C"]
    assert [(one.key, one.column) for one in rejects] == [("B", "@xsi:type")]
    assert "type.unexpected" in rejects[0].reason and "ReadParts List/Part[3]/@xsi:type" in rejects[0].reason


def test_a_row_of_a_type_without_subtypes_says_no_other(arrays: bool) -> None:
    content = reply(part("A"), part("B").replace("<Part>", "<Part xmlns:q='urn:parts' xsi:type='q:Line'>"), part("C"))
    rows, rejects = from_replies(content, arrays=arrays, head=480)
    assert rows.column("code").to_pylist() == ["A", "C"] and [one.key for one in rejects] == ["B"]


PLACES = SUBTYPES.replace(
    "</xs:schema>",
    '<xs:complexType name="Dock"><xs:complexContent><xs:extension base="p:Place"><xs:sequence>'
    '<xs:element name="Gate" type="xs:int" minOccurs="0"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType></xs:schema>',
)
CITY = Column("city", "City", pa.string())


@pytest.mark.parametrize(
    "column",
    [Column("city", "Place/City", pa.string()), Column("place", "Place", pa.struct([("city", pa.string())]), children=(CITY,))],
    ids=["a value below", "a struct"],
)
def test_an_element_inside_of_a_row_is_judged_where_its_type_has_subtypes(column: Column, arrays: bool) -> None:
    def place(said: str) -> str:
        return f'<Place xmlns:q="urn:parts" xsi:type="q:{said}"><City>x</City><Shelf>1</Shelf></Place>'

    schema = SCHEMA.replace("</xs:schema>", PLACES)
    rows, rejects = schema_typed(schema, (column,), place("Place"), place("Dock"), place("Part"), arrays=arrays)
    assert len(rows) == 2 and [one.key for one in rejects] == ["A2"]
    assert "List/Part[4]/Place" in rejects[0].reason and "@xsi:type" in rejects[0].reason
    # A nil element may say its type; that is no value.
    nil = '<Place xmlns:q="urn:parts" xsi:type="q:Dock" xsi:nil="true"/>'
    nillable = schema.replace('name="Place" type="p:Place"', 'name="Place" type="p:Place" nillable="true"')
    assert schema_typed(nillable, (column,), nil, arrays=arrays) == ([{column.name: None}], [])


def test_rows_of_the_one_declared_type_say_no_other_one() -> None:
    schema = SCHEMA.replace(
        "</xs:schema>",
        SUBTYPES.replace(
            "</xs:schema>",
            '<xs:complexType name="Kit"><xs:complexContent><xs:extension base="p:Assembly"/></xs:complexContent></xs:complexType></xs:schema>',
        ),
    )
    rows = [
        part(said).replace("<Part>", f'<Part xmlns:q="urn:parts" xsi:type="q:{said}">') for said in ("Assembly", "Kit", "Fluid", "Part")
    ]
    fake = Fake(reply(*rows, part("none")), documents={XSD_URL: schema})
    given: dict[str, Any] = {"row_type": "Assembly", "paging": {"kind": "none"}, "arguments": {"setSize": 0}}
    (page,) = fake.connector().pull(stream(**given), Window())
    assert page.rows.column("code").to_pylist() == ["Assembly", "Kit", "none"]
    assert [(one.key, one.column) for one in page.rejects] == [("Fluid", "@xsi:type"), ("Part", "@xsi:type")]


def test_an_element_of_no_type_is_still_gone() -> None:
    with pytest.raises(ContractBroken, match="Nowhere"):
        compiled(Column("nowhere", "Nowhere", pa.string()))


SUBTYPED = SCHEMA.replace("</xs:schema>", SUBTYPES)


def test_a_contract_with_columns_of_subtypes_shows_no_drift_and_a_new_subtype_is_named() -> None:
    before = described(SUBTYPED, *COLUMNS[1:])
    live = {one.source: one for one in before.fields}
    assert live["@xsi:type"].facets["options"] == ("{urn:parts}Part", "{urn:parts}Assembly", "{urn:parts}Fluid")
    assert live["Pieces"].type == pa.int32() and not live["Pieces"].required
    assert drift(before, described(SUBTYPED, *COLUMNS[1:])) == []
    new = SUBTYPED.replace('name="Fluid"', 'name="Gas"')
    assert drift(before, described(new, *COLUMNS[1:])) == [("options", "@xsi:type", False)]


@pytest.mark.parametrize(
    ("old", "new", "column"),
    [
        ('name="Pieces" type="xs:int"', 'name="Pieces" type="xs:long"', COLUMNS[2]),
        ('name="Pieces" type="xs:int"', 'name="Items" type="xs:int"', COLUMNS[2]),
        ('complexType name="Fluid"', 'complexType name="Gas"', COLUMNS[1]),
    ],
)
def test_what_a_subtype_says_belongs_to_the_reader_that_reads_it(old: str, new: str, column: Column) -> None:
    changed = SUBTYPED.replace(old, new)
    assert changed != SUBTYPED
    assert described(SUBTYPED, column).fingerprint != described(changed, column).fingerprint
    other = Column("stock", "Stock", pa.int32())
    assert described(SUBTYPED, other).fingerprint == described(changed, other).fingerprint


def test_the_type_and_the_columns_of_a_nested_element_are_described_inside_of_it() -> None:
    nested = SCHEMA.replace(
        "</xs:schema>",
        '<xs:complexType name="Dock"><xs:complexContent><xs:extension base="p:Place"><xs:sequence>'
        '<xs:element name="Gate" type="xs:int"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType></xs:schema>',
    )
    inner = (
        Column("city", "City", pa.string()),
        Column("shelf", "Shelf", pa.int16()),
        Column("kind", "@xsi:type", pa.string()),
        Column("gate", "Gate", pa.int32()),
    )
    place = Column("place", "Place", pa.struct([(one.name, one.type) for one in inner]), children=inner)
    live = next(one for one in described(nested, place).fields if one.source == "Place")
    assert [one.source for one in live.children] == ["City", "Shelf", "@xsi:type", "Gate"]
    assert drift(described(nested, place), described(nested, place)) == []
    assert (
        described(nested, place).fingerprint
        != described(nested.replace('"Gate" type="xs:int"', '"Gate" type="xs:long"'), place).fingerprint
    )
