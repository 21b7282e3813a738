"""What an app proves itself with, as msal wants it: its secret, or its certificate in the form that is asked for."""

from __future__ import annotations

from typing import Any

from connectors.certificate import open_file, own_certificate, thumbprint_of
from connectors.errors import FixConfiguration
from connectors.sharepoint.config import Certificate, Config


def credential(config: Config) -> str | dict[str, Any]:
    """msal's ``client_credential``. Raises FixConfiguration for a certificate that can't be used, with what is wrong with it."""
    if config.certificate is not None:
        return _of_certificate(config.certificate)
    assert config.client_secret is not None  # Config refuses to exist without either
    return config.client_secret.get_secret_value()


def _of_certificate(given: Certificate) -> dict[str, Any]:
    from cryptography.hazmat.primitives.asymmetric.rsa import RSAPrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding

    opened = open_file(given.file, given.password.get_secret_value() if given.password else None)
    if not isinstance(opened.key, RSAPrivateKey):
        raise FixConfiguration("certificate.not_rsa", path=given.file.name)
    certificate = own_certificate(given.file, opened, given.meant)
    # The opened key itself: as text it would be read and proven once more.
    key = opened.key
    if given.by_sha1 and (certificate is not None or given.meant):
        # With a thumbprint msal signs RS256 and sends x5t, and no certificate beside it.
        return {"private_key": key, "thumbprint": given.meant if certificate is None else thumbprint_of(certificate)}
    if certificate is None:
        raise FixConfiguration("certificate.no_certificate", path=given.file.name)
    # Without one it signs PS256 and sends x5t#S256 and x5c, which is what Entra asks for today.
    return {"private_key": key, "public_certificate": certificate.public_bytes(Encoding.PEM).decode("ascii")}
