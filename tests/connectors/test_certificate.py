"""A client certificate from a PFX file opens a server that asks for one; what is wrong with it is said without its password."""

from __future__ import annotations

import ssl
import tempfile
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest
from certificates import PASSWORD, served_by, written

from connectors.certificate import ClientCertificate
from connectors.errors import FixConfiguration, SourceUnavailable
from connectors.transport import Transport, TransportOptions


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
    written(folder)
    server = _Server(("127.0.0.1", 0), _Hello)
    server.socket = served_by(folder, ssl.CERT_REQUIRED).wrap_socket(server.socket, server_side=True)
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
    ("file", "password", "code"),
    [
        ("client.pfx", "wrong-secret-2", "certificate.wrong_password"),
        ("ca.pem", PASSWORD, "certificate.unknown_form"),
        ("nowhere.pfx", PASSWORD, "certificate.unreadable"),
    ],
)
def test_a_certificate_that_cannot_be_used_is_named_without_its_password(
    guarded: tuple[str, Path], file: str, password: str, code: str
) -> None:
    url, folder = guarded
    given = ClientCertificate(folder / file, password)
    with pytest.raises(FixConfiguration) as caught:
        Transport(url, options=options(folder, given))
    assert caught.value.code == code and file in str(caught.value)
    assert password not in str(caught.value) + repr(given)
