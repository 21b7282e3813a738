"""Values that their type holds and the contract's facets do not allow: held, or given and counted where that is declared."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from soap_fake import EMPTY, WSDL, WSDL_URL, Fake, part, reply, stream
from soap_schemas import XSD_URL, described, drift, with_parts

from connectors.protocol import Column, Note, Page, Window

TYPES = """<xs:simpleType name="Short"><xs:restriction base="xs:string"><xs:maxLength value="3"/></xs:restriction></xs:simpleType>
<xs:simpleType name="Sku"><xs:restriction base="xs:token"><xs:pattern value="[A-Z]\\d{2}"/></xs:restriction></xs:simpleType>
<xs:simpleType name="Percent"><xs:restriction base="xs:int"><xs:maxInclusive value="100"/></xs:restriction></xs:simpleType>
<xs:simpleType name="Amount"><xs:restriction base="xs:decimal"><xs:totalDigits value="4"/><xs:fractionDigits value="1"/></xs:restriction></xs:simpleType>
<xs:simpleType name="Both"><xs:restriction base="xs:string"><xs:maxLength value="2"/><xs:pattern value="[a-z]*"/></xs:restriction></xs:simpleType>
<xs:simpleType name="Size"><xs:union><xs:simpleType><xs:restriction base="xs:int"><xs:maxInclusive value="9"/></xs:restriction></xs:simpleType>
<xs:simpleType><xs:restriction base="xs:int"><xs:minInclusive value="100"/></xs:restriction></xs:simpleType></xs:union></xs:simpleType>"""
ELEMENTS = "".join(
    f'<xs:element name="{name}" type="p:{name}" minOccurs="0"/>' for name in ("Short", "Sku", "Percent", "Amount", "Both", "Size")
)
SCHEMA = with_parts(ELEMENTS, TYPES).replace('name="Text" type="xs:string"', 'name="Text" type="p:Short"')
GRADE, SHORT, PERCENT = (
    Column("grade", "Grade", pa.string()),
    Column("short", "Short", pa.string()),
    Column("percent", "Percent", pa.int32()),
)


def pulled(*rows: str, columns: tuple[Column, ...], **source: Any) -> Page:
    """The first page of parts with these insides, by arrays: enough rows stand before them that runs of rows are read."""
    fake = Fake(reply(*(part(f"A{at}", row) for at, row in enumerate(rows))), EMPTY, documents={WSDL_URL: WSDL, XSD_URL: SCHEMA})
    return next(iter(fake.connector().pull(stream(*columns, **source), Window())))


CASES = [
    (GRADE, "C", "value.enumeration 'C'"),
    (SHORT, "abcd", "value.length"),
    (Column("sku", "Sku", pa.string()), "a12", "value.pattern"),
    (PERCENT, "101", "value.bounds"),
    (Column("amount", "Amount", pa.decimal128(9, 2)), "1234.55", "value.digits"),
    (Column("size", "Size", pa.int32()), "50", "value.bounds"),
]


@pytest.mark.parametrize(("column", "text", "what"), CASES)
def test_a_value_beyond_its_facets_holds_its_row_until_the_contract_says_keep(column: Column, text: str, what: str) -> None:
    row = f"<{column.source}>{text}</{column.source}>"
    held = pulled(row, "", columns=(column,))
    assert held.rows.num_rows == 1 and len(held.rejects) == 1 and held.notes == ()
    kept = pulled(row, "", row, columns=(column,), beyond="keep")
    assert [str(value) for value in kept.rows.column(column.name).to_pylist()] == [text, "None", text]
    assert kept.rejects == () and kept.notes == (Note(column.name, what, 2),)
    # Only what is a word of a vocabulary is named.
    assert (text in repr(kept.notes)) is what.startswith("value.enumeration")


def test_each_broken_facet_of_a_kept_value_is_a_note_of_its_own() -> None:
    page = pulled("<Both>ABC</Both>", columns=(Column("both", "Both", pa.string()),), beyond="keep")
    assert {note.what for note in page.notes} == {"value.length", "value.pattern"}


def test_one_column_may_keep_what_the_others_hold_and_the_other_way_round() -> None:
    row = "<Grade>C</Grade><Short>abcd</Short>"
    only = pulled("<Grade>C</Grade>", row, columns=(GRADE, SHORT), read={"Grade": {"beyond": "keep"}})
    assert only.rows.column("grade").to_pylist() == ["C"] and [one.column for one in only.rejects] == ["short"]
    # The row that is held for another column is not among those that were given.
    assert only.notes == (Note("grade", "value.enumeration 'C'", 1),)
    other = pulled(row, columns=(GRADE, SHORT), beyond="keep", read={"Short": {"beyond": "hold"}})
    assert [one.column for one in other.rejects] == ["short"] and other.notes == ()


@pytest.mark.parametrize(
    ("column", "text", "why"),
    [
        (PERCENT, "2147483648", "value.range"),
        (PERCENT, "12,5", "value.lexical"),
        (Column("amount", "Amount", pa.decimal128(5, 1)), "1.25", "value.inexact"),
    ],
)
def test_what_its_type_does_not_hold_is_held_whatever_is_declared(column: Column, text: str, why: str) -> None:
    page = pulled(f"<{column.source}>{text}</{column.source}>", columns=(column,), beyond="keep")
    assert page.rows.num_rows == 0 and why in page.rejects[0].reason and page.notes == ()


def test_a_kept_value_inside_of_a_list_is_counted_by_its_path() -> None:
    lines = Column(
        "lines",
        "Lines/Line",
        pa.list_(pa.struct([("no", pa.int32()), ("text", pa.string())])),
        children=(Column("no", "No", pa.int32()), Column("text", "Text", pa.string())),
    )
    row = "<Lines><Line><No>1</No><Text>abcd</Text></Line><Line><No>2</No><Text>abcde</Text></Line></Lines>"
    page = pulled(row, columns=(lines,), beyond="keep")
    assert page.notes == (Note("Lines/Line/Text", "value.length", 2),) and page.rows.num_rows == 1


def test_values_that_the_list_lacks_are_named_one_by_one_and_no_more_than_people_can_read() -> None:
    grades = [f"<Grade>{'x' * 90}{at:02}</Grade>" for at in range(3)] + [f"<Grade>G{at:02}</Grade>" for at in range(40)] * 2
    page = pulled(*grades, columns=(GRADE,), beyond="keep", paging={"kind": "none"}, arguments={"setSize": 0})
    assert page.rows.num_rows == 83 and sum(note.count for note in page.notes) == 83
    told = {note.what: note.count for note in page.notes}
    # The first of a long value is enough to look it up; what is cut alike is told together.
    assert told[f"value.enumeration '{'x' * 80}'…"] == 3 and told["value.enumeration 'G00'"] == 2
    assert len(told) == 21 and told["value.enumeration"] == 2 * 21


def test_so_many_are_named_of_a_pull_and_not_of_each_of_its_pages() -> None:
    contents = [reply(*(part(f"A{page}{at}", f"<Grade>G{page}{at}</Grade>") for at in range(9))) for page in range(4)]
    fake = Fake(*contents, EMPTY, documents={WSDL_URL: WSDL, XSD_URL: SCHEMA})
    notes = [note for page in fake.connector().pull(stream(GRADE, beyond="keep"), Window()) for note in page.notes]
    assert sum(note.count for note in notes) == 36 and len({note.what for note in notes}) == 21


def test_a_value_of_a_union_or_a_list_that_its_list_lacks_is_named_as_it_was_sent() -> None:
    grades = '<xs:simpleType name="Grades"><xs:list itemType="p:Grade"/></xs:simpleType>'
    schema = with_parts('<xs:element name="Grades" type="p:Grades" minOccurs="0"/>', grades)
    several = Column("grades", "Grades", pa.list_(pa.string()))
    fake = Fake(reply(part("A", "<Grades>A 軸受\u3000 C</Grades>")), EMPTY, documents={WSDL_URL: WSDL, XSD_URL: schema})
    page = next(iter(fake.connector().pull(stream(several, beyond="keep"), Window())))
    assert {note.what for note in page.notes} == {"value.enumeration '軸受\\u3000'", "value.enumeration 'C'"}


def test_a_masked_value_beyond_its_facets_is_counted_and_shown_nowhere() -> None:
    page = pulled("<Grade>Secret-Grade</Grade>", columns=(GRADE,), beyond="keep", read={"Grade": {"mask": True}})
    assert page.rows.column("grade").to_pylist() == ["***"] and page.notes == (Note("grade", "value.enumeration", 1),)
    assert "Secret" not in repr(page)


def test_an_unknown_type_of_a_row_is_held_whatever_is_declared() -> None:
    # Which columns a row has goes by its type: there is nothing to keep of one that nobody knows.
    kind = Column("kind", "@xsi:type", pa.string())
    page = pulled("", columns=(kind,), beyond="keep")
    assert page.rows.num_rows == 1
    content = reply(part("A").replace("<Part>", '<Part xsi:type="Ghost">'))
    fake = Fake(content, EMPTY, documents={WSDL_URL: WSDL, XSD_URL: SCHEMA})
    ghost = next(iter(fake.connector().pull(stream(kind, beyond="keep"), Window())))
    assert ghost.rows.num_rows == 0 and "value.enumeration" in ghost.rejects[0].reason


def test_a_new_value_in_the_live_schema_stays_drift() -> None:
    before = described(SCHEMA, GRADE, beyond="keep")
    after = described(
        SCHEMA.replace('<xs:enumeration value="B"/>', '<xs:enumeration value="B"/><xs:enumeration value="C"/>'), GRADE, beyond="keep"
    )
    assert ("options", "Grade", False) in drift(before, after)


def test_notes_of_a_kept_value_reach_the_items_of_a_table() -> None:
    columns = (Column("no", "Lines/Line/No", pa.int32()), Column("text", "Lines/Line/Text", pa.string()))
    fake = Fake(
        reply(part("A", "<Lines><Line><No>1</No><Text>abcd</Text></Line></Lines>")), EMPTY, documents={WSDL_URL: WSDL, XSD_URL: SCHEMA}
    )
    told = stream(*columns, key=("code", "no"), table="Lines/Line", beyond="keep")
    page = next(iter(fake.connector().pull(told, Window())))
    assert page.rows.num_rows == 1 and [(note.what, note.count) for note in page.notes] == [("value.length", 1)]
