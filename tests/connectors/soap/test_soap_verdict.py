"""What a contract says of answers that are none: classes of faults and result codes, messages in lists, and an emptiness that can't be."""

from __future__ import annotations

from typing import Any

import httpx
import pyarrow as pa
import pytest
from soap_fake import EMPTY, WSDL_URL, Fake, envelope, part, reply, stream
from test_soap_sources import wsdl

from connectors.errors import AccessRefused, BrokenReply, SourceError, SourceUnavailable
from connectors.protocol import Column, Page, Stream, Window

FAULTS = {"refused": ["5", "invalidCredentialsFault"], "retry": ["REQUEST_LIMIT_EXCEEDED", "Busy"], "empty": ["noSuchPart"]}


def fault(code: str, detail: str = "", text: str = "see the log") -> httpx.Response:
    body = f"<e:Fault><faultcode>{code}</faultcode><faultstring>{text}</faultstring>{detail and f'<detail>{detail}</detail>'}</e:Fault>"
    return httpx.Response(500, content=envelope(body), headers={"Content-Type": "text/xml"})


def fault_12(code: str, subcode: str, detail: str) -> httpx.Response:
    soap = "http://www.w3.org/2003/05/soap-envelope"
    body = (
        f"<e:Fault><e:Code><e:Value>e:{code}</e:Value><e:Subcode><e:Value>{subcode}</e:Value></e:Subcode></e:Code>"
        f"<e:Reason><e:Text>no</e:Text></e:Reason><e:Detail>{detail}</e:Detail></e:Fault>"
    )
    return httpx.Response(500, content=envelope(body, version=soap), headers={"Content-Type": "application/soap+xml"})


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        (fault("5"), AccessRefused),
        (fault("e:Server", '<f:invalidCredentialsFault xmlns:f="urn:f"><f:code>X</f:code></f:invalidCredentialsFault>'), AccessRefused),
        (fault("e:Client", "<ApiFault><inner><exceptionCode>REQUEST_LIMIT_EXCEEDED</exceptionCode></inner></ApiFault>"), SourceUnavailable),
        (fault_12("Sender", "s:Busy", ""), SourceUnavailable),
        (fault("e:Client", "<ApiFault><code>OTHER</code></ApiFault>"), BrokenReply),
    ],
)
def test_a_fault_is_of_the_class_that_the_contract_gives_its_code_or_its_detail(answer: httpx.Response, error: type[SourceError]) -> None:
    fake = Fake(answer)
    with pytest.raises(error):
        list(fake.connector().pull(stream(faults=FAULTS), Window()))
    assert len(fake.asked) == 1


def test_a_fault_that_says_nothing_is_there_is_zero_rows() -> None:
    fake = Fake(fault("e:Client", "<noSuchPart/>"))
    (page,) = fake.connector().pull(stream(faults=FAULTS, total="RowCount"), Window())
    assert page.rows.num_rows == 0 and page.source_rows == 0


def test_credentials_named_wrong_by_the_detail_alone_are_a_refusal_without_being_declared() -> None:
    answer = fault(
        "e:Server", "<invalidCredentialsFault><code>INVALID_LOGIN_CRED</code><message>wrong token</message></invalidCredentialsFault>"
    )
    with pytest.raises(AccessRefused, match="INVALID_LOGIN_CRED: see the log; wrong token"):
        list(Fake(answer).connector().pull(stream(), Window()))


RFC = "urn:sap-com:document:sap:rfc:functions"
RETURN = wsdl(
    RFC,
    f'''<xs:schema targetNamespace="{RFC}" xmlns:t="{RFC}"><xs:complexType name="Bapiret2"><xs:sequence><xs:element name="TYPE" type="xs:string"/>
<xs:element name="NUMBER" type="xs:string"/><xs:element name="MESSAGE" type="xs:string"/></xs:sequence></xs:complexType>
<xs:complexType name="Returns"><xs:sequence><xs:element name="item" type="t:Bapiret2" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
<xs:complexType name="Row"><xs:sequence><xs:element name="MATNR" type="xs:string"/></xs:sequence></xs:complexType>
<xs:complexType name="Rows"><xs:sequence><xs:element name="item" type="t:Row" minOccurs="0" maxOccurs="unbounded"/></xs:sequence></xs:complexType>
<xs:element name="ZGet"><xs:complexType><xs:sequence/></xs:complexType></xs:element>
<xs:element name="ZGetResponse"><xs:complexType><xs:sequence><xs:element name="RETURN" type="t:Returns"/><xs:element name="T_MAT" type="t:Rows"/>
</xs:sequence></xs:complexType></xs:element></xs:schema>''',
    ZGet=("t:ZGet", "t:ZGetResponse"),
)


def returned(*messages: tuple[str, str, str], rows: int = 1) -> list[Page]:
    said = "".join(f"<item><TYPE>{kind}</TYPE><NUMBER>{no}</NUMBER><MESSAGE>{text}</MESSAGE></item>" for kind, no, text in messages)
    inner = "".join(f"<item><MATNR>{at:018}</MATNR></item>" for at in range(rows))
    answer = envelope(f'<n:ZGetResponse xmlns:n="{RFC}"><RETURN>{said}</RETURN><T_MAT>{inner}</T_MAT></n:ZGetResponse>')
    source: dict[str, Any] = {
        "operation": "ZGet",
        "rows": "T_MAT/item",
        "message": "RETURN/item/MESSAGE",
        "ok": {
            "path": "RETURN/item/TYPE",
            "values": ["S", "I", "W", ""],
            "code": "RETURN/item/NUMBER",
            "refused": ["150"],
            "retry": ["601"],
            "empty": ["404"],
            "optional": True,
        },
    }
    material = Column("material", "MATNR", pa.string(), required=True)
    fake = Fake(answer, documents={WSDL_URL: RETURN})
    return list(fake.connector().pull(Stream("erp", "materials", source, ("material",), (material,)), Window()))


def test_a_list_of_messages_is_good_when_each_of_them_is_and_when_there_is_none() -> None:
    assert returned()[0].rows.num_rows == 1
    assert returned(("S", "000", "ok"), ("W", "404", "slow"))[0].rows.num_rows == 1


@pytest.mark.parametrize(
    ("number", "error", "said"),
    [("150", AccessRefused, "150: no right"), ("601", SourceUnavailable, "601: no right"), ("999", SourceError, "999: no right")],
)
def test_one_bad_message_among_good_ones_is_judged_by_its_own_number(number: str, error: type[SourceError], said: str) -> None:
    with pytest.raises(error, match=said) as caught:
        returned(("S", "000", "fine"), ("E", number, "no right"), ("I", "150", "note"))
    assert type(caught.value) is error


def test_a_message_that_nothing_was_found_is_zero_rows_and_contradicted_by_a_row() -> None:
    assert returned(("E", "404", "none"), rows=0)[0].rows.num_rows == 0
    with pytest.raises(BrokenReply, match="says 0 rows and sent 1"):
        returned(("E", "404", "none"))


def test_what_a_person_must_mend_is_said_before_what_time_mends() -> None:
    with pytest.raises(AccessRefused, match="150: locked out"):
        returned(("E", "601", "later"), ("E", "150", "locked out"))


def test_bad_credentials_inside_an_answer_are_asked_for_exactly_once() -> None:
    fake = Fake(reply(code="BAD_CREDENTIALS"))
    with pytest.raises(AccessRefused):
        list(fake.connector().pull(stream(), Window()))
    assert len(fake.asked) == 1


def test_an_answer_with_http_201_is_an_answer() -> None:
    created = httpx.Response(201, content=reply(part("A")), headers={"Content-Type": "text/xml"})
    pages = list(Fake(created, EMPTY).connector().pull(stream(), Window()))
    assert pages[0].rows.column("code").to_pylist() == ["A"]
