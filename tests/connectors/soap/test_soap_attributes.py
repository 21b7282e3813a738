"""Attributes of every form: qualified, referred to, with defaults; as columns, in the fingerprints and in drift."""

from __future__ import annotations

import pyarrow as pa
import pytest
from soap_fake import SCHEMA
from soap_schemas import contract, described, field, typed, with_parts

from connectors.protocol import Column
from connectors.soap.components import ComplexType

LANG = "{http://www.w3.org/XML/1998/namespace}lang"
IDS = """<xs:complexType name="Worker"><xs:simpleContent><xs:extension base="xs:string">
<xs:attribute name="type" type="xs:string" form="qualified"/><xs:attribute name="plain" type="xs:int" form="unqualified"/>
<xs:attribute ref="xml:lang"/><xs:attribute ref="p:rank" use="required"/></xs:extension></xs:simpleContent></xs:complexType>
<xs:attribute name="rank" type="xs:short" default="7"/>"""
WITH_IDS = with_parts('<xs:element name="Worker" type="p:Worker" minOccurs="0"/>', IDS)
COLUMNS = (
    Column("worker", "Worker", pa.string()),
    Column("type", "Worker@type", pa.string()),
    Column("plain", "Worker@plain", pa.int32()),
    Column("lang", "Worker@lang", pa.string()),
    Column("rank", "Worker@rank", pa.int16()),
)


@pytest.fixture(params=[False, True], ids=["by events", "by arrays"])
def arrays(request: pytest.FixtureRequest) -> bool:
    return request.param


def test_qualified_attributes_are_read_by_their_expanded_name(arrays: bool) -> None:
    rows, rejects = typed(
        WITH_IDS,
        COLUMNS,
        '<Worker xmlns:q="urn:parts" q:type="EMP" plain="3" xml:lang="ja" q:rank="2">9</Worker>',
        '<Worker type="not this one" plain="4">8</Worker>',
        arrays=arrays,
    )
    assert not rejects
    assert [tuple(row.values())[:4] for row in rows] == [("9", "EMP", 3, "ja"), ("8", None, 4, None)]
    assert rows[0]["rank"] == 2


def test_the_form_of_all_attributes_may_be_said_once() -> None:
    qualified = SCHEMA.replace("elementFormDefault=", 'attributeFormDefault="qualified" elementFormDefault=')
    money = contract(qualified).types["{urn:parts}Money"]
    assert isinstance(money, ComplexType) and [one.name for one in money.attributes] == ["{urn:parts}currency"]
    rows, _ = typed(
        qualified,
        (Column("currency", "Price@currency", pa.string()),),
        '<Price xmlns:q="urn:parts" q:currency="JPY">1</Price>',
        arrays=True,
    )
    assert rows == [{"currency": "JPY"}]
    assert described(qualified, COLUMNS[0].__class__("c", "Price@currency", pa.string())).fingerprint != (
        described(SCHEMA, Column("c", "Price@currency", pa.string())).fingerprint
    )


def test_an_attribute_that_is_referred_to_is_described_with_the_type_it_has_elsewhere() -> None:
    assert field(WITH_IDS, "Worker@lang").type == pa.string()
    assert field(WITH_IDS, "Worker@rank").type == pa.int16()
    assert described(WITH_IDS).revision != described(WITH_IDS.replace('<xs:attribute ref="xml:lang"/>', "")).revision


def test_an_attribute_has_its_default_where_it_is_absent_and_nowhere_else(arrays: bool) -> None:
    rows, rejects = typed(WITH_IDS, COLUMNS, "<Worker>9</Worker>", "", '<Worker xmlns:q="urn:parts" q:rank="">9</Worker>', arrays=arrays)
    assert [row["rank"] for row in rows] == [7, None]
    assert "Worker@rank" in rejects[0].reason
    assert field(WITH_IDS, "Worker@rank").facets["default"] == 7 or field(WITH_IDS, "Worker@rank").facets["default"] == "7"


def test_an_attribute_that_is_fixed_has_no_other_value(arrays: bool) -> None:
    fixed = WITH_IDS.replace('name="plain" type="xs:int"', 'name="plain" type="xs:int" fixed="3"')
    rows, rejects = typed(
        fixed, COLUMNS, "<Worker>1</Worker>", '<Worker plain="03">2</Worker>', '<Worker plain="4">3</Worker>', arrays=arrays
    )
    assert [row["plain"] for row in rows] == [3, 3]
    assert "value.fixed" in rejects[0].reason
