"""What goes over the wire to prove who asks: checked with other implementations, and made anew for every try."""

from __future__ import annotations

import base64
import hashlib
import re
import subprocess
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import httpx
import pytest
from soap_fake import EMPTY, NS, WSDL, WSDL_URL, Fake, envelope, part, reply, stream

from connectors.errors import AccessRefused, FixConfiguration, FortnightError
from connectors.protocol import Window
from connectors.soap import wsse
from connectors.soap.auth import Auth, TokenPassport
from connectors.soap.redact import masked
from connectors.soap.security import Fresh, WireSecurity, passport_signature
from connectors.transport import TransportOptions

NOW = datetime(2026, 11, 21, 3, 4, 5, tzinfo=UTC)
PASSWORD = "correct-horse-電池"
TOKEN: dict[str, Any] = {"user": "reader", "password": PASSWORD}
PASSPORT: dict[str, Any] = {
    "account": "1234567",
    "version": "2025_2",
    "consumer_key": "71cc02b731f05895561ef0862d71553a3ac99498a947c3b7beaf4a1e4a29f7c4",
    "consumer_secret": "7278da58caf07f5c336301a601203d10a58e948efa280f0618e25fcee1ef2abd",
    "token": "89e08d9767c5ac85b374415725567d05b54ecf0960ad2470894a52f741020d82",
    "token_secret": "060cd9ab3ffbbe1e3d3918e90165ffd37ab12acc76b4691046e2d29c7d7674c2",
}


@pytest.fixture(scope="module")
def pfx(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A self-signed certificate with its key, in a PFX file whose password is ``open-sesame``."""
    from cryptography import x509
    from cryptography.hazmat.primitives.asymmetric import rsa
    from cryptography.hazmat.primitives.hashes import SHA256
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, pkcs12
    from cryptography.x509.oid import NameOID

    key = rsa.generate_private_key(public_exponent=65537, key_size=2048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "reader.example")])
    built = x509.CertificateBuilder().subject_name(name).issuer_name(name).public_key(key.public_key()).serial_number(7)
    made = built.not_valid_before(NOW - timedelta(days=1)).not_valid_after(NOW + timedelta(days=99)).sign(key, SHA256())
    path = tmp_path_factory.mktemp("keys") / "client.pfx"
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"reader", key, made, None, BestAvailableEncryption(b"open-sesame")))
    return path


def secured(auth: dict[str, Any], action: str = "", soap: str = "http://schemas.xmlsoap.org/soap/envelope/") -> bytes:
    fresh = Fresh(lambda: NOW, lambda size: bytes(range(size)))
    content = envelope('<p:ReadParts xmlns:p="urn:parts"><p:setSize>2</p:setSize></p:ReadParts>', version=soap)
    return WireSecurity(Auth.model_validate(auth), fresh).envelope(content, action, "https://erp.example/ws/Parts")


def test_a_username_token_in_text_holds_user_password_nonce_and_time() -> None:
    root = ElementTree.fromstring(secured({"username_token": TOKEN}))
    token = root.find(f".//{{{wsse.WSSE}}}UsernameToken")
    assert token is not None
    assert [(one.tag.rpartition("}")[2], one.text) for one in token] == [
        ("Username", "reader"),
        ("Password", PASSWORD),
        ("Nonce", base64.b64encode(bytes(range(16))).decode()),
        ("Created", "2026-11-21T03:04:05Z"),
    ]


def test_the_password_digest_is_the_one_that_zeep_makes() -> None:
    from zeep.wsse.username import UsernameToken

    root = ElementTree.fromstring(secured({"username_token": {**TOKEN, "digest": True}}))
    ours = root.find(f".//{{{wsse.WSSE}}}Password")
    theirs = UsernameToken("reader", PASSWORD, use_digest=True, nonce=bytes(range(16)).decode(), created=NOW, zulu_timestamp=True)
    (made,) = (one for one in theirs._create_password_digest() if one.tag == f"{{{wsse.WSSE}}}Password")
    assert ours is not None and ours.text == made.text and ours.get("Type") == made.get("Type")


@pytest.mark.parametrize("soap", ["http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"])
def test_the_signature_is_good_by_openssl_over_another_canonicalisation(tmp_path: Path, pfx: Path, soap: str) -> None:
    auth = {"username_token": TOKEN, "signature": {"file": str(pfx), "password": "open-sesame"}}
    content = secured(auth, action="urn:parts:ReadParts", soap=soap)
    root = ElementTree.fromstring(content)
    info = root.find(f".//{{{wsse.DS}}}SignedInfo")
    assert info is not None
    signed = set()
    for reference in info.iter(f"{{{wsse.DS}}}Reference"):
        id = reference.get("URI", "").lstrip("#")
        (target,) = (one for one in root.iter() if one.get(f"{{{wsse.WSU}}}Id") == id)
        signed.add(target.tag.rpartition("}")[2])
        assert (
            reference.findtext(f"{{{wsse.DS}}}DigestValue") == base64.b64encode(hashlib.sha256(_exclusive(content, id)).digest()).decode()
        )
    assert signed == {"Body", "Timestamp", "UsernameToken", "Action", "MessageID", "To", "ReplyTo"}
    (tmp_path / "info").write_bytes(_exclusive(content, None))
    (tmp_path / "signature").write_bytes(base64.b64decode(root.findtext(f".//{{{wsse.DS}}}SignatureValue") or ""))
    (tmp_path / "cert.der").write_bytes(base64.b64decode(root.findtext(f".//{{{wsse.WSSE}}}BinarySecurityToken") or ""))
    key = subprocess.run(["openssl", "x509", "-inform", "DER", "-in", "cert.der", "-pubkey", "-noout"], cwd=tmp_path, capture_output=True)
    (tmp_path / "key.pem").write_bytes(key.stdout)
    verify = ["openssl", "dgst", "-sha256", "-verify", "key.pem", "-signature", "signature", "info"]
    assert subprocess.run(verify, cwd=tmp_path, capture_output=True, text=True).stdout.strip() == "Verified OK"


def _exclusive(content: bytes, id: str | None) -> bytes:
    """One element canonicalised without lxml: cut out with the prefixes in scope, by the standard library, which keeps those in use only."""
    from xml.dom import minidom

    document = minidom.parseString(content)
    found = [
        one
        for one in document.getElementsByTagName("*")
        if (id is None and one.localName == "SignedInfo") or (id is not None and one.getAttributeNS(wsse.WSU, "Id") == id)
    ]
    (element,) = found
    above = element.parentNode
    while above is not None and above.nodeType == above.ELEMENT_NODE:
        for index in range(above.attributes.length):
            attribute = above.attributes.item(index)
            if attribute.name.startswith("xmlns") and not element.hasAttribute(attribute.name):
                element.setAttribute(attribute.name, attribute.value)
        above = above.parentNode
    return ElementTree.canonicalize(element.toxml()).encode()


def test_a_password_that_does_not_open_the_signing_key_is_a_sentence_without_it(pfx: Path) -> None:
    with pytest.raises(FixConfiguration, match="wrong password") as caught:
        secured({"signature": {"file": str(pfx), "password": "open-barley"}})
    assert "open-barley" not in str(caught.value)


def test_the_signature_of_netsuites_own_example_is_the_published_one() -> None:
    signature = passport_signature(TokenPassport.model_validate(PASSPORT), "6obMKq0tmY8ylVOdEkA1", "1439829974")
    assert signature == "FCghIZqXNetuZY8ILWOFH0ucdfzQOmAuL+q+kF21zPs="


def test_a_token_passport_stands_in_the_header_in_the_endpoints_namespaces() -> None:
    root = ElementTree.fromstring(secured({"token_passport": PASSPORT}))
    passport = root.find(".//{urn:messages_2025_2.platform.webservices.netsuite.com}tokenPassport")
    assert passport is not None
    core = "{urn:core_2025_2.platform.webservices.netsuite.com}"
    assert [one.tag for one in passport] == [core + name for name in ("account", "consumerKey", "token", "nonce", "timestamp", "signature")]
    assert passport[4].text == str(int(NOW.timestamp())) and passport[5].get("algorithm") == "HMAC-SHA256"


def test_application_headers_and_addressing_stand_before_security() -> None:
    header = {"name": "SOAHeader", "namespace": "urn:ebs", "values": {"Responsibility": "PO_READER", "Org_Id": "204"}}
    root = ElementTree.fromstring(secured({"headers": [header], "username_token": TOKEN}, action="urn:do"))
    names = [one.tag.rpartition("}")[2] for one in root[0]]
    assert names == ["Action", "MessageID", "To", "ReplyTo", "SOAHeader", "Security"]
    assert [(one.tag, one.text) for one in root[0][4]] == [("{urn:ebs}Responsibility", "PO_READER"), ("{urn:ebs}Org_Id", "204")]
    assert re.fullmatch(r"urn:uuid:[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}", root[0][1].text or "")


@pytest.mark.parametrize("auth", [{"username_token": {**TOKEN, "digest": True}}, {"token_passport": PASSPORT}])
def test_a_try_after_a_failure_carries_a_nonce_of_its_own(auth: dict[str, Any]) -> None:
    fake = Fake(httpx.Response(503), reply(part("A")), EMPTY)
    connector = fake.connector(auth=auth)
    connector._services.client("", stream="-")._options = TransportOptions(attempts=2)
    list(connector.pull(stream(), Window()))
    nonces = [re.findall(r"[Nn]once[^>]*>([^<]+)<", body) for body in fake.asked]
    assert len(nonces) == 3 and all(len(found) == 1 for found in nonces) and len({found[0] for found in nonces}) == 3


def test_a_contract_that_asks_for_addressing_gets_its_action_and_a_new_message_id_each_time() -> None:
    addressed = WSDL.replace(
        '<s:binding transport="', '<a:UsingAddressing xmlns:a="http://www.w3.org/2006/05/addressing/wsdl"/><s:binding transport="'
    )
    fake = Fake(reply(part("A")), EMPTY, documents={WSDL_URL: addressed})
    list(fake.connector().pull(stream(), Window()))
    assert all("urn:parts:service:Port:ReadPartsRequest" in body for body in fake.asked)
    # zeep makes these headers too, for a binding that asks for them: twice is as bad as not at all.
    for body in fake.asked:
        headers = sorted(one.tag.rpartition("}")[2] for one in ElementTree.fromstring(body)[0])
        assert headers == ["Action", "MessageID", "ReplyTo", "To"]
    assert len(set(re.findall(r"urn:uuid:[0-9a-f-]+", "".join(fake.asked)))) == 2
    assert "MessageID" not in "".join(_asked(Fake(reply(part("A")), EMPTY)))


def _asked(fake: Fake) -> list[str]:
    list(fake.connector().pull(stream(), Window()))
    return fake.asked


@pytest.mark.parametrize(
    ("auth", "expected"),
    [
        ({"basic": {"user": "reader", "password": "pass"}}, "Basic cmVhZGVyOnBhc3M="),
        ({"bearer": "token-of-the-day"}, "Bearer token-of-the-day"),
    ],
)
def test_the_http_scheme_is_sent_with_every_request(auth: dict[str, Any], expected: str) -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers["Authorization"])
        return httpx.Response(200, content=EMPTY, headers={"Content-Type": "text/xml"})

    list(Fake(answer).connector(auth=auth).pull(stream(), Window()))
    assert seen == [expected]


def test_digest_answers_the_servers_challenge_with_the_same_body() -> None:
    challenge = httpx.Response(401, headers={"WWW-Authenticate": 'Digest realm="erp", qop="auth", nonce="abc", algorithm=SHA-256'})

    def answer(request: httpx.Request) -> httpx.Response:
        given = request.headers.get("Authorization", "")
        if request.method == "GET" or given.startswith('Digest username="reader"'):
            return httpx.Response(200, content=EMPTY, headers={"Content-Type": "text/xml"})
        return challenge

    fake = Fake(answer)
    list(fake.connector(auth={"digest": {"user": "reader", "password": "pass"}}).pull(stream(), Window()))
    assert len(fake.asked) == 2 and fake.asked[0] == fake.asked[1]


def test_two_schemes_for_one_header_are_refused() -> None:
    with pytest.raises(ValueError, match="exclude each other"):
        Auth.model_validate({"basic": {"user": "a", "password": "b"}, "bearer": "c"})


@pytest.mark.parametrize(
    ("auth", "source", "why"),
    [
        ({"headers": [{"name": "a b"}]}, {}, "no name of an element"),
        ({"headers": [{"name": "A", "values": {"x y": "1"}}]}, {}, "no name of an element"),
        ({"headers": [{"name": "A", "namespace": "urn:a b"}]}, {}, "no namespace"),
        ({"headers": [{"name": "A", "values": {"x": "se\x01cret"}}]}, {}, "headers.A.x has characters that XML does not have"),
        ({"username_token": {"user": "a", "password": "se\x01cret"}}, {}, "username_token.password has characters"),
        ({"body": {"bookmarkKey": "se\x01cret"}}, {}, "body.bookmarkKey has characters"),
        ({"token_passport": {**PASSPORT, "token": "se\x01cret"}}, {}, "token_passport.token has characters"),
        ({}, {"headers": [{"name": "1a"}]}, "no name of an element"),
        ({}, {"headers": [{"name": "A", "values": {"b": {"c d": "1"}}}]}, "no name of an element"),
        ({}, {"headers": [{"name": "A", "values": {"@b c": "1"}}]}, "no name of an element"),
        ({}, {"headers": [{"name": "A", "values": {"b": "\x01"}}]}, "characters that XML does not have"),
        ({}, {"body": f'<ReadParts xmlns="{NS}"><setSize>{{n}}</setSize><bookmarkKey>{{position?}}</bookmarkKey></ReadParts>', "arguments": {"n": "\x01"}}, "characters that XML does not have"),
    ],
)  # fmt: skip
def test_what_no_envelope_can_hold_is_refused_where_it_is_written(auth: dict[str, Any], source: dict[str, Any], why: str) -> None:
    fake = Fake(EMPTY)
    with pytest.raises((FixConfiguration, ValueError), match=why) as caught:
        list(fake.connector(auth=auth).pull(stream(**source), Window()))
    # What pydantic adds of its own is left out where a project is read.
    assert not fake.asked and "cret" not in str(caught.value).partition("input_value")[0]


def test_credentials_in_the_body_are_sent_and_never_said() -> None:
    fake = Fake(reply(code="BAD_CREDENTIALS", message=f"the key {PASSWORD} is wrong"))
    connector = fake.connector(auth={"body": {"bookmarkKey": PASSWORD}})
    with pytest.raises(AccessRefused) as caught:
        list(connector.pull(stream(paging={"kind": "none"}, arguments={"setSize": 1}), Window()))
    assert PASSWORD in fake.asked[0]
    error: FortnightError = caught.value
    assert PASSWORD not in f"{error} {error.say('ja')} {error.params} {connector._services.client('', stream='-').config!r}"


def test_a_logged_request_shows_its_form_and_none_of_its_credentials(caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level("DEBUG", logger="fortnight.soap"):
        list(
            Fake(EMPTY)
            .connector(auth={"body": {"bookmarkKey": PASSWORD}})
            .pull(stream(paging={"kind": "none"}, arguments={"setSize": 1}), Window())
        )
    assert "ReadParts" in caplog.text and "***" in caplog.text and PASSWORD not in caplog.text


def test_an_envelope_is_masked_at_the_named_paths_and_wherever_security_stands() -> None:
    content = secured({"username_token": TOKEN, "token_passport": PASSPORT}).replace(b"setSize", b"login")
    shown = masked(content, ["ReadParts/login"]).decode()
    assert PASSWORD not in shown and "7278da58" not in shown and PASSPORT["token"] not in shown and ">2<" not in shown
    assert "ReadParts" in shown and masked(b"no xml: " + PASSWORD.encode(), []) == b""
