"""What a contract leaves unsaid or says in other words is named: types that are none, digits, open content, addressing by policy."""

from __future__ import annotations

from datetime import date

import pyarrow as pa
import pytest
from soap_fake import EMPTY, SCHEMA, WSDL, WSDL_URL, Fake, part, reply
from soap_schemas import XSD_URL, contract, typed, with_parts

from connectors.protocol import Column
from connectors.soap.components import XSD, Broken
from connectors.soap.wsdl import in_words

ADDRESSING = "http://www.w3.org/2007/05/addressing/metadata"
POLICY = "http://www.w3.org/ns/ws-policy"


def notes(schema: str) -> str:
    offer = next(Fake(EMPTY, documents={WSDL_URL: WSDL, XSD_URL: schema}).connector().discover())
    return "\n".join(offer.notes)


@pytest.mark.parametrize("name", ["strng", "Int", ""])
def test_a_name_that_xml_schema_does_not_have_is_no_text(name: str) -> None:
    found = contract(SCHEMA.replace('name="Code" type="xs:string"', f'name="Code" type="xs:{name}"'))
    assert found.broken == {"ReadParts": Broken("no_type", "type", f"{{{XSD}}}{name}")}


@pytest.mark.parametrize(
    ("old", "new", "broken", "said"),
    [
        ('message="t:Out"', 'message="t:Gone"', Broken("missing", "message", "{urn:parts:service}Gone"), "not defined"),
        ('message="t:Out"', 'message="x:Out"', Broken("prefix", "name", "x:Out"), "no namespace"),
        ('<w:output message="t:Out"/>', "", Broken("one_way", "output", "ReadParts"), "has no output"),
        ('<w:operation name="ReadParts"><w:input message', '<w:operation name="Other"><w:input message', Broken("unbound", "operation", "ReadParts"), "portType"),
        ('element="p:ReadParts_Result"', 'type="p:Parts"', Broken("not_one", "output", "ReadParts"), "one element"),
        ('element="p:ReadParts_Result"', 'element="p:Nothing"', Broken("missing", "element", "{urn:parts}Nothing"), "not defined"),
    ],
)  # fmt: skip
def test_an_operation_in_pieces_says_what_is_wrong_with_which_thing(old: str, new: str, broken: Broken, said: str) -> None:
    assert WSDL.count(old) == 1
    found = contract(SCHEMA, WSDL.replace(old, new))
    assert found.broken == {"ReadParts": broken}
    assert said in in_words(broken) and in_words(broken).say("ja") != str(in_words(broken))


@pytest.mark.parametrize(
    ("builtin", "kind", "text", "value"),
    [
        ("gYearMonth", pa.date32(), "2026-11", date(2026, 11, 1)),
        ("gYearMonth", pa.date32(), "2026-13", None),
        ("gYearMonth", pa.date32(), "2026-11+09:00", None),
        ("duration", pa.int64(), "P1DT2H3M4.5S", 93784500000),
        ("duration", pa.int64(), "-PT0.000001S", -1),
        ("duration", pa.int64(), "P1M", None),
        ("duration", pa.int64(), "PT", None),
        ("duration", pa.int64(), "P", None),
        ("duration", pa.int64(), "PT0.0000001S", None),
        ("dayTimeDuration", pa.int64(), "PT90M", 5400000000),
        ("dayTimeDuration", pa.string(), "PT90M", "PT90M"),
        ("dayTimeDuration", pa.string(), "P1Y", None),
        ("yearMonthDuration", pa.string(), "P1Y2M", "P1Y2M"),
        ("yearMonthDuration", pa.string(), "P1D", None),
    ],
)
def test_a_month_and_a_length_of_time_become_what_the_contract_declares(builtin: str, kind: pa.DataType, text: str, value: object) -> None:
    schema = with_parts(f'<xs:element name="It" type="xs:{builtin}" minOccurs="0"/>')
    rows, rejects = typed(schema, (Column("it", "It", kind),), f"<It>{text}</It>", arrays=True)
    assert rows == [{"it": value}] if value is not None else not rows and "It" in rejects[0].reason


def test_a_decimal_without_digits_is_said_to_be_a_guess() -> None:
    said = notes(with_parts('<xs:element name="Amount" type="xs:decimal" minOccurs="0"/>'))
    assert "no digits are stated for Amount:" in said
    assert "no digits" not in notes(SCHEMA)


def test_the_digits_of_a_first_page_suggest_a_type_with_room() -> None:
    schema = with_parts(
        '<xs:element name="Amount" type="xs:decimal" minOccurs="0"/><xs:element name="Pieces" type="xs:integer" minOccurs="0"/>'
    )
    rows = [
        part("A", "<Amount>-0012345.5000</Amount>"),
        part("B", "<Amount>1.25</Amount><Pieces>+700</Pieces>"),
        part("C", "<Amount>n/a</Amount><Odd>n/a</Odd>"),
    ]
    fake = Fake(reply(*rows), documents={WSDL_URL: WSDL, XSD_URL: schema})
    said = "\n".join(next(iter(fake.connector().discover())).notes)
    assert "Amount: 5 before and 2 after the point, decimal128(13, 4)" in said
    assert "Pieces: 3 before and 0 after the point, decimal128(7, 0)" in said
    assert "Odd:" not in said.partition("digits in the first rows")[2]
    assert any("setSize>100<" in one for one in fake.asked)


def test_nothing_is_read_for_digits_where_a_page_can_not_be_kept_small() -> None:
    schema = with_parts('<xs:element name="Amount" type="xs:decimal" minOccurs="0"/>').replace('name="setSize"', 'name="colour"')
    fake = Fake(EMPTY, documents={WSDL_URL: WSDL, XSD_URL: schema})
    said = "\n".join(next(iter(fake.connector().discover())).notes)
    assert "no digits are stated for Amount" in said and "digits in the first rows" not in said


def test_what_no_column_shows_is_named_with_its_reason() -> None:
    said = notes(
        with_parts(
            '<xs:element name="Tree" type="p:Tree" minOccurs="0"/><xs:element name="Loose" type="p:Loose" minOccurs="0"/>'
            '<xs:element name="Anything" minOccurs="0"/><xs:element name="Prose" type="p:Prose" minOccurs="0"/>',
            '<xs:complexType name="Tree"><xs:sequence><xs:element name="No" type="xs:int"/><xs:element name="Below" type="p:Tree" minOccurs="0"/>'
            '</xs:sequence></xs:complexType><xs:complexType name="Loose"><xs:sequence><xs:element name="No" type="xs:int"/><xs:any/></xs:sequence>'
            '</xs:complexType><xs:complexType name="Prose" mixed="true"><xs:sequence><xs:element name="Bold" type="xs:string"/></xs:sequence>'
            "</xs:complexType>",
        )
    )
    for named in ("Tree/Below (recursive", "Loose (xsd:any", "Anything (xsd:anyType", "Prose (mixed content"):
        assert named in said
    assert "not among the columns" not in notes(SCHEMA)


@pytest.mark.parametrize("referred", [False, True])
def test_addressing_that_a_policy_asks_for_is_asked_for(referred: bool) -> None:
    policy = f'<y:Policy xmlns:y="{POLICY}" Name="one"><y:All><a:Addressing xmlns:a="{ADDRESSING}"/></y:All></y:Policy>'
    at = f'<y:PolicyReference xmlns:y="{POLICY}" URI="#one"/>' if referred else policy
    wsdl = WSDL.replace('type="t:Port"><s:binding', f'type="t:Port">{at}<s:binding')
    if referred:
        wsdl = wsdl.replace("<w:types>", policy + "<w:types>")
    assert contract(SCHEMA, wsdl).operations["ReadParts"].addressing == "urn:parts:service:Port:ReadPartsRequest"
    other = wsdl.replace(ADDRESSING, "urn:something/else")
    assert contract(SCHEMA, other).operations["ReadParts"].addressing == ""
