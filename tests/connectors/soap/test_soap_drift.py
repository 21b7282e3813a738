"""Every kind of drift of a WSDL by its exact name, alone, with what it does to those who read the stream."""

from __future__ import annotations

import re

import pytest
from soap_fake import EMPTY, SCHEMA, WSDL, WSDL_URL, Fake, stream
from soap_schemas import changes, drift, promised

from connectors.errors import AddressUnknown, FixConfiguration
from connectors.protocol import Schema
from expectations.drift import address, compare
from expectations.facts import facts_of

XSD_URL = "https://erp.example/ws/Parts?xsd=parts.xsd"
CHOICE = (
    '<xs:choice><xs:element name="Mill" type="xs:string"/><xs:element name="Lathe" type="xs:string"/></xs:choice>'
    '<xs:element name="Tag" type="xs:token"'
)
POLICY = (
    '<w:binding name="Binding" type="t:Port"><p:Policy xmlns:p="http://www.w3.org/ns/ws-policy"><p:All><{kind}/></p:All></p:Policy>'
    '<s:binding transport="http://schemas.xmlsoap.org/soap/http"/>'
)
BINDING = '<w:binding name="Binding" type="t:Port"><s:binding transport="http://schemas.xmlsoap.org/soap/http"/>'
FAULT = '<w:message name="Oops"><w:part name="fault" element="p:ReadParts"/></w:message><w:message name="In">'


def described(wsdl: str = WSDL, schema: str = SCHEMA) -> Schema:
    return Fake(EMPTY, documents={WSDL_URL: wsdl, XSD_URL: schema}).connector().describe(stream())


def test_a_contract_of_all_that_is_there_shows_no_drift() -> None:
    assert drift(described(), described()) == []


def element(old: str, new: str) -> tuple[str, str]:
    return f'<xs:element name="{old}', f'<xs:element name="{new}'


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        (*element('Since"', 'Eco" type="xs:string" minOccurs="0"/><xs:element name="Since"'), ("added", "Eco", False)),
        (*element('Opens" type="xs:time" minOccurs="0"/><xs:element name="Mod', "Mod"), ("removed", "Opens", True)),
        (*element('Stock" type="xs:int"', 'Stock" type="xs:long"'), ("widened", "Stock", True)),
        (*element('Stock" type="xs:int"', 'Stock" type="xs:short"'), ("retyped", "Stock", True)),
        (*element('Since" type="xs:date"', 'Since" type="xs:dateTime"'), ("retyped", "Since", True)),
        (*element('Opens" type="xs:time"', 'Opens" type="xs:string"'), ("retyped", "Opens", True)),
        (*element('Code" type="xs:string"/>', 'Code" type="xs:string" minOccurs="0"/>'), ("required", "Code", False)),
        (*element('Code" type="xs:string"/>', 'Code" type="xs:string" nillable="true"/>'), ("required", "Code", False)),
        (*element('Stock" type="xs:int" nillable="true"', 'Stock" type="xs:int"'), ("nillable", "Stock", False)),
        (*element('Active" type="xs:boolean"', 'Active" type="xs:boolean" nillable="true"'), ("nillable", "Active", False)),
        (*element('Active" type="xs:boolean"', 'Active" type="xs:boolean" maxOccurs="unbounded"'), ("retyped", "Active", True)),
        ('<xs:enumeration value="B"/>', '<xs:enumeration value="B"/><xs:enumeration value="C"/>', ("options", "Grade", False)),
        ('<xs:enumeration value="B"/>', "", ("options", "Grade", False)),
        ('<xs:totalDigits value="10"/>', '<xs:totalDigits value="12"/>', ("widened", "Price", True)),
        ('<xs:totalDigits value="10"/>', '<xs:totalDigits value="8"/>', ("retyped", "Price", True)),
        ('elementFormDefault="qualified"', 'elementFormDefault="unqualified"', None),
    ],
)
def test_one_change_of_the_schema_is_one_line_of_its_kind(old: str, new: str, expected: tuple[str, str, bool] | None) -> None:
    changed = SCHEMA.replace(old, new, 1)
    assert changed != SCHEMA
    found = drift(described(), described(schema=changed))
    assert found == ([expected] if expected else [("namespace", "form", True)])


@pytest.mark.parametrize(
    ("old", "new", "kind", "blocks"),
    [
        ('maxLength value="20"', 'maxLength value="30"', "widened", True),
        ('maxLength value="20"', 'maxLength value="10"', "narrowed", True),
        ('<xs:maxLength value="20"/>', "", "widened", True),
    ],
)
def test_a_length_that_grows_is_a_widening_and_one_that_shrinks_a_narrowing(old: str, new: str, kind: str, blocks: bool) -> None:
    limited = SCHEMA.replace('<xs:enumeration value="A"/><xs:enumeration value="B"/>', '<xs:maxLength value="20"/>')
    assert drift(described(schema=limited), described(schema=limited.replace(old, new))) == [(kind, "Grade", blocks)]


def test_a_branch_added_to_a_choice_is_said_beside_the_new_element() -> None:
    before = SCHEMA.replace('<xs:element name="Tag" type="xs:token"', CHOICE)
    after = before.replace('"Lathe" type="xs:string"/>', '"Lathe" type="xs:string"/><xs:element name="Saw" type="xs:string"/>')
    assert drift(described(schema=before), described(schema=after)) == [("choice", "Mill", False), ("added", "Saw", False)]


def test_a_renamed_element_is_named_with_its_old_and_new_name_and_blocks() -> None:
    renamed = SCHEMA.replace('name="Price" type="p:Money"', 'name="Sales_Price" type="p:Money"')
    before = described()
    for found in (changes(before, described(schema=renamed)), compare(promised(before), described(schema=renamed)).changes):
        (change,) = (one for one in found if one.kind == "renamed" and one.path == "Price")
        assert (change.old, change.new, change.blocks) == ("Price", "Sales_Price", True)


def test_a_namespace_that_moved_is_one_line_and_not_one_for_each_element() -> None:
    moved = described(WSDL.replace('"urn:parts"', '"urn:parts:2"'), SCHEMA.replace('"urn:parts"', '"urn:parts:2"'))
    assert drift(described(), moved) == [("namespace", "namespace", True)]


@pytest.mark.parametrize(
    ("old", "new", "expected"),
    [
        ("urn:parts:ReadParts", "urn:parts:Other", ("call", "action", True)),
        ("schemas.xmlsoap.org/wsdl/soap/", "schemas.xmlsoap.org/wsdl/soap12/", ("call", "soap", True)),
        ('<w:output><s:body use="literal"/>', '<w:output><s:body use="encoded"/>', ("call", "use", True)),
        ('example/ws/Parts"/>', 'example/ws/Parts2"/>', ("endpoint", "endpoint", False)),
        (BINDING, POLICY.format(kind="p:Certificate"), ("security", "policy", True)),
        (
            '<w:message name="In">',
            FAULT,
            None,
        ),
        ('<w:service name="Parts">', '<w:service name="Parts2">', ("address", "service", False)),
    ],
)
def test_one_change_of_the_call_is_one_line_of_its_kind(old: str, new: str, expected: tuple[str, str, bool] | None) -> None:
    changed = WSDL.replace(old, new)
    if expected is None:
        changed = changed.replace(
            '<w:output message="t:Out"/></w:operation></w:portType>',
            '<w:output message="t:Out"/><w:fault message="t:Oops"/></w:operation></w:portType>',
        )
    assert changed != WSDL
    assert drift(described(), described(changed)) == [expected or ("headers", "faults", False)]


def test_a_binding_by_another_name_is_a_line_that_stops_nothing() -> None:
    changed = WSDL.replace('"Binding"', '"Other"').replace('"t:Binding"', '"t:Other"')
    assert drift(described(), described(changed)) == [("address", "binding", False)]


def test_a_changed_policy_says_which_assertions_came_and_went() -> None:
    before, after = (described(WSDL.replace(BINDING, POLICY.format(kind=f"p:{kind}"))) for kind in ("HttpBasic", "ClientCertificate"))
    (change,) = changes(before, after)
    assert (change.kind, change.path, change.old, change.new, change.blocks) == (
        "security",
        "policy",
        "HttpBasic",
        "ClientCertificate",
        True,
    )
    (first,) = changes(described(), after)
    assert (first.old, first.new) == ("", "ClientCertificate")


def test_a_policy_whose_details_changed_is_a_line_too() -> None:
    before = described(WSDL.replace(BINDING, POLICY.format(kind="p:HttpBasic")))
    (change,) = changes(before, described(WSDL.replace(BINDING, POLICY.format(kind='p:HttpBasic p:realm="x"'))))
    assert change.kind == "security" and change.old.startswith("HttpBasic #") and change.old != change.new


def test_a_namespace_and_a_form_that_changed_together_are_one_line() -> None:
    schema = SCHEMA.replace('"urn:parts"', '"urn:parts:2"').replace('elementFormDefault="qualified"', "")
    (change,) = changes(described(), described(WSDL.replace('"urn:parts"', '"urn:parts:2"'), schema))
    assert (change.kind, change.old, change.new) == ("namespace", "urn:parts qualified", "urn:parts:2 unqualified")


def identified(wsdl: str) -> Schema:
    return Fake(EMPTY, documents={WSDL_URL: wsdl}).connector().identify(stream())


AS_RPC = WSDL.replace('style="document"', 'style="rpc"').replace('element="p:ReadParts_Result"', 'type="p:Parts"')
GONE = WSDL.replace('operation name="ReadParts"', 'operation name="ReadItems"')


@pytest.mark.parametrize(
    ("changed", "error", "expected"),
    [
        (AS_RPC, AddressUnknown, ("call", "style", "document", "rpc", True)),
        (
            WSDL.replace("https://erp.example/ws/Parts", "http://erp.example/ws/Parts"),
            FixConfiguration,
            ("endpoint", "endpoint", "https://erp.example/ws/Parts", "http://erp.example/ws/Parts", True),
        ),
        (
            WSDL.replace("https://erp.example/ws/Parts", "https://other.example/ws/Parts"),
            FixConfiguration,
            ("endpoint", "endpoint", "https://erp.example/ws/Parts", "https://other.example/ws/Parts", True),
        ),
        (GONE, AddressUnknown, ("call", "operation", "ReadParts", "", True)),
    ],
)
def test_a_change_that_makes_a_stream_undescribable_is_named_all_the_same(
    changed: str, error: type[Exception], expected: tuple[str, str, str, str, bool]
) -> None:
    before = described()
    with pytest.raises(error):
        described(changed)
    found = address(promised(before), identified(changed), facts_of(before))
    assert [(one.kind, one.path, one.old, one.new, one.blocks) for one in found] == [expected]


def test_a_row_that_was_renamed_is_named_though_nothing_of_it_can_be_described() -> None:
    renamed = SCHEMA.replace('name="Part" type', 'name="Item" type')
    seen = Fake(EMPTY, documents={XSD_URL: renamed}).connector().identify(stream())
    found = address(promised(described()), seen, facts_of(described()))
    assert [(one.kind, one.path, one.old, one.new, one.blocks) for one in found] == [("renamed", "rows", "List/Part", "List/Item", True)]


def test_an_endpoint_on_another_host_asks_a_person() -> None:
    before = described()
    fake = Fake(EMPTY).connector(endpoint="https://other.example/ws/Parts").describe(stream())
    assert drift(before, fake) == [("endpoint", "endpoint", True)]


def test_a_header_that_must_be_sent_now_blocks_and_one_that_may_be_does_not() -> None:
    header = '<s:header message="t:In" part="parameters" use="literal"/>'
    optional = WSDL.replace('<w:input><s:body use="literal"/>', f'<w:input><s:body use="literal"/>{header}')
    required = optional.replace("<s:header ", '<s:header w:required="true" ')
    assert drift(described(), described(optional)) == [("headers", "headers", False)]
    assert drift(described(), described(required)) == [("headers", "headers_required", True)]


def test_an_operation_that_is_gone_is_an_unknown_address() -> None:
    with pytest.raises(AddressUnknown, match="ReadItems"):
        described(WSDL.replace('operation name="ReadParts"', 'operation name="ReadItems"'))


def test_words_of_the_documentation_prefixes_and_file_order_are_no_drift() -> None:
    noted = SCHEMA.replace(
        '<xs:element name="ReadParts">',
        '<!-- 2026 --><xs:element name="Extra" type="xs:string"/><xs:element name="ReadParts">'
        "<xs:annotation><xs:documentation>部品</xs:documentation></xs:annotation>",
    )
    assert drift(described(), described(schema=noted)) == []
    after = described(schema=re.sub(r"\bp:(?!/)", "q:", noted).replace("xmlns:p=", "xmlns:q="))
    assert after.fingerprint == described().fingerprint
