"""What a text says beside its value, in a column of its own: the zone of a date, the member of a union."""

from __future__ import annotations

from datetime import UTC, date, datetime
from typing import Any

import pyarrow as pa
import pytest
from soap_fake import EMPTY, WSDL, WSDL_URL, Fake, part, reply, stream
from soap_schemas import XSD_URL, described, drift, with_parts

from connectors.errors import ContractBroken, FixConfiguration
from connectors.protocol import Column, Note, Page, Window

SIZE = (
    '<xs:simpleType name="Size"><xs:union memberTypes="p:Small"><xs:simpleType><xs:restriction base="xs:int"><xs:minInclusive value="100"/>'
    '</xs:restriction></xs:simpleType><xs:simpleType><xs:restriction base="xs:int"/></xs:simpleType></xs:union></xs:simpleType>'
    '<xs:simpleType name="Small"><xs:restriction base="xs:int"><xs:minInclusive value="0"/><xs:maxInclusive value="9"/></xs:restriction></xs:simpleType>'
    '<xs:simpleType name="Mixed"><xs:union memberTypes="xs:int xs:boolean p:Grade"/></xs:simpleType>'
)
SCHEMA = with_parts(
    '<xs:element name="Size" type="p:Size" minOccurs="0"/><xs:element name="Mixed" type="p:Mixed" minOccurs="0"/>', SIZE
).replace('name="Text" type="xs:string"', 'name="Text" type="xs:date"')
DAY, DAY_ZONE = Column("day", "Since", pa.date32()), Column("day_zone", "Since@zone()", pa.string())
AT, AT_ZONE = Column("at", "Modified", pa.timestamp("us", "UTC")), Column("at_zone", "Modified@zone()", pa.string())
MIXED, MEMBER = Column("mixed", "Mixed", pa.string()), Column("member", "Mixed@member()", pa.string())


def pulled(*rows: str, columns: tuple[Column, ...], **source: Any) -> Page:
    fake = Fake(reply(*(part(f"A{at}", row) for at, row in enumerate(rows))), EMPTY, documents={WSDL_URL: WSDL, XSD_URL: SCHEMA})
    return next(iter(fake.connector().pull(stream(*columns, **source), Window())))


def rows(page: Page, *names: str) -> list[tuple[Any, ...]]:
    return [tuple(row.values()) for row in page.rows.select(list(names)).to_pylist()]


def test_a_date_whose_zone_has_a_column_is_given_with_any_zone_and_nothing_is_lost() -> None:
    page = pulled(
        "<Since>2026-11-01+09:00</Since>", "<Since>2026-11-01Z</Since>", "<Since> 2026-11-01 </Since>", "", columns=(DAY, DAY_ZONE)
    )
    day = date(2026, 11, 1)
    assert rows(page, "day", "day_zone") == [(day, "+09:00"), (day, "Z"), (day, None), (None, None)]
    assert page.rejects == () and page.notes == ()


def test_the_offset_of_an_instant_is_a_column_beside_it() -> None:
    page = pulled(
        "<Modified>2026-11-01T09:00:00+09:00</Modified>",
        "<Modified>2026-11-01T09:00:00</Modified>",
        columns=(AT, AT_ZONE),
        timezone="Asia/Tokyo",
    )
    assert rows(page, "at", "at_zone") == [(datetime(2026, 11, 1, tzinfo=UTC), "+09:00"), (datetime(2026, 11, 1, tzinfo=UTC), None)]


def test_the_zone_alone_is_read_only_from_a_text_that_has_a_value() -> None:
    page = pulled("<Since>2026-11-31Z</Since>", "<Since>2026-11-30Z</Since>", columns=(DAY_ZONE,))
    assert rows(page, "day_zone") == [("Z",)] and "Since@zone() = '2026-11-31Z'" in page.rejects[0].reason


def test_a_declared_nothing_has_no_zone() -> None:
    null = ["0001-01-01Z"]
    text = "<Since>0001-01-01Z</Since>"
    assert rows(pulled(text, columns=(DAY, DAY_ZONE), null_values=null), "day", "day_zone") == [(None, None)]
    assert rows(pulled(text, columns=(DAY, DAY_ZONE), read={"Since": {"null_values": null}}), "day", "day_zone") == [(None, None)]


def test_zones_inside_of_a_list_stand_beside_their_dates() -> None:
    children = (Column("on", "Text", pa.date32()), Column("zone", "Text@zone()", pa.string()))
    lines = Column("lines", "Lines/Line", pa.list_(pa.struct([("on", pa.date32()), ("zone", pa.string())])), children=children)
    page = pulled("<Lines><Line><No>1</No><Text>2026-11-01Z</Text></Line></Lines>", columns=(lines,))
    assert page.rows.column("lines").to_pylist() == [[{"on": date(2026, 11, 1), "zone": "Z"}]]


def test_the_member_of_a_union_that_a_text_fits_is_named() -> None:
    texts = ("12", "true", "A", " 1 ")
    page = pulled(*(f"<Mixed>{text}</Mixed>" for text in texts), "<Mixed>Z</Mixed>", "", columns=(MIXED, MEMBER))
    assert rows(page, "mixed", "member") == [("12", "int"), ("true", "boolean"), ("A", "Grade"), ("1", "int"), (None, None)]
    assert len(page.rejects) == 1 and "value.member" in page.rejects[0].reason


def test_members_without_names_are_counted_and_the_first_that_fits_is_the_one() -> None:
    columns = (Column("size", "Size", pa.int32()), Column("member", "Size@member()", pa.string()))
    page = pulled("<Size>7</Size>", "<Size>700</Size>", "<Size>50</Size>", columns=columns)
    assert rows(page, "size", "member") == [(7, "Small"), (700, "int 1"), (50, "int 2")]


def test_a_kept_value_has_the_member_whose_facets_it_breaks() -> None:
    page = pulled("<Mixed>Z</Mixed>", columns=(MIXED, MEMBER), beyond="keep")
    assert rows(page, "mixed", "member") == [("Z", "Grade")] and page.notes == (Note("mixed", "value.enumeration 'Z'", 1),)


def test_of_a_masked_value_neither_column_nor_reject_shows_a_part() -> None:
    columns = (Column("day", "Since", pa.string()), DAY_ZONE, Column("stock", "Stock", pa.int32()))
    page = pulled(
        "<Since>2026-11-01+09:00</Since>",
        "<Since>2026-11-02+09:00</Since><Stock>x</Stock>",
        columns=columns,
        read={"Since": {"mask": True}},
    )
    assert rows(page, "day", "day_zone") == [("***", "***")] and [one.column for one in page.rejects] == ["stock"]
    assert "09:00" not in repr(page)


@pytest.mark.parametrize("source", ["Code@zone()", "Since@member()", "Size@zone()", "Tag@zone()", "Lines@zone()", "Gone@zone()"])
def test_a_part_that_no_text_of_the_type_can_say_is_no_source(source: str) -> None:
    column = Column("part", source, pa.string())
    with pytest.raises(ContractBroken) as caught:
        pulled("", columns=(column,))
    assert caught.value.code == "soap.column_gone"
    assert source not in {field.source for field in described(SCHEMA, column).fields}


def test_a_part_is_a_field_of_the_live_schema_and_its_members_take_part_in_drift() -> None:
    before = described(SCHEMA, MIXED, MEMBER, DAY_ZONE)
    fields = {field.source: field for field in before.fields}
    assert fields["Mixed@member()"].facets["options"] == ("int", "boolean", "Grade") and fields["Since@zone()"].type == pa.string()
    after = described(SCHEMA.replace("xs:int xs:boolean p:Grade", "xs:int xs:boolean p:Grade xs:token"), MIXED, MEMBER, DAY_ZONE)
    assert ("options", "Mixed@member()", False) in drift(before, after) and before.fingerprint != after.fingerprint
    assert (
        before.fingerprint
        != described(SCHEMA.replace('name="Since" type="xs:date"', 'name="Since" type="xs:time"'), MIXED, MEMBER, DAY_ZONE).fingerprint
    )


def test_a_part_has_no_declaration_of_its_own() -> None:
    with pytest.raises(FixConfiguration, match="as the value is declared"):
        pulled("", columns=(DAY, DAY_ZONE), read={"Since@zone()": {"empty": "null"}})
