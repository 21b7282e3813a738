"""WS-Security headers: UsernameToken (text or digest) and an X.509 signature over body, timestamp, token and addressing.

Sources: OASIS WSS UsernameToken Profile 1.1, X.509 Token Profile 1.1, XML Signature with exclusive C14N, RSA-SHA256 and SHA-256. Nothing
is encrypted here: TLS does that. Replies are not asked for a signature of their own.
"""

from __future__ import annotations

import base64
import hashlib
from dataclasses import dataclass, field
from datetime import datetime, timedelta
from typing import Any

from connectors.errors import FixConfiguration
from connectors.soap.auth import Pfx, UsernameToken

_OASIS = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-"
WSSE = f"{_OASIS}wssecurity-secext-1.0.xsd"
WSU = f"{_OASIS}wssecurity-utility-1.0.xsd"
DS = "http://www.w3.org/2000/09/xmldsig#"
_ADDRESSING = "http://www.w3.org/2005/08/addressing"
_C14N = "http://www.w3.org/2001/10/xml-exc-c14n#"
_SHA256 = "http://www.w3.org/2001/04/xmlenc#sha256"
_RSA_SHA256 = "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"
_BASE64 = f"{_OASIS}soap-message-security-1.0#Base64Binary"
_X509 = f"{_OASIS}x509-token-profile-1.0#X509v3"
#: Seconds that a stamped message stays good: long enough for a slow server's clock, too short to be of use to a thief.
_GOOD_FOR = timedelta(minutes=5)


@dataclass(frozen=True)
class Signer:
    """An opened certificate and its RSA key."""

    certificate: str
    key: Any = field(repr=False)

    @classmethod
    def open(cls, pfx: Pfx) -> Signer:
        """Raises FixConfiguration for a file that can't be read, a wrong password, or a key that is not RSA."""
        from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
        from cryptography.hazmat.primitives.serialization import Encoding
        from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

        try:
            bundle = load_pkcs12(pfx.file.read_bytes(), pfx.password.get_secret_value().encode())
        except OSError as error:
            raise FixConfiguration("soap.signing_key", path=pfx.file, why=error.strerror or type(error).__name__) from error
        except ValueError as error:
            raise FixConfiguration("soap.signing_key", path=pfx.file, why="wrong password, or not a PFX file") from error
        if bundle.cert is None or not isinstance(bundle.key, RSAPrivateKey):
            raise FixConfiguration("soap.signing_key", path=pfx.file, why="no certificate with its RSA key inside")
        der = bundle.cert.certificate.public_bytes(Encoding.DER)
        return cls(base64.b64encode(der).decode(), bundle.key)

    def sign(self, content: bytes) -> str:
        from cryptography.hazmat.primitives.asymmetric.padding import PKCS1v15
        from cryptography.hazmat.primitives.hashes import SHA256

        return base64.b64encode(self.key.sign(content, PKCS1v15(), SHA256())).decode()


def password_digest(password: str, nonce: bytes, created: str) -> str:
    """Base64(SHA-1(nonce + created + password)): UsernameToken Profile 1.1 §3.1."""
    return base64.b64encode(hashlib.sha1(nonce + created.encode() + password.encode()).digest()).decode()


def secure(envelope: Any, soap: str, token: UsernameToken | None, signer: Signer | None, *, now: datetime, nonce: bytes) -> None:
    """Put the Security header into an envelope (lxml element); ``soap`` is its namespace. After this nothing may be added or moved."""
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs

    header = envelope.find(f"{{{soap}}}Header")
    security: Any = etree.SubElement(header, f"{{{WSSE}}}Security", nsmap={"wsse": WSSE, "wsu": WSU})
    security.set(f"{{{soap}}}mustUnderstand", "true" if "2003" in soap else "1")
    created = now.strftime("%Y-%m-%dT%H:%M:%SZ")
    timestamp = etree.SubElement(security, f"{{{WSU}}}Timestamp")
    etree.SubElement(timestamp, f"{{{WSU}}}Created").text = created
    etree.SubElement(timestamp, f"{{{WSU}}}Expires").text = (now + _GOOD_FOR).strftime("%Y-%m-%dT%H:%M:%SZ")
    signed = [timestamp]
    if token is not None:
        signed.append(_token(security, token, created, nonce))
    if signer is not None:
        addressed = [one for one in header if one.tag.startswith(f"{{{_ADDRESSING}}}")]
        _sign(security, signer, [envelope.find(f"{{{soap}}}Body"), *signed, *addressed])


def _token(security: Any, token: UsernameToken, created: str, nonce: bytes) -> Any:
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs

    made = etree.SubElement(security, f"{{{WSSE}}}UsernameToken")
    etree.SubElement(made, f"{{{WSSE}}}Username").text = token.user.get_secret_value()
    password = etree.SubElement(made, f"{{{WSSE}}}Password")
    plain = token.password.get_secret_value()
    password.set("Type", f"{_OASIS}username-token-profile-1.0#Password{'Digest' if token.digest else 'Text'}")
    password.text = password_digest(plain, nonce, created) if token.digest else plain
    stamp = etree.SubElement(made, f"{{{WSSE}}}Nonce")
    stamp.set("EncodingType", _BASE64)
    stamp.text = base64.b64encode(nonce).decode()
    etree.SubElement(made, f"{{{WSU}}}Created").text = created
    return made


def _sign(security: Any, signer: Signer, parts: list[Any]) -> None:
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs

    binary = etree.Element(f"{{{WSSE}}}BinarySecurityToken", {"EncodingType": _BASE64, "ValueType": _X509, f"{{{WSU}}}Id": "X509"})
    binary.text = signer.certificate
    security.insert(0, binary)
    signature = etree.SubElement(security, f"{{{DS}}}Signature", nsmap={"ds": DS})
    info = etree.SubElement(signature, f"{{{DS}}}SignedInfo")
    etree.SubElement(info, f"{{{DS}}}CanonicalizationMethod").set("Algorithm", _C14N)
    etree.SubElement(info, f"{{{DS}}}SignatureMethod").set("Algorithm", _RSA_SHA256)
    for number, part in enumerate(parts):
        part.set(f"{{{WSU}}}Id", f"part-{number}")
        reference = etree.SubElement(info, f"{{{DS}}}Reference")
        reference.set("URI", f"#part-{number}")
        transforms = etree.SubElement(reference, f"{{{DS}}}Transforms")
        etree.SubElement(transforms, f"{{{DS}}}Transform").set("Algorithm", _C14N)
        etree.SubElement(reference, f"{{{DS}}}DigestMethod").set("Algorithm", _SHA256)
        digest = hashlib.sha256(_canonical(part)).digest()
        etree.SubElement(reference, f"{{{DS}}}DigestValue").text = base64.b64encode(digest).decode()
    etree.SubElement(signature, f"{{{DS}}}SignatureValue").text = signer.sign(_canonical(info))
    named = etree.SubElement(etree.SubElement(signature, f"{{{DS}}}KeyInfo"), f"{{{WSSE}}}SecurityTokenReference")
    etree.SubElement(named, f"{{{WSSE}}}Reference", {"URI": "#X509", "ValueType": _X509})


def _canonical(element: Any) -> bytes:
    from lxml import etree  # pyright: ignore[reportAttributeAccessIssue]  # compiled, without stubs

    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)
