"""Certificates with their private keys, out of PFX (PKCS #12) and PEM files: opened once, and nothing of them is kept in files or messages."""

from __future__ import annotations

import hashlib
import os
import re
import secrets
import ssl
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

from pydantic import AfterValidator, ValidationInfo

from connectors.errors import FixConfiguration

if TYPE_CHECKING:
    from cryptography.hazmat.primitives.asymmetric.types import PrivateKeyTypes
    from cryptography.x509 import Certificate

_PEM_KEY = re.compile(rb"-----BEGIN (?:\w+ )*PRIVATE KEY-----.+?-----END (?:\w+ )*PRIVATE KEY-----", re.S)
_PEM_CERTIFICATE = re.compile(rb"-----BEGIN CERTIFICATE-----.+?-----END CERTIFICATE-----", re.S)
#: Every DER structure that holds others begins with it, and so every PFX file.
_DER = b"\x30"
#: Digests of the private keys, as their files have them, that were proven in this process: no key is kept, only that it is one.
_PROVEN: set[bytes] = set()
#: Hexadecimal digits of a SHA-1 thumbprint, as the Entra admin center shows it.
SHA1_DIGITS = 40


def _beside(path: Path, info: ValidationInfo) -> Path:
    folder = (info.context or {}).get("folder")
    return path if folder is None else folder / path


#: A setting that names a file; where the context of the validation gives the project's ``folder``, a relative path starts there.
ProjectPath = Annotated[Path, AfterValidator(_beside)]


@dataclass(frozen=True)
class ClientCertificate:
    """Where the PFX file is, and the password it was given when it was downloaded."""

    file: Path
    password: str = field(repr=False)


@dataclass(frozen=True)
class Opened:
    """What one file holds: a private key, and certificates of which one or none may be the key's."""

    key: PrivateKeyTypes = field(repr=False)
    certificates: tuple[Certificate, ...]


def load_client_certificate(context: ssl.SSLContext, given: ClientCertificate) -> None:
    """Make ``context`` show this certificate. Raises FixConfiguration when the file can't be read or the password does not open it."""
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat

    opened = _open_pfx(given.file, _content(given.file), given.password)
    own = next((one for one in opened.certificates if _belongs(one, opened.key)), None)
    if own is None:
        raise FixConfiguration("certificate.key_mismatch", path=given.file.name)
    chain = b"".join(one.public_bytes(Encoding.PEM) for one in (own, *(one for one in opened.certificates if one != own)))
    # ssl reads keys from files only: the key lies there encrypted with a password of the moment, for the moment.
    once = secrets.token_hex(16)
    key = opened.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(once.encode()))
    handle, name = tempfile.mkstemp(prefix="fortnight-", suffix=".pem")
    try:
        with os.fdopen(handle, "wb") as target:
            target.write(key + chain)
        context.load_cert_chain(name, password=once)
    except ssl.SSLError as error:
        raise FixConfiguration("transport.client_certificate", path=given.file, reason=error.reason or "unusable key") from error
    finally:
        os.unlink(name)


def open_file(file: Path, password: str | None) -> Opened:
    """The key and the certificates of a PEM or PFX file, told apart by what is in it and not by its name.

    Raises FixConfiguration when it can't be read, is neither, lacks the key, or when the password is missing or does not open it.
    """
    content = _content(file)
    if b"-----BEGIN " in content:
        return _open_pem(file, content, password)
    return _open_pfx(file, content, password or "")


def own_certificate(file: Path, opened: Opened, thumbprint: str = "", now: datetime | None = None) -> Certificate | None:
    """The certificate that belongs to the key; ``thumbprint`` (SHA-1 or SHA-256 in hex) says which one is meant where there are several.

    The certificates of those who issued it may lie beside it. None where the file holds none at all. Raises FixConfiguration where
    there is no telling which one is meant, where the one that is meant belongs to another key, and where it has expired by ``now``.
    """
    if not opened.certificates:
        return None
    if thumbprint:
        meant = [one for one in opened.certificates if thumbprint_of(one, sha1=len(thumbprint) == SHA1_DIGITS) == thumbprint]
        if not meant:
            raise FixConfiguration(
                "certificate.other_thumbprint", path=file.name, thumbprint=thumbprint, found=_listed(opened.certificates, len(thumbprint))
            )
    else:
        meant = [one for one in opened.certificates if _belongs(one, opened.key)]
        candidates = [*meant, *(one for one in opened.certificates if one not in meant and not _issues(one, opened.certificates))]
        if meant and len(candidates) > 1:
            raise FixConfiguration("certificate.several", path=file.name, found=_listed(candidates, SHA1_DIGITS))
    if not meant or not _belongs(meant[0], opened.key):
        raise FixConfiguration("certificate.key_mismatch", path=file.name)
    # A certificate's time is a matter of real time, whatever clock a project runs on.
    if meant[0].not_valid_after_utc < (now or datetime.now(UTC)):  # noqa: TID251
        raise FixConfiguration("certificate.expired", path=file.name, until=f"{meant[0].not_valid_after_utc:%Y-%m-%d}")
    return meant[0]


def thumbprint_of(certificate: Certificate, *, sha1: bool = True) -> str:
    """The certificate's digest in upper-case hex."""
    from cryptography.hazmat.primitives.hashes import SHA1, SHA256

    return certificate.fingerprint(SHA1() if sha1 else SHA256()).hex().upper()


def _content(file: Path) -> bytes:
    try:
        return file.read_bytes()
    except OSError as error:
        raise FixConfiguration("certificate.unreadable", path=file, reason=error.strerror or type(error).__name__) from error


def _open_pfx(file: Path, content: bytes, password: str) -> Opened:
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

    if not content.startswith(_DER):
        raise FixConfiguration("certificate.unknown_form", path=file.name)
    try:
        bundle = load_pkcs12(content, password.encode() or None)
    except ValueError as error:
        # What the library says of a wrong password and of a damaged file is one and the same.
        raise FixConfiguration("certificate.wrong_password" if password else "certificate.no_password", path=file.name) from error
    if bundle.key is None:
        raise FixConfiguration("certificate.no_key", path=file.name)
    found = (bundle.cert, *bundle.additional_certs)
    return Opened(bundle.key, tuple(one.certificate for one in found if one is not None))


def _open_pem(file: Path, content: bytes, password: str | None) -> Opened:
    from cryptography.hazmat.primitives.serialization import load_pem_private_key
    from cryptography.x509 import load_pem_x509_certificate

    key = _PEM_KEY.search(content)
    if key is None:
        raise FixConfiguration("certificate.no_key", path=file.name)
    encrypted = b"ENCRYPTED" in key.group()
    if encrypted and not password:
        raise FixConfiguration("certificate.no_password", path=file.name)
    # To prove an RSA key, that its parts are one key's, costs more than all else of a connector. What was proven once in this process is.
    proof = hashlib.sha256(key.group()).digest()
    try:
        private = load_pem_private_key(
            key.group(), password.encode() if encrypted and password else None, unsafe_skip_rsa_key_validation=proof in _PROVEN
        )
        certificates = tuple(load_pem_x509_certificate(one) for one in _PEM_CERTIFICATE.findall(content))
    except ValueError as error:
        raise FixConfiguration("certificate.wrong_password" if encrypted else "certificate.unknown_form", path=file.name) from error
    _PROVEN.add(proof)
    return Opened(private, certificates)


def _belongs(certificate: Certificate, key: PrivateKeyTypes) -> bool:
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat

    form = Encoding.DER, PublicFormat.SubjectPublicKeyInfo
    return certificate.public_key().public_bytes(*form) == key.public_key().public_bytes(*form)


def _issues(certificate: Certificate, among: Sequence[Certificate]) -> bool:
    """Whether it issued another one of them, and so is there as part of its chain."""
    return any(one != certificate and one.issuer == certificate.subject for one in among)


def _listed(certificates: Sequence[Certificate], digits: int) -> str:
    return ", ".join(thumbprint_of(one, sha1=digits == SHA1_DIGITS) for one in certificates)
