"""Arrays of SOAP encoding that say how many items they hold: rows and lines are as many, or nothing of them counts."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from soap_fake import Fake, envelope
from test_soap_captures import ENC, URL, WSDL

from connectors.errors import BrokenReply
from connectors.protocol import Column, Page, Stream, Window
from connectors.soap.arrays import stated_count

ENC_12 = "http://www.w3.org/2003/05/soap-encoding"
LINE = (Column("id", "id", pa.string()),)
LINES = Column("lines", "lines/*", pa.list_(pa.struct([pa.field("id", pa.string())])), children=LINE)
NUMBER = Column("id", "id", pa.string(), required=True)


@pytest.mark.parametrize(
    ("attribute", "said", "count"),
    [
        ("arrayType", "t:line[3]", 3),
        ("arrayType", ":[4]", 4),
        ("arrayType", "xsd:string[2,3]", 6),
        ("arrayType", "xsd:string[,][2]", 2),
        ("arrayType", "xsd:string[ 2 , 3 ]", 6),
        ("arrayType", "xsd:string[]", None),
        ("arrayType", "xsd:string[2][]", None),
        ("arrayType", "xsd:string", None),
        ("arrayType", "xsd:string[x]", None),
        ("arraySize", "3", 3),
        ("arraySize", "2 3", 6),
        ("arraySize", "* 3", None),
    ],
)
def test_the_size_of_an_array_is_read_as_soap_encoding_writes_it(attribute: str, said: str, count: int | None) -> None:
    space = ENC if attribute == "arrayType" else ENC_12
    assert stated_count({f"{space}}}{attribute}": said}) == count
    assert stated_count({f"urn:other}}{attribute}": said}) is None


def page_of(operation: str, rows: str, body: str, *columns: Column, **more: Any) -> Page:
    content = envelope(
        f'<n:{operation}Response xmlns:n="http://www.dolibarr.org/ns/" xmlns:s="{ENC}" xmlns:s12="{ENC_12}"><result><result_code>OK</result_code>'
        f"</result>{body}</n:{operation}Response>"
    )
    source = {"operation": operation, "rows": rows, "ok": {"path": "result/result_code", "values": ["OK"]}, **more}
    (page,) = (
        Fake(content, documents={URL: WSDL}).connector(wsdl=URL).pull(Stream("erp", "x", source, ("id",), (NUMBER, *columns)), Window())
    )
    return page


def parties(said: str, count: int, item: str = "") -> str:
    return f"<thirdparties {said}>{f'<item {item}><id>7</id></item>' * count}</thirdparties>"


def invoice(said: str, *lines: str) -> str:
    return f"<invoice><id>6</id><lines {said}>{''.join(f'<item {one}><id>7</id></item>' for one in lines)}</lines></invoice>"


@pytest.mark.parametrize("said", ['s:arrayType="t:party[400]"', 's12:arraySize="400"', 's:offset="[0]" s:arrayType=":[400]"', ""])
def test_rows_that_are_as_many_as_their_array_says_are_rows(said: str) -> None:
    assert page_of("getListOfThirdParties", "thirdparties/*", parties(said, 400)).rows.num_rows == 400


@pytest.mark.parametrize("said", ['s:arrayType="t:party[401]"', 's12:arraySize="399"'])
def test_rows_that_are_others_than_their_array_says_are_no_reply(said: str) -> None:
    with pytest.raises(BrokenReply) as caught:
        page_of("getListOfThirdParties", "thirdparties/*", parties(said, 400))
    assert caught.value.code == "soap.count_differs"


@pytest.mark.parametrize(("said", "item"), [('s:offset="[2]"', ""), ("", 's:position="[0]"')])
def test_rows_that_are_a_part_of_their_array_are_no_reply(said: str, item: str) -> None:
    with pytest.raises(BrokenReply, match="leaves items out"):
        page_of("getListOfThirdParties", "thirdparties/*", parties(said, 400, item))


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (invoice('s:arrayType="t:line[2]"', ""), "value.count"),
        (invoice('s12:arraySize="2"', ""), "value.count"),
        (invoice('s:arrayType="t:line[1]"'), "value.count"),
        (invoice('s:arrayType="t:line[1]" s:offset="[1]"', ""), "value.partial"),
        (invoice("", 's:position="[3]"'), "value.partial"),
    ],
)
def test_a_row_with_an_array_that_is_not_whole_is_held(body: str, why: str) -> None:
    page = page_of("getInvoice", "invoice", body, LINES)
    assert not page.rows.num_rows and [(one.key, one.column) for one in page.rejects] == [("6", "lines")]
    assert page.rejects[0].reason.startswith(why)
    # Who does not read the lines is not kept from the rest.
    assert page_of("getInvoice", "invoice", body).rows.num_rows == 1


def test_an_array_that_is_nil_or_empty_as_it_says_holds_nothing_back() -> None:
    assert page_of("getInvoice", "invoice", invoice('s:arrayType="t:line[0]"'), LINES).rows.column("lines").to_pylist() == [[]]
    nil = '<invoice><id>6</id><lines s:arrayType="t:line[1]" xsi:nil="true"/></invoice>'
    assert page_of("getInvoice", "invoice", nil, LINES).rows.column("lines").to_pylist() == [None]
