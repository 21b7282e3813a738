"""The forms a reply may take: attachments, references of SOAP encoding, RPC/literal, SOAP 1.2, compression."""

from __future__ import annotations

import gzip
import io
import os
from typing import Any

import httpx
import pyarrow as pa
import pytest
from soap_fake import EMPTY, SCHEMA, WSDL, WSDL_URL, Fake, envelope, part, reply, stream
from soap_multipart import INCLUDE, PICTURE, PICTURES, TYPE, XSD_URL, multipart, piece

from connectors.errors import BrokenReply
from connectors.protocol import Column, Stream, Window
from connectors.soap.multiref import resolved
from connectors.soap.xmltree import BrokenXml, UnsafeXml


def pulled(content: bytes, content_type: str = TYPE, *, schema: str = PICTURES) -> list[Any]:
    answer = httpx.Response(200, content=content, headers={"Content-Type": content_type})
    fake = Fake(answer, documents={XSD_URL: schema})
    (page,) = fake.connector().pull(stream(PICTURE, paging={"kind": "none"}, arguments={"setSize": 9}), Window())
    return page.rows.column("picture").to_pylist()


def test_attachments_are_filled_in_byte_for_byte_wherever_the_root_part_stands() -> None:
    drawing, photo = os.urandom(300_001), b"--MIME==almost\r\n--MIME="
    root = reply(part("A", INCLUDE.format("a%40erp")), part("B", INCLUDE.format("b@erp")), part("C", "<Picture>AAEC</Picture>"))
    pieces = [piece("b@erp", photo), piece("root@erp", root), piece("a@erp", drawing, "Content-Transfer-Encoding: binary")]
    assert pulled(multipart(*pieces)) == [drawing, photo, b"\x00\x01\x02"]


def test_an_include_with_an_end_tag_and_a_greater_than_sign_in_an_attribute_is_replaced_whole() -> None:
    include = '<Picture><x:Include note="a > b" xmlns:x="http://www.w3.org/2004/08/xop/include" href="cid:a"></x:Include></Picture>'
    assert pulled(multipart(piece("root@erp", reply(part("A", include))), piece("a", b"xyz"))) == [b"xyz"]


def test_an_attachment_in_base64_is_decoded() -> None:
    pieces = [piece("root@erp", reply(part("A", INCLUDE.format("a")))), piece("a", b"eHl6\r\nMTIz", "Content-Transfer-Encoding: base64")]
    assert pulled(multipart(*pieces)) == [b"xyz123"]


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (multipart(piece("root@erp", reply(part("A", INCLUDE.format("gone"))))), "part gone is named and did not come"),
        (multipart(piece("other", EMPTY)), "no root part"),
        (multipart(piece("root@erp", EMPTY, "Content-Transfer-Encoding: x-uue")), "encoded as x-uue"),
        (multipart(piece("root@erp", reply(part("A", INCLUDE.format("a").replace("cid:a", "http://x"))))), "names no part"),
    ],
)
def test_attachments_that_make_no_sense_are_an_error_of_their_own(content: bytes, why: str) -> None:
    with pytest.raises(BrokenReply, match=why) as caught:
        pulled(content)
    assert caught.value.code == "soap.mtom"


@pytest.mark.parametrize("share", [0.2, 0.6, 0.99])
def test_a_multipart_reply_that_is_cut_is_asked_for_again_and_then_refused(share: float) -> None:
    whole = multipart(piece("root@erp", reply(part("A", INCLUDE.format("a")))), piece("a", b"z" * 5000))
    with pytest.raises(BrokenReply) as caught:
        pulled(whole[: int(len(whole) * share)])
    assert caught.value.code == "soap.incomplete"


def refs(body: str) -> bytes:
    return envelope(body)


ANSWER = '<r:get xmlns:r="urn:r"><list href="#l"/></r:get>'


def test_references_are_replaced_by_what_they_name_also_inside_of_each_other() -> None:
    body = ANSWER + '<multiRef id="l" xsi:type="x:Array"><i href="#a"/><i href="#a"/></multiRef><multiRef id="a"><n>1</n></multiRef>'
    source = io.BytesIO(refs(body.replace("<multiRef", '<multiRef xmlns:x="urn:x"')))
    text = resolved(source).read().decode()
    assert text.count("<n>1</n>") == 2 and "multiRef" not in text and "href" not in text


@pytest.mark.parametrize(
    ("body", "error", "why"),
    [
        (ANSWER, BrokenXml, "leads nowhere"),
        (ANSWER + '<m id="l"><i href="#l"/></m>', BrokenXml, "refers to itself"),
        (ANSWER + '<m id="l"/><m id="l"/>', BrokenXml, "stands twice"),
        (
            ANSWER + "".join(f'<m id="{n or "l"}">' + f'<i href="#{n + 1}"/>' * 40 + "</m>" for n in range(8)) + '<m id="8"/>',
            UnsafeXml,
            "more than 2000000 elements",
        ),
    ],
)
def test_references_that_lead_nowhere_or_to_no_end_are_refused(body: str, error: type[Exception], why: str) -> None:
    with pytest.raises(error, match=why):
        resolved(io.BytesIO(refs(body)))


RPC = (
    WSDL.replace('element="p:ReadParts"', 'type="p:Ask"')
    .replace('element="p:ReadParts_Result"', 'type="p:Parts"')
    .replace('style="document"', 'style="rpc"')
    .replace('use="literal"', 'use="{use}" namespace="urn:rpc"')
    .replace('name="parameters" type="p:Ask"', 'name="ask" type="p:Filter"')
    .replace('name="parameters" type="p:Parts"', 'name="parts" type="p:Parts"')
)


def rpc(use: str, body: str) -> tuple[list[Any], str]:
    fake = Fake(
        envelope(body), documents={WSDL_URL: RPC.replace("{use}", use), XSD_URL: SCHEMA.replace('elementFormDefault="qualified"', "")}
    )
    source = {"operation": "ReadParts", "rows": "parts/Part", "arguments": {"ask": {"Field": "Code", "Criteria": "A"}}}
    what = Stream("erp", "parts", source, ("code",), (Column("code", "Code", pa.string(), required=True),))
    (page,) = fake.connector().pull(what, Window())
    return page.rows.column("code").to_pylist(), fake.asked[0]


def test_rpc_literal_is_wrapped_in_the_operations_name_with_parts_without_namespace() -> None:
    rows, asked = rpc("literal", f'<r:ReadPartsResponse xmlns:r="urn:rpc"><parts>{part("A")}</parts></r:ReadPartsResponse>')
    assert rows == ["A"] and "<ask><Field>Code</Field>" in asked.replace("\n", "")


def test_rpc_encoded_with_references_is_read_like_any_other() -> None:
    body = f'<r:ReadPartsResponse xmlns:r="urn:rpc"><parts href="#id0"/></r:ReadPartsResponse><m id="id0"><Part href="#id1"/></m><m id="id1">{part("A")[6:-7]}</m>'
    rows, asked = rpc("encoded", body)
    assert rows == ["A"] and "xsi:type" in asked


def test_soap_1_2_and_gzip_are_read() -> None:
    wsdl = WSDL.replace("schemas.xmlsoap.org/wsdl/soap/", "schemas.xmlsoap.org/wsdl/soap12/")
    content = reply(part("A")).replace(b"http://schemas.xmlsoap.org/soap/envelope/", b"http://www.w3.org/2003/05/soap-envelope")
    answer = httpx.Response(
        200, content=gzip.compress(content), headers={"Content-Type": "application/soap+xml", "Content-Encoding": "gzip"}
    )
    seen: list[str] = []

    def serve(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Content-Type"])
        return answer

    fake = Fake(serve, documents={WSDL_URL: wsdl})
    (page,) = fake.connector().pull(stream(paging={"kind": "none"}, arguments={"setSize": 9}), Window())
    assert page.rows.column("code").to_pylist() == ["A"] and 'action="urn:parts:ReadParts"' in seen[0]
