"""Reading contracts: the confined resolver, components, XSD types as Arrow types, the two fingerprints."""

from __future__ import annotations

import re
from pathlib import Path

import pyarrow as pa
import pytest
from soap_fake import EMPTY, SCHEMA, WSDL, WSDL_URL, Fake, stream

from connectors.errors import AddressUnknown, BrokenReply, FixConfiguration
from connectors.protocol import Column, Schema
from connectors.soap.bundle import confined, load
from connectors.soap.components import SimpleType
from connectors.soap.schema import arrow_type

PRICE = Column("price", "Price", pa.decimal128(10, 2))


def described(*columns: Column, wsdl: str = WSDL, schema: str = SCHEMA, documents: dict[str, str] | None = None) -> Schema:
    fake = Fake(EMPTY, documents={WSDL_URL: wsdl, "https://erp.example/ws/Parts?xsd=parts.xsd": schema, **(documents or {})})
    return fake.connector().describe(stream(*columns))


def test_the_row_is_described_with_types_facets_and_nesting() -> None:
    fields = {field.source: field for field in described().fields}
    assert fields["Key"].required and not fields["名称"].required
    assert fields["Price"].type == pa.decimal128(10, 2) and fields["Price@currency"].type == pa.string()
    assert fields["Grade"].facets["options"] == ("A", "B")
    assert fields["Stock"].facets["nillable"] is True
    assert fields["Place"].type == pa.struct([("City", pa.string()), ("Shelf", pa.int16())])
    assert fields["Lines/Line"].type == pa.list_(pa.struct([("No", pa.int32()), ("Text", pa.string())]))
    assert fields["Tag"].type == pa.list_(pa.string())
    assert fields["Opens"].type == pa.string() and fields["Opens"].vendor_type == "xsd:time"
    assert fields["Modified"].type == pa.timestamp("us", "UTC")


@pytest.mark.parametrize(
    ("builtin", "facets", "expected"),
    [
        ("decimal", {"totalDigits": "18", "fractionDigits": "4"}, pa.decimal128(18, 4)),
        ("decimal", {}, pa.decimal128(38, 10)),
        ("decimal", {"totalDigits": "8"}, pa.decimal128(16, 8)),
        ("integer", {"totalDigits": "12"}, pa.int64()),
        ("integer", {"totalDigits": "20"}, pa.decimal128(20, 0)),
        ("unsignedLong", {}, pa.decimal128(20, 0)),
        ("unsignedShort", {}, pa.int32()),
        ("byte", {}, pa.int8()),
        ("float", {}, pa.float32()),
        ("hexBinary", {}, pa.binary()),
        ("time", {}, pa.string()),
        ("NMTOKENS", {}, pa.list_(pa.string())),
    ],
)
def test_each_built_in_has_its_arrow_type(builtin: str, facets: dict[str, str], expected: pa.DataType) -> None:
    assert arrow_type(SimpleType("x", builtin, facets)) == expected


def test_the_same_contract_with_other_prefixes_order_comments_and_files_has_the_same_fingerprints() -> None:
    types = re.findall(r"<xs:(?:simple|complex)Type name=.*?</xs:(?:simple|complex)Type>\n(?=<xs:)", SCHEMA, flags=re.DOTALL)
    moved = types[0] + types[1]
    rest = SCHEMA.replace(types[0], "").replace(types[1], "")
    opening = re.match(r"<xs:schema[^>]*>", rest)
    assert opening is not None
    included = opening.group(0) + moved + "</xs:schema>"
    last = rest[rest.index('<xs:element name="ReadParts"') : rest.index("</xs:schema>")]
    shuffled = (
        opening.group(0)
        + '<xs:include schemaLocation="Parts?xsd=base.xsd"/><!-- 注 -->'
        + last
        + rest[opening.end() : rest.index(last)]
        + "</xs:schema>"
    )
    other = re.sub(r"\bp:(?!/)", "q:", shuffled.replace("xs:", "schema:").replace("xmlns:xs", "xmlns:schema")).replace(
        "xmlns:p=", "xmlns:q="
    )
    wsdl = WSDL.replace("w:", "").replace("xmlns:w=", "xmlns=").replace("<types>", "<documentation>改版</documentation><types>")
    before = described(PRICE)
    after = described(PRICE, wsdl=wsdl, schema=other, documents={"https://erp.example/ws/Parts?xsd=base.xsd": included})
    assert after.fingerprint == before.fingerprint
    assert after.revision == before.revision


@pytest.mark.parametrize(
    ("old", "new"),
    [
        ('<xs:totalDigits value="10"/>', '<xs:totalDigits value="12"/>'),
        ('<xs:element name="Code" type="xs:string"/>', '<xs:element name="Code" type="xs:string" nillable="true"/>'),
        ('<xs:element name="Code" type="xs:string"/>', '<xs:element name="Code" type="xs:string" minOccurs="0"/>'),
        ('elementFormDefault="qualified"', 'elementFormDefault="unqualified"'),
    ],
)
def test_a_change_to_a_selected_column_changes_both_fingerprints(old: str, new: str) -> None:
    before, after = described(PRICE), described(PRICE, schema=SCHEMA.replace(old, new, 1))
    assert after.fingerprint != before.fingerprint
    assert after.revision != before.revision


def test_the_soap_action_belongs_to_the_reader() -> None:
    assert described(PRICE, wsdl=WSDL.replace("urn:parts:ReadParts", "urn:parts:Other")).fingerprint != described(PRICE).fingerprint


def test_an_element_nobody_selected_changes_the_contract_and_not_the_reader() -> None:
    added = SCHEMA.replace('<xs:element name="Since"', '<xs:element name="Eco" type="xs:string" minOccurs="0"/><xs:element name="Since"')
    before, after = described(PRICE), described(PRICE, schema=added)
    assert after.fingerprint == before.fingerprint
    assert after.revision != before.revision


def test_a_moved_endpoint_changes_the_identity_and_no_fingerprint() -> None:
    before, after = described(PRICE), described(PRICE, wsdl=WSDL.replace("example/ws/Parts", "example/ws/Elsewhere"))
    assert (after.fingerprint, after.revision) == (before.fingerprint, before.revision)
    assert after.identity["endpoint"] == "https://erp.example/ws/Elsewhere" != before.identity["endpoint"]


def test_an_offer_has_the_fingerprint_of_a_stream_with_all_its_columns() -> None:
    offer = next(Fake(EMPTY).connector().discover())
    columns = tuple(Column(one.source, one.source, one.type) for one in offer.schema.fields)
    whole = described(*(one for one in columns if one.source != "Code"))
    assert whole.fingerprint == offer.schema.fingerprint


def test_a_selected_element_that_was_renamed_is_no_longer_in_the_row_and_changes_the_reader() -> None:
    after = described(PRICE, schema=SCHEMA.replace('name="Price" type="p:Money"', 'name="Sales_Price" type="p:Money"'))
    assert after.fingerprint != described(PRICE).fingerprint
    sources = {one.source for one in after.fields}
    assert "Sales_Price" in sources and "Price" not in sources


def test_a_column_inside_of_a_part_is_described_beside_the_part() -> None:
    shelf = {one.source: one for one in described(Column("shelf", "Place/Shelf", pa.int16())).fields}["Place/Shelf"]
    assert shelf.type == pa.int16() and not shelf.required


def test_an_operation_that_is_not_there_names_the_ones_that_are() -> None:
    with pytest.raises(AddressUnknown, match="ReadParts"):
        Fake(EMPTY).connector().describe(stream(operation="ReadItems"))


def test_a_row_path_that_is_not_there_names_the_step() -> None:
    with pytest.raises(AddressUnknown, match=r"no List/Item: there is no Item \(there are: Part\)"):
        Fake(EMPTY).connector().describe(stream(rows="List/Item"))


@pytest.mark.parametrize(
    ("reference", "why"),
    [
        ("https://elsewhere.example/parts.xsd", "another host"),
        ("http://erp.example/ws/parts.xsd", "another host or scheme"),
        ("https://erp.example:8443/ws/parts.xsd", "another host"),
        ("https://erp.example@elsewhere.example/parts.xsd", "another host"),
        ("file:///etc/passwd", "another host or scheme"),
        ("../../etc/parts.xsd", "climbs out"),
        ("%2e%2e/parts.xsd", "climbs out"),
    ],
)
def test_an_import_from_outside_is_refused_before_it_is_opened(reference: str, why: str) -> None:
    fake = Fake(EMPTY, documents={WSDL_URL: WSDL.replace("Parts?xsd=parts.xsd", reference)})
    with pytest.raises(FixConfiguration, match=why):
        fake.connector().describe(stream())
    assert fake.fetched == [WSDL_URL]


def test_an_import_below_the_contract_is_followed() -> None:
    assert confined(WSDL_URL, WSDL_URL, "types/../types/a.xsd") == "https://erp.example/ws/types/a.xsd"


@pytest.mark.parametrize(
    ("wsdl", "why"),
    [
        ("<html><body>ログイン</body></html>", "neither a WSDL"),
        (WSDL[: len(WSDL) // 2], "line"),
        ('<!DOCTYPE x [<!ENTITY a "b">]>' + WSDL, "DOCTYPE"),
        ("<a>" * 300 + "</a>" * 300, "nested more than"),
        (WSDL.replace('binding="t:Binding"', 'binding="t:Missing"'), "Missing"),
        (WSDL.replace("<w:service", "<w:other").replace("</w:service", "</w:other"), "no port"),
    ],
)
def test_an_unreadable_contract_is_one_sentence(wsdl: str, why: str) -> None:
    with pytest.raises(BrokenReply, match=why) as caught:
        described(wsdl=wsdl)
    assert caught.value.code == "soap.wsdl_unreadable" and "\n" not in str(caught.value)


def test_a_type_that_nobody_defines_breaks_only_the_operations_that_need_it() -> None:
    health = (
        Fake(
            EMPTY,
            documents={
                "https://erp.example/ws/Parts?xsd=parts.xsd": SCHEMA.replace('name="Line"><xs:sequence>', 'name="Lin"><xs:sequence>')
            },
        )
        .connector()
        .check()
    )
    assert ("operation ReadParts", True) in [(name, good) for name, good, _ in health.probes]


def test_a_bundle_is_kept_with_its_hashes_and_a_changed_copy_is_refused(tmp_path: Path) -> None:
    Fake(EMPTY).connector(bundle_dir=tmp_path).describe(stream())
    (folder,) = (one for one in tmp_path.iterdir() if one.is_dir())
    bundle = load(folder)
    assert [document.url for document in bundle.documents] == [WSDL_URL, "https://erp.example/ws/Parts?xsd=parts.xsd"]
    (folder / "0001.xml").write_text(SCHEMA.replace("Stock", "Stack"), encoding="utf-8")
    with pytest.raises(FixConfiguration, match="changed after it was saved"):
        load(folder)


def test_credentials_do_not_follow_an_address_on_another_host() -> None:
    wsdl = WSDL.replace('location="https://erp.example', 'location="https://inner.example')
    fake = Fake(EMPTY, documents={WSDL_URL: wsdl})
    with pytest.raises(FixConfiguration, match=r"inner\.example"):
        fake.connector().describe(stream())
    assert fake.connector(endpoint="https://erp.example/ws/Parts").describe(stream()).identity["endpoint"] == "https://erp.example/ws/Parts"
    assert fake.asked == []
