"""XML Signature as WS-Security uses it (X.509 Token Profile 1.1): whose certificate, which parts, whether digests and signature hold."""

from __future__ import annotations

import base64
import binascii
import hashlib
import secrets

from cryptography import x509
from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from lxml import etree

from infra.sandbox.erp.zumen.faults import WSSE, WSU, ZumenFaultError, security

DS = "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
_SIGNATURES = {f"{DS}rsa-sha1": hashes.SHA1, "http://www.w3.org/2001/04/xmldsig-more#rsa-sha256": hashes.SHA256}
_DIGESTS = {f"{DS}sha1": "sha1", "http://www.w3.org/2001/04/xmlenc#sha256": "sha256"}


def verify(
    root: etree._Element, header: etree._Element, signature: etree._Element, body: etree._Element, on_file: x509.Certificate
) -> None:
    """Raises ZumenFaultError unless ``signature`` covers ``body`` itself, every digest holds, and the key of ``on_file`` made it."""
    info = signature.find(f"{{{DS}}}SignedInfo")
    if info is None:
        raise _failed("ds:SignedInfo がありません。")
    _check_certificate(header, signature, on_file)
    covered = [_check_reference(root, reference) for reference in info.findall(f"{{{DS}}}Reference")]
    # By identity: an element elsewhere that carries the body's id (signature wrapping) is not the body.
    if not any(element is body for element in covered):
        raise _failed("署名が soap:Body を覆っていません。")
    kind = _SIGNATURES.get(_algorithm(info, "SignatureMethod"))
    if kind is None:
        raise _unsupported(_algorithm(info, "SignatureMethod"))
    key = on_file.public_key()
    assert isinstance(key, rsa.RSAPublicKey), "the drawing office has RSA certificates on file"
    signed = _canonical(info, info.find(f"{{{DS}}}CanonicalizationMethod"))
    try:
        key.verify(_bytes(signature.findtext(f"{{{DS}}}SignatureValue")), signed, padding.PKCS1v15(), kind())
    except InvalidSignature:
        raise _failed("署名の値が正しくありません。") from None


def _check_certificate(header: etree._Element, signature: etree._Element, on_file: x509.Certificate) -> None:
    """Whether KeyInfo names the certificate on file: by a BinarySecurityToken, by value, or by issuer and serial number."""
    token = signature.find(f"{{{DS}}}KeyInfo/{{{WSSE}}}SecurityTokenReference")
    if token is None:
        raise security("SecurityTokenUnavailable", "ds:KeyInfo に wsse:SecurityTokenReference がありません。")
    given: str | None = None
    reference = token.find(f"{{{WSSE}}}Reference")
    if reference is not None:
        wanted = reference.get("URI", "").removeprefix("#")
        found = [one for one in header.findall(f"{{{WSSE}}}BinarySecurityToken") if one.get(f"{{{WSU}}}Id") == wanted]
        given = found[0].text if len(found) == 1 else None
    else:
        given = token.findtext(f"{{{DS}}}X509Data/{{{DS}}}X509Certificate")
        serial = token.findtext(f"{{{DS}}}X509Data/{{{DS}}}X509IssuerSerial/{{{DS}}}X509SerialNumber")
        if given is None and serial is not None and serial.strip() == str(on_file.serial_number):
            return
    if given is None:
        raise security("SecurityTokenUnavailable", "署名の証明書が見つかりません。")
    try:
        certificate = x509.load_der_x509_certificate(_bytes(given))
    except ValueError:
        raise security("InvalidSecurityToken", "署名の証明書を読めません。") from None
    if certificate != on_file:
        raise security("FailedAuthentication", "署名の証明書が登録されていません。")


def _check_reference(root: etree._Element, reference: etree._Element) -> etree._Element:
    """The element a reference covers, its digest checked."""
    wanted = reference.get("URI", "")
    named = [one for one in root.iter() if wanted == f"#{one.get(f'{{{WSU}}}Id')}" or wanted == f"#{one.get('Id')}"]
    if not wanted.startswith("#") or len(named) != 1:
        raise _failed(f"参照 '{wanted}' の要素が 1 つに定まりません。")
    transforms = reference.findall(f"{{{DS}}}Transforms/{{{DS}}}Transform")
    if len(transforms) != 1:
        raise _unsupported("ds:Transforms")
    kind = _DIGESTS.get(_algorithm(reference, "DigestMethod"))
    if kind is None:
        raise _unsupported(_algorithm(reference, "DigestMethod"))
    found = hashlib.new(kind, _canonical(named[0], transforms[0]), usedforsecurity=False).digest()
    if not secrets.compare_digest(found, _bytes(reference.findtext(f"{{{DS}}}DigestValue"))):
        raise _failed(f"参照 '{wanted}' のダイジェストが一致しません。")
    return named[0]


def _canonical(element: etree._Element, method: etree._Element | None) -> bytes:
    """Exclusive canonical form, with the prefixes that the method's InclusiveNamespaces name."""
    algorithm = "" if method is None else method.get("Algorithm", "")
    if method is None or algorithm != EXCLUSIVE:
        raise _unsupported(algorithm)
    listed = method.find(f"{{{EXCLUSIVE}}}InclusiveNamespaces")
    prefixes = [] if listed is None else listed.get("PrefixList", "").split()
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False, inclusive_ns_prefixes=prefixes)


def _algorithm(parent: etree._Element, name: str) -> str:
    found = parent.find(f"{{{DS}}}{name}")
    return "" if found is None else found.get("Algorithm", "")


def _bytes(text: str | None) -> bytes:
    try:
        return base64.b64decode("".join((text or "").split()), validate=True)
    except binascii.Error:
        return b""


def _failed(message: str) -> ZumenFaultError:
    return security("FailedCheck", message)


def _unsupported(algorithm: str) -> ZumenFaultError:
    return security("UnsupportedAlgorithm", f"アルゴリズム '{algorithm}' は使えません。")
