"""Whom TLS trusts: the system's authorities and a company's own, a client's certificate, and how a failure of it is told from others."""

from __future__ import annotations

import ssl
from functools import lru_cache
from pathlib import Path

from connectors.certificate import ClientCertificate, load_client_certificate
from connectors.errors import FixConfiguration


def trust(ca_file: Path | None, certificate: ClientCertificate | None) -> ssl.SSLContext:
    """``ca_file`` comes beside the authorities that the machine trusts. Raises FixConfiguration for a file that can't be used.

    Connections that show no certificate of their own share one context while the files it was read from stay as they are: reading the
    machine's authorities costs more than a small pull's requests.
    """
    if certificate is None:
        return _shared(ca_file, _stand(ca_file), tuple(map(_stand, _authorities())))
    context = ssl.create_default_context()
    load_client_certificate(context, certificate)
    return _with(context, ca_file)


@lru_cache(maxsize=8)
def _shared(ca_file: Path | None, _own: object, _machine: object) -> ssl.SSLContext:
    return _with(ssl.create_default_context(), ca_file)


def _with(context: ssl.SSLContext, ca_file: Path | None) -> ssl.SSLContext:
    if ca_file is not None:
        try:
            context.load_verify_locations(cafile=str(ca_file))
        except (OSError, ssl.SSLError) as error:
            raise FixConfiguration("transport.ca_file", path=str(ca_file), reason=str(error)) from error
    return context


def _authorities() -> tuple[Path | None, Path | None]:
    """Where the machine keeps the authorities it trusts: a file and a folder, each by the environment or by OpenSSL's own build."""
    paths = ssl.get_default_verify_paths()
    return Path(paths.cafile) if paths.cafile else None, Path(paths.capath) if paths.capath else None


def _stand(path: Path | None) -> tuple[str, int, int, int] | None:
    """What tells one state of a file or folder from the next; None where there is none."""
    if path is None:
        return None
    try:
        found = path.stat()
    except OSError:
        return None
    return str(path), found.st_ino, found.st_size, found.st_mtime_ns


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
