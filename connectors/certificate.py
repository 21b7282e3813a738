"""A client certificate for TLS, as a PFX file (PKCS #12): read once and loaded into a context; nothing of it is kept in files or messages."""

from __future__ import annotations

import os
import secrets
import ssl
import tempfile
from dataclasses import dataclass, field
from pathlib import Path

from connectors.errors import FixConfiguration


@dataclass(frozen=True)
class ClientCertificate:
    """Where the PFX file is, and the password it was given when it was downloaded."""

    file: Path
    password: str = field(repr=False)


def load_client_certificate(context: ssl.SSLContext, given: ClientCertificate) -> None:
    """Make ``context`` show this certificate. Raises FixConfiguration when the file can't be read or the password does not open it."""
    from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, PrivateFormat
    from cryptography.hazmat.primitives.serialization.pkcs12 import load_pkcs12

    try:
        content = given.file.read_bytes()
    except OSError as error:
        raise FixConfiguration("transport.client_certificate", path=given.file, reason=error.strerror or type(error).__name__) from error
    try:
        bundle = load_pkcs12(content, given.password.encode())
    except ValueError as error:
        # What the library says of a wrong password and of a file that is no PFX is one and the same.
        raise FixConfiguration("transport.client_certificate", path=given.file, reason="wrong password, or not a PFX file") from error
    if bundle.cert is None or bundle.key is None:
        raise FixConfiguration("transport.client_certificate", path=given.file, reason="no certificate with its private key inside")
    chain = b"".join(one.certificate.public_bytes(Encoding.PEM) for one in (bundle.cert, *bundle.additional_certs))
    # ssl reads keys from files only: the key lies there encrypted with a password of the moment, for the moment.
    once = secrets.token_hex(16)
    key = bundle.key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(once.encode()))
    handle, name = tempfile.mkstemp(prefix="fortnight-", suffix=".pem")
    try:
        with os.fdopen(handle, "wb") as target:
            target.write(key + chain)
        context.load_cert_chain(name, password=once)
    except ssl.SSLError as error:
        raise FixConfiguration("transport.client_certificate", path=given.file, reason=error.reason or "unusable key") from error
    finally:
        os.unlink(name)
