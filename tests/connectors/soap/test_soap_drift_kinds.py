"""The table of drift, kind by kind: one change of a WSDL or its schema, the one line it makes, and whether it breaks the reader."""

from __future__ import annotations

import pytest
from soap_fake import EMPTY, SCHEMA, WSDL, WSDL_URL, Fake, stream
from soap_schemas import XSD_URL, promised, with_parts

from connectors.errors import AddressUnknown, FixConfiguration
from connectors.protocol import Column, Schema
from expectations.drift import address, compare
from expectations.facts import facts_of

#: A line: its kind, where, and whether it ends a pull before a row is written.
Line = tuple[str, str, bool]


def element(name: str, rest: str = "", kind: str = "xs:string") -> str:
    return f'<xs:element name="{name}" type="{kind}"{rest}/>'


ONE = ' minOccurs="0"'
MANY = ' minOccurs="0" maxOccurs="unbounded"'
TEXT = "<xs:simpleType name='{}'><xs:restriction base='xs:string'>{}</xs:restriction></xs:simpleType>"
NUMBER = "<xs:simpleType name='{}'><xs:restriction base='xs:decimal'>{}</xs:restriction></xs:simpleType>"
HEAD = '<xs:element name="Head" type="xs:string"/><xs:element name="Body" type="xs:string" substitutionGroup="p:Head"/>'


def facets(*stated: str, of: str = TEXT) -> str:
    return of.format("Facets", "".join(f"<xs:{one.split('=')[0]} value='{one.split('=')[1]}'/>" for one in stated))


def part_with(inner: str, types: str = "") -> str:
    return with_parts(inner, types)


FIELD = element("F", ONE, "p:Facets")
CHOICE = '<xs:choice><xs:element name="A" type="xs:string"/><xs:element name="B" type="xs:string"/>{}</xs:choice>'
VALUED = (
    '<xs:complexType name="V"><xs:simpleContent><xs:extension base="xs:string"><xs:attribute name="unit" type="xs:string"{}/>'
    "</xs:extension></xs:simpleContent></xs:complexType>"
)
STRUCT = '<xs:complexType name="S"><xs:sequence>{}</xs:sequence></xs:complexType>'
#: What was, what is, and the line: schemas of one kind each.
OF_THE_SCHEMA: dict[str, tuple[str, str, list[Line]]] = {
    "element added at the end": (SCHEMA, part_with(element("Z", ONE)), [("added", "Z", False)]),
    "element added in the middle": (
        SCHEMA,
        SCHEMA.replace('<xs:element name="Since"', element("Z", ONE) + '<xs:element name="Since"'),
        [("added", "Z", False)],
    ),
    "element removed": (part_with(element("Z", ONE)), SCHEMA, [("removed", "Z", True)]),
    "element renamed": (part_with(element("Y", ONE)), part_with(element("Z", ONE)), [("renamed", "Y", True)]),
    "inner element removed": (
        part_with(element("T", ONE, "p:S"), STRUCT.format(element("A") + element("B"))),
        part_with(element("T", ONE, "p:S"), STRUCT.format(element("A"))),
        [("removed", "T.B", True)],
    ),
    "type widened": (part_with(element("Z", ONE, "xs:int")), part_with(element("Z", ONE, "xs:long")), [("widened", "Z", True)]),
    "type narrowed": (part_with(element("Z", ONE, "xs:long")), part_with(element("Z", ONE, "xs:int")), [("retyped", "Z", True)]),
    "type changed": (part_with(element("Z", ONE, "xs:date")), part_with(element("Z", ONE)), [("retyped", "Z", True)]),
    "type changed and read alike": (part_with(element("Z", ONE, "xs:time")), part_with(element("Z", ONE)), [("retyped", "Z", True)]),
    "digits up": (
        part_with(FIELD, facets("totalDigits=8", "fractionDigits=2", of=NUMBER)),
        part_with(FIELD, facets("totalDigits=9", "fractionDigits=2", of=NUMBER)),
        [("widened", "F", True)],
    ),
    "digits down": (
        part_with(FIELD, facets("totalDigits=8", "fractionDigits=2", of=NUMBER)),
        part_with(FIELD, facets("totalDigits=7", "fractionDigits=2", of=NUMBER)),
        [("retyped", "F", True)],
    ),
    "length up": (part_with(FIELD, facets("maxLength=8")), part_with(FIELD, facets("maxLength=9")), [("widened", "F", True)]),
    "length down": (part_with(FIELD, facets("maxLength=8")), part_with(FIELD, facets("maxLength=7")), [("narrowed", "F", True)]),
    "lower length up": (part_with(FIELD, facets("minLength=1")), part_with(FIELD, facets("minLength=2")), [("narrowed", "F", True)]),
    "pattern stated": (part_with(FIELD, facets()), part_with(FIELD, facets("pattern=[A-Z]+")), [("narrowed", "F", True)]),
    "pattern dropped": (part_with(FIELD, facets("pattern=[A-Z]+")), part_with(FIELD, facets()), [("widened", "F", True)]),
    "bound up": (
        part_with(FIELD, facets("maxInclusive=8", of=NUMBER)),
        part_with(FIELD, facets("maxInclusive=9", of=NUMBER)),
        [("widened", "F", True)],
    ),
    "enumeration value added": (
        part_with(FIELD, facets("enumeration=A")),
        part_with(FIELD, facets("enumeration=A", "enumeration=B")),
        [("options", "F", False)],
    ),
    "enumeration value removed": (
        part_with(FIELD, facets("enumeration=A", "enumeration=B")),
        part_with(FIELD, facets("enumeration=A")),
        [("options", "F", False)],
    ),
    "min 0 to 1": (part_with(element("Z", ONE)), part_with(element("Z")), [("required", "Z", False)]),
    "min 1 to 0": (part_with(element("Z")), part_with(element("Z", ONE)), [("required", "Z", False)]),
    "max n to 1": (part_with(element("Z", MANY)), part_with(element("Z", ONE)), [("narrowed", "Z", False)]),
    "max 1 to n": (part_with(element("Z", ONE)), part_with(element("Z", MANY)), [("retyped", "Z", True)]),
    "nillable false to true": (part_with(element("Z", ONE)), part_with(element("Z", ONE + ' nillable="true"')), [("nillable", "Z", False)]),
    "nillable true to false": (part_with(element("Z", ONE + ' nillable="true"')), part_with(element("Z", ONE)), [("nillable", "Z", False)]),
    "required and nillable now": (part_with(element("Z")), part_with(element("Z", ' nillable="true"')), [("required", "Z", False)]),
    "choice branch added": (
        part_with(CHOICE.format("")),
        part_with(CHOICE.format('<xs:element name="C" type="xs:string"/>')),
        [("choice", "A", False), ("added", "C", False)],
    ),
    "default changed": (
        part_with(element("Z", ONE + ' default="a"')),
        part_with(element("Z", ONE + ' default="b"')),
        [("settings", "Z", False)],
    ),
    "fixed value stated": (part_with(element("Z", ONE)), part_with(element("Z", ONE + ' fixed="b"')), [("narrowed", "Z", True)]),
    "attribute optional to required": (
        part_with(element("Z", ONE, "p:V"), VALUED.format("")),
        part_with(element("Z", ONE, "p:V"), VALUED.format(' use="required"')),
        [("required", "Z@unit", False)],
    ),
    "attribute required to optional": (
        part_with(element("Z", ONE, "p:V"), VALUED.format(' use="required"')),
        part_with(element("Z", ONE, "p:V"), VALUED.format("")),
        [("required", "Z@unit", False)],
    ),
    "attribute qualified now": (
        part_with(element("Z", ONE, "p:V"), VALUED.format("")),
        part_with(element("Z", ONE, "p:V"), VALUED.format(' form="qualified"')),
        [("namespace", "Z@unit", True)],
    ),
    "one element of another form": (
        part_with(element("Z", ONE)),
        part_with(element("Z", ONE + ' form="unqualified"')),
        [("namespace", "Z", True)],
    ),
    "substitute added": (
        part_with('<xs:element ref="p:Head" minOccurs="0"/>', HEAD),
        part_with('<xs:element ref="p:Head" minOccurs="0"/>', HEAD + HEAD.replace("Body", "Tail").partition("/>")[2]),
        [("settings", "Head", False)],
    ),
    "form": (SCHEMA, SCHEMA.replace('elementFormDefault="qualified"', ""), [("namespace", "form", True)]),
    "documentation": (
        SCHEMA,
        SCHEMA.replace('name="Opens" type="xs:time" minOccurs="0"/>', 'name="Opens" type="xs:time" minOccurs="0"><xs:annotation/></xs:element>'),
        [],
    ),
    "prefix": (SCHEMA, SCHEMA.replace("xs:", "x:").replace("xmlns:xs", "xmlns:x"), []),
    "an element that nobody reads": (SCHEMA, SCHEMA.replace("</xs:schema>", element("Free") + "</xs:schema>"), []),
}  # fmt: skip
POLICY = '<p:Policy xmlns:p="http://www.w3.org/ns/ws-policy"><p:{}/></p:Policy>'
BINDING = '<w:binding name="Binding" type="t:Port">'
HEADER = '<s:header message="t:In" part="parameters" use="literal"{}/>'
INPUT = '<w:input><s:body use="literal"/>'
OF_THE_CALL: dict[str, tuple[str, str, list[Line]]] = {
    "wrapper renamed": (WSDL, WSDL.replace("p:ReadParts_Result", "p:Answer"), [("call", "output", True)]),
    "style": (WSDL, WSDL.replace('style="document"', 'style="rpc"').replace('element="p:R', 'type="p:Parts" element="p:R'), [("call", "style", True)]),
    "use": (WSDL, WSDL.replace('<w:output><s:body use="literal"/>', '<w:output><s:body use="encoded"/>'), [("call", "use", True)]),
    "soapAction": (WSDL, WSDL.replace("urn:parts:ReadParts", "urn:parts:Other"), [("call", "action", True)]),
    "SOAP version": (WSDL, WSDL.replace("wsdl/soap/", "wsdl/soap12/"), [("call", "soap", True)]),
    "transport": (WSDL, WSDL.replace("schemas.xmlsoap.org/soap/http", "schemas.xmlsoap.org/soap/smtp"), [("call", "transport", True)]),
    "operation removed": (WSDL, WSDL.replace('operation name="ReadParts"', 'operation name="Other"'), [("call", "operation", True)]),
    "endpoint's path": (WSDL, WSDL.replace('ws/Parts"/>', 'ws/Parts2"/>'), [("endpoint", "endpoint", False)]),
    "endpoint's host": (WSDL, WSDL.replace('//erp.example/ws/Parts"/>', '//x.example/ws/Parts"/>'), [("endpoint", "endpoint", True)]),
    "endpoint's scheme": (WSDL, WSDL.replace('https://erp.example/ws/Parts"/>', 'http://erp.example/ws/Parts"/>'), [("endpoint", "endpoint", True)]),
    "policy": (
        WSDL.replace(BINDING, BINDING + POLICY.format("HttpBasic")),
        WSDL.replace(BINDING, BINDING + POLICY.format("Certificate")),
        [("security", "policy", True)],
    ),
    "policy stated": (WSDL, WSDL.replace(BINDING, BINDING + POLICY.format("Certificate")), [("security", "policy", True)]),
    "header added": (WSDL, WSDL.replace(INPUT, INPUT + HEADER.format("")), [("headers", "headers", False)]),
    "header required": (WSDL, WSDL.replace(INPUT, INPUT + HEADER.format(' w:required="true"')), [("headers", "headers_required", True)]),
    "service renamed": (WSDL, WSDL.replace('service name="Parts"', 'service name="P2"'), [("address", "service", False)]),
    "port renamed": (WSDL, WSDL.replace('port name="Port"', 'port name="P2"'), [("address", "port", False)]),
    "binding renamed": (WSDL, WSDL.replace('"Binding"', '"B2"').replace('"t:Binding"', '"t:B2"'), [("address", "binding", False)]),
    "documentation": (WSDL, WSDL.replace("<w:types>", "<w:documentation>2027</w:documentation><w:types>"), []),
}  # fmt: skip


def seen(wsdl: str = WSDL, schema: str = SCHEMA, columns: tuple[Column, ...] = ()) -> Schema:
    """The stream as described, with ``columns`` beside its key; where it can't be, what is said of its address."""
    renamed = SCHEMA.replace(
        "</xs:schema>", SCHEMA[SCHEMA.index('<xs:element name="ReadParts_Result"') :].replace("ReadParts_Result", "Answer")
    )
    connector = Fake(EMPTY, documents={WSDL_URL: wsdl, XSD_URL: renamed if "p:Answer" in wsdl else schema}).connector()
    try:
        return connector.describe(stream(*columns))
    except (AddressUnknown, FixConfiguration):
        return connector.identify(stream())


def lines(before: Schema, after: Schema) -> list[Line]:
    contract, since = promised(before), facts_of(before)
    found = compare(contract, after, since).changes if after.fields else address(contract, after, since)
    return [(one.kind, one.path, one.blocks) for one in found]


@pytest.mark.parametrize("kind", OF_THE_SCHEMA)
def test_a_change_of_the_schema_is_the_line_of_its_kind(kind: str) -> None:
    before, after, expected = OF_THE_SCHEMA[kind]
    assert before != after
    assert lines(seen(schema=before), seen(schema=after)) == expected


@pytest.mark.parametrize("kind", OF_THE_CALL)
def test_a_change_of_the_call_is_the_line_of_its_kind(kind: str) -> None:
    before, after, expected = OF_THE_CALL[kind]
    assert before != after
    assert lines(seen(before), seen(after)) == expected


#: Changes of what a contract states itself: its columns and their types. They stand until the contract says otherwise.
STATED = frozenset(
    {
        "element removed", "element renamed", "inner element removed", "type widened", "type narrowed", "type changed", "digits up",
        "digits down", "max 1 to n",
    }
)  # fmt: skip
#: What leaves nothing to be described: there is no fingerprint to accept it by.
GONE = frozenset({"style", "operation removed", "endpoint's host", "endpoint's scheme"})


def accepted(before: tuple[str, str], after: tuple[str, str]) -> list[Line]:
    """The lines where the contract names the interface as it is now. Documents are a WSDL and its schema."""
    was = seen(*before)
    contract = promised(was)
    columns = tuple(one for one in contract.columns() if one.source != "Code")
    now = seen(*after, columns)
    found = compare(contract, now, facts_of(was)).changes
    # What stops a pull must move the fingerprint, or one that was written long ago would let it through.
    assert now.fields and (seen(*before, columns).fingerprint != now.fingerprint or not any(one.blocks for one in found))
    contract = contract.model_copy(update={"source": {**contract.source, "fingerprint": now.fingerprint}})
    return [(one.kind, one.path, one.blocks) for one in compare(contract, now, facts_of(was)).changes]


@pytest.mark.parametrize("kind", OF_THE_SCHEMA)
def test_a_fingerprint_in_the_contract_lets_through_what_the_contract_does_not_state(kind: str) -> None:
    before, after, expected = OF_THE_SCHEMA[kind]
    assert accepted((WSDL, before), (WSDL, after)) == [(one, path, blocks and kind in STATED) for one, path, blocks in expected]


@pytest.mark.parametrize("kind", sorted(OF_THE_CALL.keys() - GONE))
def test_a_fingerprint_accepts_another_call(kind: str) -> None:
    before, after, expected = OF_THE_CALL[kind]
    assert accepted((before, SCHEMA), (after, SCHEMA)) == [(one, path, False) for one, path, _ in expected]


@pytest.mark.parametrize("kind", sorted(GONE))
def test_what_can_not_be_described_has_no_fingerprint_to_accept_it_by(kind: str) -> None:
    assert not seen(OF_THE_CALL[kind][1]).fingerprint
