"""Unions: one type where all members have it, else text that fits one of them; members in the fingerprints and in drift."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest
from soap_schemas import described, drift, field, typed, with_parts

from connectors.protocol import Column

UNION = '<xs:simpleType name="Mixed"><xs:union memberTypes="xs:int xs:boolean"/></xs:simpleType>'
UNIONS = with_parts(
    '<xs:element name="Either" type="p:Mixed" minOccurs="0"/><xs:element name="Size" type="p:Size" minOccurs="0"/>'
    '<xs:element name="Rank" type="p:Rank" minOccurs="0"/><xs:element name="Day" type="p:Day" minOccurs="0"/>',
    UNION
    + '<xs:simpleType name="Size"><xs:union><xs:simpleType><xs:restriction base="xs:int"><xs:maxInclusive value="9"/></xs:restriction>'
    '</xs:simpleType><xs:simpleType><xs:restriction base="xs:int"><xs:minInclusive value="100"/></xs:restriction></xs:simpleType></xs:union>'
    "</xs:simpleType>"
    '<xs:simpleType name="Other"><xs:restriction base="xs:token"><xs:enumeration value="X"/></xs:restriction></xs:simpleType>'
    '<xs:simpleType name="Rank"><xs:union memberTypes="p:Grade p:Other"/></xs:simpleType>'
    '<xs:simpleType name="Day"><xs:union memberTypes="xs:date xs:dateTime"/></xs:simpleType>',
)
EITHER = Column("either", "Either", pa.string())


@pytest.mark.parametrize(("text", "fits"), [("12", True), (" true ", True), ("12.5", False), ("yes", False), ("", False)])
def test_a_text_that_fits_no_member_holds_its_row(text: str, fits: bool) -> None:
    rows, rejects = typed(UNIONS, (EITHER,), f"<Either>{text}</Either>", arrays=True)
    assert (rows == [{"either": text.strip()}]) if fits else ("Either" in rejects[0].reason and "value.member" in rejects[0].reason)


def test_members_of_one_type_give_that_type_and_keep_their_own_bounds() -> None:
    assert field(UNIONS, "Size").type == pa.int32()
    rows, rejects = typed(
        UNIONS, (Column("size", "Size", pa.int32()),), "<Size>9</Size>", "<Size>100</Size>", "<Size>50</Size>", arrays=True
    )
    assert [row["size"] for row in rows] == [9, 100] and len(rejects) == 1


def test_values_that_all_members_list_are_options() -> None:
    assert field(UNIONS, "Rank").facets["options"] == ("A", "B", "X")
    rows, rejects = typed(UNIONS, (Column("rank", "Rank", pa.string()),), "<Rank>X</Rank>", "<Rank>C</Rank>", arrays=True)
    assert rows == [{"rank": "X"}] and "Rank" in rejects[0].reason


def test_a_time_stays_the_text_it_is_where_the_union_is_text() -> None:
    day = Column("day", "Day", pa.string())
    rows, rejects = typed(
        UNIONS, (day,), "<Day>2026-11-01</Day>", "<Day>2026-11-01T09:00:00</Day>", "<Day>2026-11-31</Day>", "<Day>soon</Day>", arrays=True
    )
    assert [row["day"] for row in rows] == ["2026-11-01", "2026-11-01T09:00:00"] and len(rejects) == 2
    assert typed(UNIONS, (Column("day", "Day", pa.date32()),), "<Day>2026-11-01</Day>", arrays=True)[0] == [{"day": date(2026, 11, 1)}]


def test_members_belong_to_both_fingerprints_and_their_change_is_one_line() -> None:
    changed = UNIONS.replace("xs:int xs:boolean", "xs:date xs:time")
    before, after = described(UNIONS, EITHER), described(changed, EITHER)
    assert before.fingerprint != after.fingerprint and before.revision != after.revision
    assert drift(before, after) == [("retyped", "Either", True)]
    assert drift(before, described(UNIONS.replace("xs:int xs:boolean", "xs:boolean p:Size"), EITHER)) == [("retyped", "Either", True)]
