"""Replies of SOAP encoding with references: however one is written, its value is the one that it names, or the reply is none."""

from __future__ import annotations

from typing import Any
from xml.sax.saxutils import escape

import httpx
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from soap_fake import CODE, SCHEMA, WSDL, WSDL_URL, Fake, envelope, part
from soap_multipart import TYPE, XSD_URL, multipart, piece

from connectors.errors import BrokenReply
from connectors.protocol import Column, Page, Stream, Window

ENCODED = (
    WSDL.replace('element="p:ReadParts"', 'type="p:Ask"')
    .replace('element="p:ReadParts_Result"', 'type="p:Parts"')
    .replace('style="document"', 'style="rpc"')
    .replace('use="literal"', 'use="encoded" namespace="urn:rpc"')
    .replace('name="parameters" type="p:Ask"', 'name="ask" type="p:Filter"')
    .replace('name="parameters" type="p:Parts"', 'name="parts" type="p:Parts"')
)
PLAIN = SCHEMA.replace('elementFormDefault="qualified"', "").replace(
    '<xs:complexType name="Parts">',
    '<xs:complexType name="Bought"><xs:complexContent><xs:extension base="p:Part"><xs:sequence><xs:element name="Sort" type="xs:QName"/>'
    '</xs:sequence></xs:extension></xs:complexContent></xs:complexType><xs:complexType name="Parts">',
)
NAME = Column("name", "名称", pa.string())
OWN = '<Part><Key>k-A</Key><Code>A</Code><名称 href="#n"/></Part>'


def rpc(*parts: str, before: str = "", behind: str = "", encoding: str = "utf-8") -> str:
    answer = f'<r:ReadPartsResponse xmlns:r="urn:rpc"><parts>{"".join(parts)}</parts></r:ReadPartsResponse>'
    return envelope(before + answer + behind, head=f'<?xml version="1.0" encoding="{encoding}"?>').decode()


def read(content: bytes, *columns: Column, kind: str = "text/xml") -> Page:
    fake = Fake(httpx.Response(200, content=content, headers={"Content-Type": kind}), documents={WSDL_URL: ENCODED, XSD_URL: PLAIN})
    source = {"operation": "ReadParts", "rows": "parts/Part", "arguments": {"ask": {"Field": "Code", "Criteria": "A"}}}
    (page,) = fake.connector().pull(Stream("erp", "parts", source, ("code",), (CODE, *columns)), Window())
    return page


def values(page: Page, *names: str) -> list[tuple[Any, ...]]:
    return list(zip(*(page.rows.column(name).to_pylist() for name in names), strict=True))


@pytest.mark.parametrize("encoding", ["Shift_JIS", "Windows-31J", "utf-16", "EUC-JP"])
def test_a_value_that_stands_elsewhere_is_the_same_text_in_every_encoding(encoding: str) -> None:
    text = r"C:\temp~ 髙①" if encoding != "EUC-JP" else r"C:\temp~ 日本"
    codec = "cp932" if encoding in ("Shift_JIS", "Windows-31J") else encoding
    content = rpc(OWN, behind=f'<m id="n">{text}</m>', encoding=encoding).encode(codec)
    assert values(read(content, NAME), "code", "name") == [("A", text)]


def test_the_encoding_that_http_alone_names_holds_for_references_too() -> None:
    content = rpc(OWN, behind=r'<m id="n">\日本</m>').partition("?>")[2].encode("cp932")
    assert values(read(content, NAME, kind="text/xml; charset=Shift_JIS"), "name") == [("\\日本",)]


def test_utf_8_that_is_declared_shift_jis_is_refused_with_references_too() -> None:
    content = rpc(OWN, behind='<m id="n">日本語</m>', encoding="Shift_JIS").encode()
    with pytest.raises(BrokenReply, match="Shift_JIS|cp932"):
        read(content, NAME)


@pytest.mark.parametrize(
    ("body", "text"),
    [
        (rpc(OWN.replace('href="#n"', 'href = "#n"'), behind='<m id="n">A</m>'), "A"),
        (rpc(OWN.replace('"#n"', '"&#35;n"'), behind='<m id="n">A</m>'), "A"),
        (rpc(OWN, before='<m id="n">A</m>'), "A"),
        (rpc(OWN, behind='<m id="n">A</m>').replace("<r:Read", "<!-- told --><r:Read"), "A"),
        (rpc(OWN, behind='<m id="n">A</m>').replace("<e:Body", "<!-- told --><?pi told?><e:Body"), "A"),
        (rpc(OWN, behind='<m id="n">A<!-- told -->B</m>'), "AB"),
        (rpc(OWN, behind='<m id="n" href="#o"/><m id="o">A</m>'), "A"),
        (rpc(OWN, behind='<m id="n" xsi:nil="true"/>'), None),
    ],
)
def test_a_reference_is_followed_however_it_is_written(body: str, text: str | None) -> None:
    assert values(read(body.encode(), NAME), "name") == [(text,)]


@pytest.mark.parametrize(
    ("body", "why"),
    [
        (rpc(OWN.replace("#n", "https://elsewhere.example/n")), "does not stand in the Envelope"),
        (rpc(OWN.replace("#n", "cid:n")), "does not stand in the Envelope"),
        (rpc(OWN.replace("/></Part>", ">mine</名称></Part>"), behind='<m id="n">A</m>'), "a value of its own"),
        (rpc(OWN, behind='<m id="n" href="#o"/><m id="o" href="#n"/>'), "refers to itself"),
    ],
)
def test_a_reference_that_names_nothing_here_is_no_empty_value(body: str, why: str) -> None:
    with pytest.raises(BrokenReply, match=why):
        read(body.encode(), NAME)


def test_a_reference_in_what_nobody_wants_is_resolved_like_any_other() -> None:
    assert values(read(rpc(OWN, behind='<m id="n">A</m>').encode()), "code") == [("A",)]


def test_a_reference_among_rows_that_arrays_read_is_found() -> None:
    rows = [part(f"P-{n}", "<名称>plain</名称>") for n in range(3000)]
    rows[2000] = OWN
    page = read(rpc(*rows, behind='<m id="n">elsewhere</m>').encode(), NAME)
    assert page.source_rows == 3000 and values(page, "name")[2000] == ("elsewhere",)


def test_a_reply_with_references_that_is_cut_is_worth_asking_again() -> None:
    content = rpc(OWN, behind='<m id="n">A</m>').encode()
    with pytest.raises(BrokenReply) as caught:
        read(content[:-30], NAME)
    assert caught.value.code == "soap.incomplete"


def test_a_multipart_reply_of_soap_encoding_has_its_references_filled_in() -> None:
    content = rpc(OWN, '<Part href="#b"/>', behind=f'<m id="n">elsewhere</m><m id="b">{part("B")[6:-7]}</m>').encode()
    for pieces in ([piece("root@erp", content), piece("other", b"x")], [piece("other", b"x"), piece("root@erp", content)]):
        assert values(read(multipart(*pieces), NAME, kind=TYPE), "code", "name") == [("A", "elsewhere"), ("B", None)]


def test_a_type_that_is_named_by_a_prefix_of_its_own_keeps_its_meaning_where_it_is_filled_in() -> None:
    """Axis binds ns1, ns2 … anew on each multiRef."""
    kind, sort = Column("kind", "@xsi:type", pa.string()), Column("sort", "Sort", pa.string())
    body = part("A")[6:-7] + '<Sort xmlns:q="urn:sort" xmlns:x="http://www.w3.org/2001/XMLSchema" xsi:type="x:QName">q:made</Sort>'
    one = f'<m id="a" xmlns:ns1="urn:parts" xsi:type="ns1:Bought">{body}</m>'
    other = f'<m id="b" xmlns:ns1="urn:else" xmlns:ns2="urn:parts" xsi:type="ns2:Part">{part("B")[6:-7]}</m>'
    page = read(rpc('<Part href="#a"/>', '<Part xmlns:ns2="urn:else" href="#b"/>', behind=one + other).encode(), kind, sort)
    assert not page.rejects
    assert values(page, "code", "kind", "sort") == [("A", "{urn:parts}Bought", "{urn:sort}made"), ("B", "{urn:parts}Part", None)]


TEXTS = st.text(st.sampled_from("ab \\~&<]軸受ｱ①"), max_size=6)


@st.composite
def scattered(draw: st.DrawFn) -> tuple[list[tuple[str, str | None]], bytes]:
    """Rows, and an answer in which any of their elements stand elsewhere: rows, values, both, and what is named only names another."""
    rows = [(f"P-{n}", draw(st.none() | TEXTS)) for n in range(draw(st.integers(0, 12)))]
    apart: list[str] = []

    def put(name: str, inside: str) -> str:
        hops = draw(st.sampled_from([0, 0, 0, 1, 1, 2]))
        for _ in range(hops):
            apart.append(f'<m id="i{len(apart)}"{inside if inside.startswith(" href") else f">{inside}</m"}>')
            inside = f' href = "#i{len(apart) - 1}"/'
        return f"<{name}{inside}>" if hops else f"<{name}>{inside}</{name}>"

    def row(code: str, text: str | None) -> str:
        own = put("Key", f"k-{code}") + put("Code", code) + ("" if text is None else put("名称", escape(text)))
        return put("Part", own)

    answer = [row(*one) for one in rows]
    draw(st.randoms(use_true_random=False)).shuffle(apart)
    cut = draw(st.integers(0, len(apart)))
    encoding = draw(st.sampled_from(["utf-8", "Shift_JIS", "utf-16"]))
    written = rpc(*answer, before="".join(apart[:cut]), behind="".join(apart[cut:]), encoding=encoding)
    return rows, written.encode({"Shift_JIS": "cp932"}.get(encoding, encoding))


@given(scattered(), st.booleans())
@settings(max_examples=150, deadline=None)
def test_whatever_stands_elsewhere_the_rows_are_the_same(case: tuple[list[tuple[str, str | None]], bytes], parts: bool) -> None:
    rows, content = case
    page = read(multipart(piece("root@erp", content)), NAME, kind=TYPE) if parts else read(content, NAME)
    assert not page.rejects and values(page, "code", "name") == rows
