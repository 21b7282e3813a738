"""Who gets drawings: a fresh digest with a nonce of its own, and for approvals a signature over the very body, by the key on file."""

from __future__ import annotations

import base64
from collections.abc import Callable, Iterator
from datetime import UTC, datetime, timedelta
from pathlib import Path

import httpx
import pytest
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.x509.oid import NameOID
from erp_talk import DS, SOAP12, WSSE, WSU, ZUMEN, Talk, fault_of, serving
from lxml import etree

ASKED = "<z:PageIndex>1</z:PageIndex><z:PageSize>3</z:PageSize>"
MEDIA_TYPE = "application/soap+xml; charset=utf-8"


@pytest.fixture(scope="module")
def still(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    with serving(tmp_path_factory.mktemp("guard")) as settings:
        yield Talk(settings)


def at(minutes: float, zone: str = "Z") -> str:
    return (datetime.now(UTC) + timedelta(minutes=minutes)).strftime("%Y-%m-%dT%H:%M:%S") + zone


def refused(reply: httpx.Response) -> str:
    """The local name of the wsse subcode; the envelope binds its prefix."""
    code, subcodes = fault_of(reply)
    assert (reply.status_code, code, len(subcodes)) == (500, "soap:Sender", 1)
    prefix, _, name = subcodes[0].partition(":")
    assert etree.fromstring(reply.content).nsmap[prefix] == WSSE
    assert b"Drawing>" not in reply.content
    return name


# --- the token ----------------------------------------------------------------------------------------------------------------


def test_a_fresh_digest_opens_and_the_same_message_again_does_not(still: Talk) -> None:
    message = still.request("ListDrawings", ASKED)
    assert still.post("zumen", message, MEDIA_TYPE).status_code == 200
    assert refused(still.post("zumen", message, MEDIA_TYPE)) == "InvalidSecurityToken"


def test_a_nonce_is_used_up_even_with_another_created(still: Talk) -> None:
    assert still.zumen("ListDrawings", ASKED, nonce=b"once and never again").status_code == 200
    assert refused(still.zumen("ListDrawings", ASKED, nonce=b"once and never again", created=at(-1))) == "InvalidSecurityToken"


def test_nobody_without_the_password_can_use_up_a_nonce(still: Talk) -> None:
    assert refused(still.zumen("ListDrawings", ASKED, nonce=b"of the rightful", password="guess")) == "FailedAuthentication"
    assert still.zumen("ListDrawings", ASKED, nonce=b"of the rightful").status_code == 200


@pytest.mark.parametrize("minutes", [-4.5, 4.5])
def test_five_minutes_either_way_are_fresh(still: Talk, minutes: float) -> None:
    assert still.zumen("ListDrawings", ASKED, created=at(minutes)).status_code == 200
    assert still.zumen("ListDrawings", ASKED, created=at(minutes + 9 * 60, "+09:00")).status_code == 200


@pytest.mark.parametrize("minutes", [-5.5, 5.5, -60 * 24, 9 * 60])
def test_more_than_five_minutes_off_the_wall_clock_is_refused(still: Talk, minutes: float) -> None:
    assert refused(still.zumen("ListDrawings", ASKED, created=at(minutes))) == "MessageExpired"


def test_the_sandboxs_own_clock_does_not_matter_to_a_token(tmp_path: Path) -> None:
    with serving(tmp_path) as settings:
        talk = Talk(settings)
        talk.control("advance", days=3)
        assert talk.zumen("ListDrawings", ASKED).status_code == 200


@pytest.mark.parametrize(
    ("changed", "code"),
    [
        ({"password": "wrong"}, "FailedAuthentication"),
        ({"user": "someone"}, "FailedAuthentication"),
        ({"nonce": b""}, "InvalidSecurityToken"),
        ({"created": "2026-11-02T03:00:00"}, "InvalidSecurityToken"),
        ({"created": "yesterday"}, "InvalidSecurityToken"),
        (
            {"kind": "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordText"},
            "UnsupportedSecurityToken",
        ),
    ],
)
def test_a_token_that_is_not_as_it_must_be_is_refused_by_name(still: Talk, changed: dict[str, str], code: str) -> None:
    assert refused(still.zumen("ListDrawings", ASKED, **changed)) == code


def test_no_security_header_and_one_without_a_token_are_refused(still: Talk) -> None:
    addressing = still.addressing("ListDrawings")
    assert refused(still.zumen("ListDrawings", ASKED, addressing)) == "InvalidSecurity"
    assert refused(still.zumen("ListDrawings", ASKED, addressing + "<wsse:Security/>")) == "InvalidSecurity"


def test_a_timestamp_that_has_expired_is_refused_and_one_that_has_not_is_fine(still: Talk) -> None:
    def stamp(created: float, expires: float) -> str:
        return f"<wsu:Timestamp><wsu:Created>{at(created)}</wsu:Created><wsu:Expires>{at(expires)}</wsu:Expires></wsu:Timestamp>"

    assert still.zumen("ListDrawings", ASKED, extra=stamp(-1, 4)).status_code == 200
    assert refused(still.zumen("ListDrawings", ASKED, extra=stamp(-10, -1))) == "MessageExpired"
    assert refused(still.zumen("ListDrawings", ASKED, extra=stamp(60, 65))) == "MessageExpired"


# --- the signature ------------------------------------------------------------------------------------------------------------


def test_approvals_without_a_signature_are_refused(still: Talk) -> None:
    assert refused(still.zumen("ListApprovals", ASKED)) == "InvalidSecurity"
    assert still.zumen("ListApprovals", ASKED, sign=True).status_code == 200


def spoilt(talk: Talk, spoil: Callable[[etree._Element], None]) -> httpx.Response:
    """A well signed request to which something was done afterwards."""
    root = etree.fromstring(talk.request("ListApprovals", ASKED, sign=True))
    spoil(root)
    return talk.post("zumen", etree.tostring(root), MEDIA_TYPE)


def element(root: etree._Element, path: str) -> etree._Element:
    found = root.find(path, {"s": SOAP12, "z": ZUMEN, "ds": DS, "wsse": WSSE})
    assert found is not None
    return found


def retext(path: str, text: str) -> Callable[[etree._Element], None]:
    def spoil(root: etree._Element) -> None:
        element(root, path).text = text

    return spoil


def reattribute(path: str, name: str, value: str) -> Callable[[etree._Element], None]:
    return lambda root: element(root, path).set(name, value)


def drop(path: str) -> Callable[[etree._Element], None]:
    def spoil(root: etree._Element) -> None:
        found = element(root, path)
        found.getparent().remove(found)  # type: ignore[union-attr]

    return spoil


@pytest.mark.parametrize(
    ("spoil", "code"),
    [
        (retext(".//z:PageSize", "4"), "FailedCheck"),
        (retext(".//ds:DigestValue", base64.b64encode(b"0" * 32).decode()), "FailedCheck"),
        (retext(".//ds:SignatureValue", base64.b64encode(b"0" * 256).decode()), "FailedCheck"),
        (retext(".//ds:SignatureValue", "not base64!"), "FailedCheck"),
        (reattribute("s:Body", f"{{{WSU}}}Id", "other"), "FailedCheck"),
        (reattribute(".//ds:Reference", "URI", ""), "FailedCheck"),
        (drop(".//ds:SignedInfo"), "FailedCheck"),
        (drop(".//ds:Reference"), "FailedCheck"),
        (drop(".//wsse:BinarySecurityToken"), "SecurityTokenUnavailable"),
        (drop(".//ds:KeyInfo"), "SecurityTokenUnavailable"),
        (retext(".//wsse:BinarySecurityToken", "AAAA"), "InvalidSecurityToken"),
        (reattribute(".//ds:SignatureMethod", "Algorithm", "http://www.w3.org/2000/09/xmldsig#hmac-sha1"), "UnsupportedAlgorithm"),
        (reattribute(".//ds:DigestMethod", "Algorithm", "http://www.w3.org/2001/04/xmldsig-more#md5"), "UnsupportedAlgorithm"),
        (
            reattribute(".//ds:CanonicalizationMethod", "Algorithm", "http://www.w3.org/TR/2001/REC-xml-c14n-20010315"),
            "UnsupportedAlgorithm",
        ),
        (reattribute(".//ds:Transform", "Algorithm", "http://www.w3.org/TR/1999/REC-xslt-19991116"), "UnsupportedAlgorithm"),
        (drop(".//ds:Transform"), "UnsupportedAlgorithm"),
    ],
)
def test_a_signature_that_does_not_hold_is_refused_by_name(still: Talk, spoil: Callable[[etree._Element], None], code: str) -> None:
    assert refused(spoilt(still, spoil)) == code


def test_a_body_put_in_the_place_of_the_signed_one_is_found_out(still: Talk) -> None:
    """Signature wrapping: the signed body hides in the header, another one stands where the service reads."""

    def wrap(root: etree._Element) -> None:
        body = element(root, "s:Body")
        forged = etree.fromstring(etree.tostring(body))
        element(forged, ".//z:PageSize").text = "100"
        forged.set(f"{{{WSU}}}Id", "forged")
        root.replace(body, forged)
        etree.SubElement(element(root, "s:Header"), "Wrapper").append(body)

    assert refused(spoilt(still, wrap)) == "FailedCheck"

    def double(root: etree._Element) -> None:
        wrap(root)
        element(root, "s:Body").set(f"{{{WSU}}}Id", "body")

    assert refused(spoilt(still, double)) == "FailedCheck"


def test_a_good_signature_by_a_key_that_is_not_on_file_is_refused(still: Talk) -> None:
    key = rsa.generate_private_key(65_537, 2_048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Fortnight Sandbox Reader")])
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(datetime.now(UTC) - timedelta(days=1))
        .not_valid_after(datetime.now(UTC) + timedelta(days=1))
        .sign(key, hashes.SHA256())
    )
    message = still.request("ListApprovals", ASKED)
    assert refused(still.post("zumen", still.signed(message, key, made), MEDIA_TYPE)) == "FailedAuthentication"
    _, on_file = still.key()
    assert refused(still.post("zumen", still.signed(still.request("ListApprovals", ASKED), key, on_file), MEDIA_TYPE)) == "FailedCheck"


def test_a_signature_is_checked_also_where_it_is_not_demanded(still: Talk) -> None:
    assert still.zumen("ListDrawings", ASKED, sign=True).status_code == 200
    root = etree.fromstring(still.request("ListDrawings", ASKED, sign=True))
    element(root, ".//z:PageSize").text = "9"
    assert refused(still.post("zumen", etree.tostring(root), MEDIA_TYPE)) == "FailedCheck"


def test_key_and_password_stay_the_same_for_a_sandbox_that_is_started_again(tmp_path: Path) -> None:
    with serving(tmp_path) as settings:
        first = Talk(settings)
        told, (_, certificate) = first.told["zumen"], first.key()
        assert Path(told["pfx"]).stat().st_mode & 0o077 == 0
    with serving(tmp_path) as settings:
        again = Talk(settings)
        assert again.key()[1] == certificate and again.told["zumen"]["password"] == told["password"]
        assert x509.load_pem_x509_certificate(Path(told["certificate"]).read_bytes()) == certificate
        assert again.zumen("ListApprovals", ASKED, sign=True).status_code == 200
