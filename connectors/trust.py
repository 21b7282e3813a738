"""Whom TLS trusts: the system's authorities and a company's own, a client's certificate, and how a failure of it is told from others."""

from __future__ import annotations

import ssl
from pathlib import Path

from connectors.certificate import ClientCertificate, load_client_certificate
from connectors.errors import FixConfiguration


def trust(ca_file: Path | None, certificate: ClientCertificate | None) -> ssl.SSLContext:
    """``ca_file`` comes beside the authorities that the machine trusts. Raises FixConfiguration for a file that can't be used."""
    context = ssl.create_default_context()
    if certificate is not None:
        load_client_certificate(context, certificate)
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=str(ca_file))
        except (OSError, ssl.SSLError) as error:
            raise FixConfiguration("transport.ca_file", path=str(ca_file), reason=str(error)) from error
    return context


def is_tls(error: BaseException) -> bool:
    """Whether an error, or one it came from, says that the other side is not who it should be, or speaks no TLS."""
    seen: BaseException | None = error
    while seen is not None:
        if (
            isinstance(seen, ssl.SSLCertVerificationError)
            or "CERTIFICATE_VERIFY_FAILED" in str(seen)
            or "WRONG_VERSION_NUMBER" in str(seen)
        ):
            return True
        seen = seen.__cause__ or seen.__context__
    return False
