"""Drift of what a stream rests on beside its columns: each change is one line by the name that the contract has for it."""

from __future__ import annotations

import json
from typing import Any

import pyarrow as pa
import pytest
from soap_fake import EMPTY, WSDL_URL, Fake
from soap_schemas import promised
from soap_wsdl import wsdl

from connectors.protocol import Column, Schema, Stream
from expectations.drift import compare
from expectations.facts import Facts, facts_of
from pipelines.pull.compare import compare_schema, stops

SCHEMA = """<xs:schema targetNamespace="urn:store" xmlns:t="urn:store" elementFormDefault="qualified">
<xs:simpleType name="Code"><xs:restriction base="xs:string"><xs:enumeration value="OK"/><xs:enumeration value="NO"/></xs:restriction></xs:simpleType>
<xs:simpleType name="Listed"><xs:restriction base="xs:string"><xs:enumeration value="Changed"/><xs:enumeration value="No"/></xs:restriction></xs:simpleType>
<xs:complexType name="Row"><xs:sequence><xs:element name="No" type="xs:string"/><xs:element name="Mark" type="xs:string"/>
<xs:element name="Changed" type="xs:dateTime"/></xs:sequence></xs:complexType>
<xs:complexType name="Rows"><xs:sequence><xs:element name="Row" type="t:Row" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
<xs:complexType name="Log"><xs:sequence><xs:element name="Status" type="t:Code"/><xs:element name="Words" type="xs:string" minOccurs="0"/></xs:sequence></xs:complexType>
<xs:complexType name="Filter"><xs:sequence><xs:element name="Field" type="t:Listed"/><xs:element name="Criteria" type="xs:string"/></xs:sequence></xs:complexType>
<xs:element name="Read"><xs:complexType><xs:sequence><xs:element name="Filter" type="t:Filter" minOccurs="0" maxOccurs="unbounded"/>
<xs:element name="Size" type="xs:int"/><xs:element name="From" type="xs:string" minOccurs="0"/>
<xs:element name="Plant" type="xs:string" minOccurs="0"/><xs:element name="Colour" type="xs:string" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>
<xs:element name="Answer"><xs:complexType><xs:sequence><xs:element name="Log" type="t:Log"/><xs:element name="Rows" type="t:Rows"/>
<xs:element name="Count" type="xs:int"/><xs:element name="All" type="xs:int"/><xs:element name="More" type="xs:boolean"/>
<xs:element name="Locator" type="xs:string" minOccurs="0"/></xs:sequence></xs:complexType></xs:element>
<xs:element name="ReadMore"><xs:complexType><xs:sequence><xs:element name="Locator" type="xs:string"/></xs:sequence></xs:complexType></xs:element>
<xs:element name="CountAsked"><xs:complexType><xs:sequence/></xs:complexType></xs:element>
<xs:element name="Counted"><xs:complexType><xs:sequence><xs:element name="Total" type="xs:int"/></xs:sequence></xs:complexType></xs:element>
<xs:element name="Handles"><xs:complexType><xs:sequence><xs:element name="Handle" type="xs:string" maxOccurs="unbounded"/></xs:sequence></xs:complexType></xs:element>
</xs:schema>"""
OPERATIONS = {
    "Read": ("t:Read", "t:Answer"),
    "ReadMore": ("t:ReadMore", "t:Answer"),
    "Count": ("t:CountAsked", "t:Counted"),
    "List": ("t:CountAsked", "t:Handles"),
}
JUDGED: dict[str, Any] = {"ok": {"path": "Log/Status", "values": ["OK"]}, "message": "Log/Words", "row_count": "Count", "total": "All"}
BY_MARK: dict[str, Any] = {
    **JUDGED,
    "operation": "Read",
    "rows": "Rows/Row",
    "paging": {
        "kind": "bookmark",
        "request": "From",
        "size": "Size",
        "from": "Mark",
        "end": {"rule": "flag", "path": "More", "value": "false"},
    },
    "filter": {"element": "Filter", "field": "Field", "criteria": "Criteria"},
    "changed_since": {"field": "Changed"},
    "arguments": {"Plant": "1000"},
    "count": {"operation": "Count", "path": "Total"},
}
BY_MORE: dict[str, Any] = {
    **JUDGED,
    "operation": "Read",
    "rows": "Rows/Row",
    "paging": {
        "kind": "query_more",
        "from": "Locator",
        "request": "Locator",
        "more": {"operation": "ReadMore"},
        "end": {"rule": "flag", "path": "More", "value": "false"},
    },
}
BY_HANDLES: dict[str, Any] = {
    "operation": "ReadMore",
    "rows": "Rows/Row",
    "paging": {"kind": "handles", "request": "Locator", "page": 1, "handles": {"operation": "List", "rows": "Handle", "source": ""}},
}
BY_HAND: dict[str, Any] = {
    "operation": "Read",
    "rows": "Rows/Row",
    "body": '<t:Read xmlns:t="urn:store"><t:Size>{size}</t:Size><t:Plant>1000</t:Plant></t:Read>',
}


def described(source: dict[str, Any], schema: str = SCHEMA, operations: dict[str, tuple[str, str]] = OPERATIONS) -> Schema:
    fake = Fake(EMPTY, documents={WSDL_URL: wsdl("urn:store", schema, **operations)})
    column = Column("no", "No", pa.string(), required=True)
    return fake.connector().describe(Stream("erp", "rows", source, ("no",), (column,)))


def lines(before: Schema, after: Schema) -> list[tuple[str, str, str, str, bool]]:
    since = Facts.read(json.loads(json.dumps(facts_of(before).stored())))
    whole = promised(before)
    contract = whole.model_copy(update={"fields": whole.fields[:1], "exclude": tuple(field.source for field in whole.fields[1:])})
    found = compare(contract, after, since).changes
    return [(one.kind, one.path, one.old, one.new, one.blocks) for one in found if one.kind != "added"]


@pytest.mark.parametrize(
    ("source", "old", "new", "expected"),
    [
        (BY_MARK, 'name="Status"', 'name="State"', ("renamed", "ok.path", "Log/Status", "Log/State", True)),
        (BY_MARK, 'name="Status" type="t:Code"', 'name="Status" type="xs:int"', ("retyped", "ok.path", "xsd:string", "xsd:int", True)),
        (BY_MARK, 'name="Status" type', 'name="Status" minOccurs="0" type', ("required", "ok.path", "required", "optional", False)),
        (BY_MARK, '<xs:enumeration value="NO"/>', "", ("options", "ok.path", "NO", "", False)),
        (BY_MARK, '<xs:enumeration value="NO"/>', '<xs:enumeration value="BUSY"/>', ("options", "ok.path", "NO", "BUSY", False)),
        (BY_MARK, 'name="Words"', 'name="Text"', ("renamed", "message", "Log/Words", "Log/Text", True)),
        (BY_MARK, '<xs:element name="Words" type="xs:string" minOccurs="0"/>', "", ("removed", "message", "Log/Words", "", True)),
        (BY_MARK, 'name="Count" type="xs:int"', 'name="Hits" type="xs:int"', ("renamed", "row_count", "Count", "Hits", True)),
        (BY_MARK, 'name="Count" type="xs:int"', 'name="Count" type="xs:long"', ("widened", "row_count", "xsd:int", "xsd:long", True)),
        (BY_MARK, 'name="All"', 'name="Everything"', ("renamed", "total", "All", "Everything", True)),
        (BY_MARK, 'name="More"', 'name="Further"', ("renamed", "paging.end.path", "More", "Further", True)),
        (BY_MARK, 'name="Mark"', 'name="Bookmark"', ("renamed", "paging.from", "Mark", "Bookmark", True)),
        (BY_MARK, 'name="From"', 'name="Start"', ("renamed", "paging.request", "From", "Start", True)),
        (BY_MARK, 'name="Size"', 'name="Limit"', ("renamed", "paging.size", "Size", "Limit", True)),
        (BY_MARK, 'name="Filter" type', 'name="Where" type', ("renamed", "filter.element", "Filter", "Where", True)),
        (BY_MARK, 'name="Criteria"', 'name="Value"', ("renamed", "filter.criteria", "Filter/Criteria", "Filter/Value", True)),
        (BY_MARK, '<xs:enumeration value="Changed"/>', "", ("removed", "filter.field", "Filter/Field", "", True)),
        (BY_MARK, 'name="Changed" type', 'name="Altered" type', ("renamed", "changed_since.field", "Changed", "Altered", True)),
        (BY_MARK, 'name="Plant"', 'name="Site"', ("renamed", "arguments.Plant", "Plant", "Site", True)),
        (BY_MARK, 'name="Colour" type="xs:string" minOccurs="0"', 'name="Colour" type="xs:string"', ("required", "request.Colour", "", "required", True)),
        (BY_MARK, 'name="Total"', 'name="Number"', ("renamed", "count.path", "Total", "Number", True)),
        (BY_MORE, 'name="Locator" type="xs:string" minOccurs="0"', 'name="Cursor" type="xs:string" minOccurs="0"', ("renamed", "paging.from", "Locator", "Cursor", True)),
        (BY_MORE, 'name="Locator" type="xs:string"/>', 'name="Cursor" type="xs:string"/>', ("renamed", "paging.request", "Locator", "Cursor", True)),
        (BY_HANDLES, 'name="Handle"', 'name="Key"', ("renamed", "paging.handles.rows", "Handle", "Key", True)),
        (BY_HANDLES, 'name="Handle" type="xs:string" max', 'name="Handle" type="xs:int" max', ("retyped", "paging.handles.rows", "list<xsd:string>", "list<xsd:int>", True)),
        (BY_HAND, 'name="Plant"', 'name="Site"', ("renamed", "body.Plant", "Plant", "Site", True)),
        (BY_HAND, 'name="Colour" type="xs:string" minOccurs="0"', 'name="Colour" type="xs:string"', ("required", "request.Colour", "", "required", True)),
        (BY_HAND, 'name="Plant" type="xs:string" minOccurs="0"', 'name="Plant" type="xs:string" minOccurs="0" maxOccurs="9"', ("widened", "body.Plant", "xsd:string", "list<xsd:string>", False)),
    ],
)  # fmt: skip
def test_a_part_that_is_no_column_has_a_line_of_its_own(
    source: dict[str, Any], old: str, new: str, expected: tuple[str, str, str, str, bool]
) -> None:
    assert SCHEMA.count(old) == 1
    before, after = described(source), described(source, SCHEMA.replace(old, new))
    assert lines(before, after) == [expected]
    assert after.fingerprint != before.fingerprint


@pytest.mark.parametrize(
    ("source", "operation", "use"),
    [
        (BY_MARK, "Count", "count.operation"),
        (BY_MORE, "ReadMore", "paging.more.operation"),
        (BY_HANDLES, "List", "paging.handles.operation"),
    ],
)
def test_an_operation_beside_the_streams_own_is_named_when_it_goes_and_when_it_is_called_otherwise(
    source: dict[str, Any], operation: str, use: str
) -> None:
    before = described(source)
    gone = described(source, operations={name: pair for name, pair in OPERATIONS.items() if name != operation})
    assert lines(before, gone)[0] == ("removed", use, operation, "", True)
    changed = wsdl("urn:store", SCHEMA, **OPERATIONS).replace(f'soapAction="{operation}"', 'soapAction="urn:other"')
    column = Column("no", "No", pa.string(), required=True)
    after = Fake(EMPTY, documents={WSDL_URL: changed}).connector().describe(Stream("erp", "rows", source, ("no",), (column,)))
    assert [(kind, path, blocks) for kind, path, _, _, blocks in lines(before, after)] == [("call", use, True)]
    assert before.fingerprint not in (gone.fingerprint, after.fingerprint)


def test_what_the_contract_names_and_the_source_has_not_is_said_though_nothing_is_known_of_before() -> None:
    source = {**BY_MARK, "message": "Log/Text"}
    found = compare(promised(described(BY_MARK)), described(source)).changes
    assert [(one.kind, one.path, one.old, one.blocks) for one in found] == [("removed", "message", "Log/Text", True)]


@pytest.mark.parametrize(
    ("source", "said"),
    [
        ({"message": "Log/Word"}, "not there: message: Log/Word (perhaps Log/Words)"),
        ({"row_count": "count"}, "not there: row_count: count (perhaps Count)"),
        ({"total": "Nowhere"}, "not there: total: Nowhere."),
    ],
)
def test_of_a_stream_never_pulled_a_name_that_is_not_there_is_no_change_but_perhaps_a_slip(source: dict[str, Any], said: str) -> None:
    live, slip = described(BY_MARK), described({**BY_MARK, **source})
    error = stops(compare_schema(promised(live), slip)[0])
    assert error.code == "pull.not_there" and said in error.say("en") and "該当なし" in error.say("ja")
    # The same of a stream that was pulled: there it was.
    pulled = stops(compare_schema(promised(live), slip, facts_of(live))[0])
    assert pulled.code == "pull.drift" and "perhaps" not in str(pulled)


def test_a_column_that_was_never_there_is_named_with_the_one_that_it_may_be() -> None:
    live = described(BY_MARK)
    whole = promised(live)
    slip = whole.fields[0].model_copy(update={"source": "Num", "type": "int64"}), whole.fields[1].model_copy(update={"source": "Makr"})
    drift, check = compare_schema(whole.model_copy(update={"fields": (*slip, *whole.fields[2:])}), live)
    assert drift.misnamed and not check.passed
    assert "not there: Num, not there: Makr (perhaps Mark)" in str(stops(drift)) and "Makr (perhaps Mark)" in str(check.summary)


def test_a_request_element_that_is_needed_now_and_that_the_contract_names_is_no_drift() -> None:
    needed = SCHEMA.replace('name="Plant" type="xs:string" minOccurs="0"', 'name="Plant" type="xs:string"')
    assert lines(described(BY_MARK), described(BY_MARK, needed)) == []


def test_an_argument_of_the_count_is_named_when_it_goes() -> None:
    source = {**BY_MARK, "count": {"operation": "Read", "path": "All", "arguments": {"Size": 1, "Colour": "red"}}}
    before, after = described(source), described(source, SCHEMA.replace('name="Colour"', 'name="Color"'))
    assert lines(before, after) == [("renamed", "count.arguments.Colour", "Colour", "Color", True)]


def test_elements_that_the_contract_does_not_name_are_no_matter_of_its_reader() -> None:
    more = SCHEMA.replace('<xs:element name="Log"', '<xs:element name="Server" type="xs:string" minOccurs="0"/><xs:element name="Log"')
    before, after = described(BY_MARK), described(BY_MARK, more.replace('name="Colour"', 'name="Color"'))
    assert lines(before, after) == [] and before.fingerprint == after.fingerprint
