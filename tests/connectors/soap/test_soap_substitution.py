"""Substitution groups: an element that stands in the place of another is read as that other, or by its own name."""

from __future__ import annotations

import pyarrow as pa
import pytest
from soap_schemas import contract, described, drift, typed, with_parts

from connectors.errors import ContractBroken, FixConfiguration
from connectors.protocol import Column

GROUP = with_parts(
    '<xs:element ref="p:Animal" minOccurs="0"/><xs:element ref="p:Note" minOccurs="0" maxOccurs="unbounded"/>',
    '<xs:complexType name="AnimalType"><xs:sequence><xs:element name="Name" type="xs:string"/></xs:sequence></xs:complexType>'
    '<xs:complexType name="CatType"><xs:complexContent><xs:extension base="p:AnimalType"><xs:sequence>'
    '<xs:element name="Lives" type="xs:int"/></xs:sequence></xs:extension></xs:complexContent></xs:complexType>'
    '<xs:element name="Animal" type="p:AnimalType" abstract="true"/><xs:element name="Cat" type="p:CatType" substitutionGroup="p:Animal"/>'
    '<xs:element name="Dog" substitutionGroup="p:Animal"/><xs:element name="Kitten" type="p:CatType" substitutionGroup="p:Cat"/>'
    '<xs:element name="Note" type="xs:string"/><xs:element name="Remark" substitutionGroup="p:Note"/>',
)
NAME, LIVES = Column("name", "Animal/Name", pa.string()), Column("lives", "Animal/Lives", pa.int32())
NOTES = Column("notes", "Note", pa.list_(pa.string()))
ROWS = (
    "<Cat><Name>Tama</Name><Lives>9</Lives></Cat>",
    "<Dog><Name>Pochi</Name></Dog>",
    "<Kitten><Name>Mi</Name><Lives>8</Lives></Kitten>",
    "",
)


@pytest.fixture(params=[False, True], ids=["by events", "by arrays"])
def arrays(request: pytest.FixtureRequest) -> bool:
    return request.param


def test_whichever_member_comes_its_values_are_in_the_columns_of_the_head(arrays: bool) -> None:
    rows, rejects = typed(GROUP, (NAME, LIVES), *ROWS, arrays=arrays)
    assert not rejects
    assert [tuple(row.values()) for row in rows] == [("Tama", 9), ("Pochi", None), ("Mi", 8), (None, None)]


def test_a_struct_has_the_parts_of_all_members_and_a_list_keeps_their_order(arrays: bool) -> None:
    inner = (Column("name", "Name", pa.string()), Column("lives", "Lives", pa.int32()))
    animal = Column("animal", "Animal", pa.struct([(one.name, one.type) for one in inner]), children=inner)
    rows, _ = typed(GROUP, (animal, NOTES), ROWS[0] + "<Note>a</Note><Remark>b</Remark><Note>c</Note>", arrays=arrays)
    assert rows == [{"animal": {"name": "Tama", "lives": 9}, "notes": ["a", "b", "c"]}]


def test_a_member_may_have_columns_of_its_own(arrays: bool) -> None:
    cat, dog = Column("cat", "Cat/Name", pa.string()), Column("dog", "Dog/Name", pa.string())
    rows, _ = typed(GROUP, (cat, dog), *ROWS[:2], arrays=arrays)
    assert [tuple(row.values()) for row in rows] == [("Tama", None), (None, "Pochi")]


def test_two_members_at_one_place_hold_the_row(arrays: bool) -> None:
    _, rejects = typed(GROUP, (NAME,), ROWS[0] + ROWS[1], arrays=arrays)
    assert "Animal/Name" in rejects[0].reason


def test_columns_of_the_head_and_of_a_member_can_not_be_had_together() -> None:
    note, remark = Column("note", "Note", pa.list_(pa.string())), Column("remark", "Remark", pa.list_(pa.string()))
    with pytest.raises(FixConfiguration, match="Remark"):
        typed(GROUP, (note, remark), "", arrays=False)


def test_a_name_that_is_no_member_says_which_are() -> None:
    with pytest.raises(ContractBroken, match="Cat, Dog, Kitten"):
        typed(GROUP, (Column("bird", "Bird/Name", pa.string()),), "", arrays=False)


def test_a_member_more_or_less_belongs_to_both_fingerprints() -> None:
    fewer = GROUP.replace('<xs:element name="Remark" substitutionGroup="p:Note"/>', "")
    assert contract(GROUP).elements["{urn:parts}Note"].substitutes == ("{urn:parts}Remark",)
    before, after = described(GROUP, NOTES), described(fewer, NOTES)
    assert before.revision != after.revision and before.fingerprint != after.fingerprint
    assert described(GROUP, NAME).fingerprint == described(fewer, NAME).fingerprint
    assert drift(before, after) == [("settings", "Note", False)]
