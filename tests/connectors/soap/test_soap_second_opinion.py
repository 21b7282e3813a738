"""Replies with lists, structs, attributes and encoded arrays as we read them, as zeep reads them, and as a schema validator judges them.

Where zeep says nothing, that is one of the silences this decoder exists for, and each stands here by name.
"""

from __future__ import annotations

from collections.abc import Mapping
from decimal import Decimal
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape, quoteattr

import pyarrow as pa
import pytest
import xmlschema
from hypothesis import given, settings
from hypothesis import strategies as st
from lxml import etree
from soap_fake import SCHEMA, WSDL, Fake, part, reply
from soap_schemas import described, typed
from soap_zeep import reader
from test_soap_captures import CAPTURES, ENC, URL, bound_operation
from test_soap_captures import WSDL as LIVE_WSDL

from connectors.protocol import Column, LiveField, Stream, Window

PLAIN = st.text(st.characters(codec="utf-8", exclude_categories=["Cc", "Cs", "Cn", "Zs", "Zl", "Zp"]), min_size=1, max_size=8)
NIL = object()


def columns_of(fields: tuple[LiveField, ...]) -> tuple[Column, ...]:
    def column(one: LiveField) -> Column:
        return Column(one.source, one.source, one.type, False, tuple(column(child) for child in one.children))

    return tuple(column(one) for one in fields)


COLUMNS = tuple(one for one in columns_of(described(SCHEMA).fields) if one.source not in ("Key", "Code"))
LINE = st.fixed_dictionaries({"No": st.integers(-5, 2**31 - 1).map(str)}, optional={"Text": PLAIN})
#: A row as texts: absent where a name is missing.
ROW = st.fixed_dictionaries(
    {},
    optional={
        "名称": PLAIN | st.just(NIL),
        "Grade": st.sampled_from(["A", "B"]),
        "Stock": st.integers(-(2**31), 2**31 - 1).map(str) | st.just(NIL),
        "Price": st.tuples(st.decimals(-(10**7), 10**7, places=2).map(str), st.none() | PLAIN),
        "Since": st.dates().map(str),
        "Active": st.sampled_from(["true", "false", "0", "1"]),
        "Place": st.tuples(PLAIN, st.integers(-9, 9).map(str) | st.just(NIL)),
        "Lines": st.lists(LINE, max_size=3),
        "Tag": st.lists(PLAIN, min_size=1, max_size=3),
        "Opens": st.times().map(lambda time: time.replace(microsecond=0).isoformat()),
        "Modified": st.datetimes(allow_imaginary=False).map(lambda moment: f"{moment.replace(microsecond=0).isoformat()}Z"),
    },
)


def element(name: str, text: Any, attributes: str = "") -> str:
    return f'<{name} xsi:nil="true"/>' if text is NIL else f"<{name}{attributes}>{escape(text)}</{name}>"


def written(row: Mapping[str, Any]) -> str:
    """The elements of a row in the schema's order."""
    made: list[str] = []
    for name in ("名称", "Grade", "Stock", "Price", "Since", "Active", "Place", "Lines", "Tag", "Opens", "Modified"):
        value = row.get(name)
        if value is None:
            continue
        if name == "Price":
            made.append(element("Price", value[0], "" if value[1] is None else f" currency={quoteattr(value[1])}"))
        elif name == "Place":
            made.append(f"<Place>{element('City', value[0])}{element('Shelf', value[1])}</Place>")
        elif name == "Lines":
            lines = "".join(
                "<Line>" + "".join(element(key, line[key]) for key in ("No", "Text") if key in line) + "</Line>" for line in value
            )
            made.append(f"<Lines>{lines}</Lines>")
        else:
            made += [element(name, one) for one in value] if name == "Tag" else [element(name, value)]
    return "".join(made)


ZEEP = reader({"Parts?wsdl": WSDL.encode(), "Parts?xsd=parts.xsd": SCHEMA.encode()}, "ReadParts")
VALID = xmlschema.XMLSchema(SCHEMA)


def as_zeep_has_it(row: Mapping[str, Any]) -> dict[str, Any]:
    """A row of zeep's in our columns. A wrapper that is absent and one that is empty are one to zeep."""
    price, lines = row["Price"] or {"_value_1": None, "currency": None}, row["Lines"]
    return {
        **{name: row[name] for name in ("名称", "Grade", "Stock", "Since", "Active", "Modified")},
        "Price": price["_value_1"],
        "Price@currency": price["currency"],
        "Place": row["Place"],
        "Lines/Line": [dict(line) for line in lines["Line"]] if lines else [],
        "Tag": row["Tag"] or [],
        "Opens": row["Opens"].isoformat() if row["Opens"] else None,
    }


def as_we_have_it(row: Mapping[str, Any]) -> dict[str, Any]:
    return {**row, "Lines/Line": row["Lines/Line"] or [], "Tag": row["Tag"] or []}


@settings(max_examples=60)
@given(st.lists(ROW, min_size=1, max_size=3))
def test_lists_structs_and_attributes_are_what_zeep_reads_and_what_the_schema_allows(rows: list[dict[str, Any]]) -> None:
    content = reply(*(part(f"A{number}", written(row)) for number, row in enumerate(rows)))
    body = etree.fromstring(content)[0][0]
    assert VALID.is_valid(etree.tostring(body, encoding="unicode"))
    other = ZEEP(content)
    assert not isinstance(other, Exception)
    theirs = [as_zeep_has_it(row) for row in other["List"]["Part"]]
    for arrays in (True, False):
        mine, rejects = typed(SCHEMA, COLUMNS, *map(written, rows), arrays=arrays)
        assert rejects == [] and [as_we_have_it(row) for row in mine] == theirs
    for row, told in zip(mine, rows, strict=True):
        # What zeep can't tell apart: no wrapper is null, an empty one is an empty list.
        assert (row["Lines/Line"] is None) is ("Lines" not in told)


@pytest.mark.parametrize(
    "broken",
    [
        "<Stock>1,5</Stock>",
        "<Since>2026/11/01</Since>",
        "<Active>Yes</Active>",
        "<Grade>C</Grade>",
        "<Place><City>x</City><Shelf>40000</Shelf></Place>",
        "<Lines><Line><No>1</No></Line><Line><No>eins</No></Line></Lines>",
        "<Price>1.005</Price>",
    ],
)
def test_what_the_schema_refuses_is_held_here_and_is_nothing_or_anything_to_zeep(broken: str) -> None:
    content = reply(part("A", broken))
    assert not VALID.is_valid(etree.tostring(etree.fromstring(content)[0][0], encoding="unicode"))
    # zeep's strict mode lets it pass: a value of its own making, or None.
    assert not isinstance(ZEEP(content), Exception)
    for arrays in (True, False):
        assert [len(found) for found in typed(SCHEMA, COLUMNS, broken, arrays=arrays)] == [0, 1]


LIVE = pytest.mark.skipif(not CAPTURES.is_dir(), reason="the captured replies are not beside this repository (shared/data/soap-captures)")
XSI_TYPE = "{http://www.w3.org/2001/XMLSchema-instance}type"
XSI_NIL = "{http://www.w3.org/2001/XMLSchema-instance}nil"


def contract_for(capture: Path, operation: str, name: str, *, array: bool) -> str:
    """A contract that declares what a captured reply has: elements and types as the reply itself names them."""
    answer = etree.fromstring(capture.read_bytes())[0][0].find(name)
    types: dict[str, dict[str, str]] = {}

    def struct(node: Any, called: str) -> str:
        have = types.setdefault(called, {})
        for child in node:
            said = child.get(XSI_TYPE, "xsd:string")
            if len(child) and said.endswith(":Array"):
                have[child.tag] = f"t:{child.tag}"
                types[f"{child.tag}[]"] = {"": struct(child[0], child[0].get(XSI_TYPE).partition(":")[2])}
                continue
            have[child.tag] = "x:string" if said == "xsd:" else said.replace("xsd:", "x:")
        return called

    if array:
        types[f"{name}[]"] = {"": struct(answer[0], "row")}
    else:
        struct(answer, name)
    made = ""
    for called, members in types.items():
        if called.endswith("[]"):
            made += (
                f'<x:complexType name="{called[:-2]}"><x:complexContent><x:restriction base="e:Array"><x:attribute ref="e:arrayType" '
                f'wsdl:arrayType="t:{members[""]}[]"/></x:restriction></x:complexContent></x:complexType>'
            )
        else:
            inner = "".join(f'<x:element name="{tag}" type="{kind}" nillable="true" minOccurs="0"/>' for tag, kind in members.items())
            made += f'<x:complexType name="{called}"><x:all>{inner}</x:all></x:complexType>'
    message, port, bound = bound_operation(operation, name, name)
    result = '<x:element name="result_code" type="x:string"/><x:element name="result_label" type="x:string"/>'
    return f"""<definitions xmlns="http://schemas.xmlsoap.org/wsdl/" xmlns:wsdl="http://schemas.xmlsoap.org/wsdl/" xmlns:s="http://schemas.xmlsoap.org/wsdl/soap/"
 xmlns:x="http://www.w3.org/2001/XMLSchema" xmlns:e="{ENC}" xmlns:t="http://www.dolibarr.org/ns/" targetNamespace="http://www.dolibarr.org/ns/">
<types><x:schema targetNamespace="http://www.dolibarr.org/ns/"><x:import namespace="{ENC}"/>
<x:complexType name="authentication"><x:all><x:element name="login" type="x:string"/></x:all></x:complexType>
<x:complexType name="result"><x:all>{result}</x:all></x:complexType>{made}</x:schema></types>{message}<portType name="P">{port}</portType>
<binding name="B" type="t:P"><s:binding style="rpc" transport="http://schemas.xmlsoap.org/soap/http"/>{bound}</binding>
<service name="S"><port name="P" binding="t:B"><s:address location="https://php.example/webservices/server.php"/></port></service></definitions>"""


def read_both(capture: str, operation: str, name: str, *, array: bool) -> tuple[list[dict[str, Any]], Any]:
    """The rows of a capture as we have them, every column of the contract, and what zeep has."""
    path = CAPTURES / capture
    wsdl = contract_for(path, operation, name, array=array)
    source = {"operation": operation, "rows": f"{name}/*" if array else name, "empty_as_null": True}
    connector = Fake(path.read_bytes(), documents={URL: wsdl}).connector(wsdl=URL)
    key = Column("id", "id", pa.string(), required=True)
    live = connector.describe(Stream("erp", "rows", source, ("id",), (key,)))
    columns = (key, *(one for one in columns_of(live.fields) if one.source != "id"))
    (page,) = connector.pull(Stream("erp", "rows", source, ("id",), columns), Window())
    assert page.rejects == ()
    rows = [{name: row[name] for name in (column.name for column in columns)} for row in page.rows.to_pylist()]
    documents = {"server.php?wsdl": wsdl.encode(), "soap/encoding/": (CAPTURES / "soap-enc.xsd").read_bytes()}
    return rows, reader(documents, operation)(path.read_bytes())


def alike(mine: Any, other: Any) -> bool:
    """An empty text is a text to us and nothing to zeep; a double is a number either way."""
    if mine == "":
        return other is None
    return mine == (float(other) if isinstance(other, Decimal) else other)


@LIVE
def test_a_captured_invoice_with_its_lines_is_column_for_column_what_zeep_reads() -> None:
    (mine,), other = read_both("inv_get.res.xml", "getInvoice", "invoice", array=False)
    theirs = other["invoice"]
    assert len(mine) == len(theirs) >= 20
    lines = mine.pop("lines/*")
    assert all(alike(value, theirs[name]) for name, value in mine.items())
    assert len(lines) == len(theirs["lines"]) == 2
    for line, known in zip(lines, theirs["lines"], strict=True):
        assert line.keys() == known.keys() and all(alike(value, known[name]) for name, value in line.items())


@LIVE
def test_a_captured_list_is_text_for_text_what_its_bytes_say_where_zeep_has_no_value_of_it() -> None:
    mine, other = read_both("tp_list.res.xml", "getListOfThirdParties", "thirdparties", array=True)
    # The item's type is "xsd:": zeep makes the white space before its first element of each row.
    assert len(mine) == 4 and all(not str(one).strip() for one in other["thirdparties"])
    bytes_ = etree.fromstring((CAPTURES / "tp_list.res.xml").read_bytes())[0][0].find("thirdparties")
    said = [{child.tag: None if child.get(XSI_NIL) == "true" else child.text or "" for child in item} for item in bytes_]
    assert mine == said


@LIVE
def test_a_database_error_inside_of_a_good_reply_is_an_empty_list_to_zeep() -> None:
    documents = {"server.php?wsdl": LIVE_WSDL.encode(), "soap/encoding/": (CAPTURES / "soap-enc.xsd").read_bytes()}
    other = reader(documents, "getInvoicesForThirdParty")((CAPTURES / "inv_list.res.xml").read_bytes())
    assert other["invoices"] == [] and other["result"]["result_code"].startswith("DB_ERROR")
