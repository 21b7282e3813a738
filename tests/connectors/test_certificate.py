"""A client certificate from a PFX file opens a server that asks for one; what is wrong with it is said without its password."""

from __future__ import annotations

import ssl
import tempfile
import threading
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from http.server import BaseHTTPRequestHandler, HTTPServer
from ipaddress import ip_address
from pathlib import Path

import pytest
from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    pkcs12,
)
from cryptography.x509.oid import NameOID

from connectors.certificate import ClientCertificate
from connectors.errors import FixConfiguration, SourceUnavailable
from connectors.transport import Transport, TransportOptions

PASSWORD = "pfx-secret-1"


def issue(
    name: str, issuer: tuple[x509.Certificate, ec.EllipticCurvePrivateKey] | None
) -> tuple[x509.Certificate, ec.EllipticCurvePrivateKey]:
    """A certificate for 127.0.0.1, signed by ``issuer`` or by itself."""
    key = ec.generate_private_key(ec.SECP256R1())
    subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(subject)
        .issuer_name(issuer[0].subject if issuer else subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=1))
        .add_extension(x509.SubjectAlternativeName([x509.IPAddress(ip_address("127.0.0.1"))]), critical=False)
        .add_extension(x509.BasicConstraints(ca=issuer is None, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key((issuer[1] if issuer else key).public_key()), critical=False)
        .sign(issuer[1] if issuer else key, SHA256())
    )
    return made, key


class _Hello(BaseHTTPRequestHandler):
    def do_GET(self) -> None:
        self.send_response(200)
        self.send_header("Content-Length", "5")
        self.end_headers()
        self.wfile.write(b"hello")

    def log_message(self, format: str, *args: object) -> None:
        """Quiet."""


class _Server(HTTPServer):
    def handle_error(self, request: object, client_address: object) -> None:
        """Those who come without a certificate fail, as they should."""


@pytest.fixture(scope="module")
def guarded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[str, Path]]:
    """A server that lets in only who shows a certificate of its CA; and the folder with ``ca.pem`` and ``client.pfx``."""
    folder = tmp_path_factory.mktemp("certificates")
    authority = issue("authority", None)
    server_cert, server_key = issue("server", authority)
    client_cert, client_key = issue("client", authority)
    (folder / "ca.pem").write_bytes(authority[0].public_bytes(Encoding.PEM))
    (folder / "server.pem").write_bytes(
        server_key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption()) + server_cert.public_bytes(Encoding.PEM)
    )
    (folder / "client.pfx").write_bytes(
        pkcs12.serialize_key_and_certificates(b"client", client_key, client_cert, None, BestAvailableEncryption(PASSWORD.encode()))
    )
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = ssl.CERT_REQUIRED
    server = _Server(("127.0.0.1", 0), _Hello)
    server.socket = context.wrap_socket(server.socket, server_side=True)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.02})
    thread.start()
    yield f"https://127.0.0.1:{server.server_port}", folder
    server.shutdown()
    thread.join()
    server.server_close()


def options(folder: Path, certificate: ClientCertificate | None) -> TransportOptions:
    return TransportOptions(ca_file=folder / "ca.pem", client_certificate=certificate, attempts=1, read_timeout=5)


def test_the_certificate_opens_the_door(guarded: tuple[str, Path]) -> None:
    url, folder = guarded
    before = set(Path(tempfile.gettempdir()).glob("fortnight-*.pem"))
    transport = Transport(url, options=options(folder, ClientCertificate(folder / "client.pfx", PASSWORD)))
    assert transport.send("GET", "/").content == b"hello"
    transport.close()
    assert set(Path(tempfile.gettempdir()).glob("fortnight-*.pem")) <= before, "the key is left in no file"


def test_without_it_the_door_stays_shut(guarded: tuple[str, Path]) -> None:
    url, folder = guarded
    with pytest.raises((SourceUnavailable, FixConfiguration)):
        Transport(url, options=options(folder, None)).send("GET", "/")


@pytest.mark.parametrize(
    ("file", "password", "why"),
    [("client.pfx", "wrong-secret-2", "wrong password"), ("ca.pem", PASSWORD, "not a PFX"), ("nowhere.pfx", PASSWORD, "No such file")],
)
def test_a_certificate_that_cannot_be_used_is_named_without_its_password(
    guarded: tuple[str, Path], file: str, password: str, why: str
) -> None:
    url, folder = guarded
    given = ClientCertificate(folder / file, password)
    with pytest.raises(FixConfiguration) as caught:
        Transport(url, options=options(folder, given))
    assert caught.value.code == "transport.client_certificate"
    assert file in str(caught.value) and why in str(caught.value)
    assert password not in str(caught.value) + repr(given)
