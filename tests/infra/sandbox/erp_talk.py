"""How the ERP's tests talk to its server: one in a thread of the test's own, envelopes as bytes, and the WS-Security that zumen demands."""

from __future__ import annotations

import base64
import hashlib
import os
import socket
import threading
import time
import uuid
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any
from xml.sax.saxutils import escape

import httpx
import uvicorn
from cryptography import x509
from cryptography.hazmat.primitives import hashes
from cryptography.hazmat.primitives.asymmetric import padding, rsa
from cryptography.hazmat.primitives.serialization import Encoding, pkcs12
from lxml import etree

from infra.sandbox import ca
from infra.sandbox.clock import SandboxClock
from infra.sandbox.erp.app import build, describe
from infra.sandbox.host import MarkedApp
from infra.sandbox.settings import Settings

ORIGIN = datetime(2026, 11, 2, 3, 0, tzinfo=UTC)
ADMIN = "letmein"
SOAP11, SOAP12 = "http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope"
ENCODING, XSI = "http://schemas.xmlsoap.org/soap/encoding/", "http://www.w3.org/2001/XMLSchema-instance"
WSSE = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-secext-1.0.xsd"
WSU = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-wssecurity-utility-1.0.xsd"
WSA, DS = "http://www.w3.org/2005/08/addressing", "http://www.w3.org/2000/09/xmldsig#"
EXCLUSIVE = "http://www.w3.org/2001/10/xml-exc-c14n#"
DIGEST = "http://docs.oasis-open.org/wss/2004/01/oasis-200401-wss-username-token-profile-1.0#PasswordDigest"
HANBAI, ZUMEN = "http://hanbai.sakura-seiki.example/ns/", "urn:sakura-seiki.example:zumen"


@contextmanager
def serving(folder: Path, *, tls: bool = False) -> Iterator[Settings]:
    """The ERP on a socket of its own, stopped at the end."""
    folder.mkdir(exist_ok=True)
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        listener.listen(64)
        port = listener.getsockname()[1]
        certificates = ca.ensure(folder) if tls else None
        ca_file = certificates.ca_file if certificates else folder / "ca.pem"
        settings = Settings(SandboxClock(ORIGIN), port, port, folder, ca_file, ADMIN)
        options: dict[str, Any] = {"log_level": "critical", "lifespan": "off"}
        if certificates:
            options |= {"ssl_certfile": str(certificates.cert_file), "ssl_keyfile": str(certificates.key_file)}
        server = uvicorn.Server(uvicorn.Config(MarkedApp(build(settings), settings.clock), **options))
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            assert thread.is_alive()
            time.sleep(0.01)
        try:
            yield settings
        finally:
            server.should_exit = True
            thread.join(10)


@dataclass
class Talk:
    """Calls to one server over plain HTTP."""

    settings: Settings

    def __post_init__(self) -> None:
        self.told = describe(self.settings)
        self.base = self.settings.http_url

    def url(self, service: str) -> str:
        path = {"SakuraErp": "/erp/ws/SakuraErp", "hanbai": "/erp/hanbai/server.php", "zumen": "/erp/zumen/service"}[service]
        return self.base + path

    def control(self, verb: str, **body: Any) -> dict[str, Any]:
        reply = httpx.post(f"{self.base}/_sandbox/{verb}", json=body, headers={"X-Sandbox-Admin": ADMIN}, trust_env=False, timeout=30)
        assert reply.status_code == 200, reply.text
        return reply.json()

    def refusal(self, verb: str, **body: Any) -> str:
        reply = httpx.post(f"{self.base}/_sandbox/{verb}", json=body, headers={"X-Sandbox-Admin": ADMIN}, trust_env=False, timeout=30)
        assert reply.status_code == 400, reply.text
        return reply.json()["error"]

    def wsdl(self, service: str) -> etree._Element:
        return etree.fromstring(self.get(f"{self.url(service)}?wsdl").content)

    def get(self, url: str) -> httpx.Response:
        return httpx.get(url, auth=(self.told["user"], self.told["password"]), trust_env=False, timeout=30)

    def post(self, service: str, body: str | bytes, media_type: str = "text/xml; charset=utf-8", **headers: str) -> httpx.Response:
        sent = {"content-type": media_type, **{name.replace("_", "-"): value for name, value in headers.items()}}
        auth = (self.told["user"], self.told["password"]) if service == "SakuraErp" else None
        content = body.encode() if isinstance(body, str) else body
        return httpx.post(self.url(service), content=content, headers=sent, auth=auth, trust_env=False, timeout=30)

    # --- SakuraErp ---

    def items(self, size: int = 10, bookmark: str = "", filters: str = "") -> httpx.Response:
        inner = f"{filters}<bookmarkKey>{bookmark}</bookmarkKey><setSize>{size}</setSize>"
        name, namespace = "ReadMultipleItems", "urn:sakura-seiki.example:erp:items"
        return self.post(
            "SakuraErp", f'<s:Envelope xmlns:s="{SOAP11}"><s:Body><{name} xmlns="{namespace}">{inner}</{name}></s:Body></s:Envelope>'
        )

    # --- hanbai ---

    def authentication(self, **changed: str) -> str:
        told = self.told["hanbai"]
        values = {"hanbaikey": told["key"], "sourceapplication": "test", "login": told["user"], "password": told["password"], "entity": ""}
        inner = "".join(f"<{name}>{escape(value)}</{name}>" for name, value in (values | changed).items())
        return f"<authentication>{inner}</authentication>"

    def hanbai(self, operation: str, parts: str = "", authentication: str | None = None) -> httpx.Response:
        said = self.authentication() if authentication is None else authentication
        body = f'<ns1:{operation} xmlns:ns1="{HANBAI}">{said}{parts}</ns1:{operation}>'
        return self.post("hanbai", f'<s:Envelope xmlns:s="{SOAP11}"><s:Body>{body}</s:Body></s:Envelope>')

    def invoices(self, **filters: str) -> etree._Element:
        """The reply to a list of sales invoices."""
        inner = "".join(f"<{name}>{value}</{name}>" for name, value in filters.items())
        reply = self.hanbai("getListOfInvoices", f"<filterinvoice>{inner}</filterinvoice>")
        assert reply.status_code == 200, reply.text
        return etree.fromstring(reply.content, etree.XMLParser(huge_tree=True))

    # --- zumen ---

    def zumen(self, operation: str, arguments: str, header: str | None = None, **secured: Any) -> httpx.Response:
        """A call; ``header`` replaces everything in it, ``secured`` goes to ``security``."""
        return self.post(
            "zumen",
            self.request(operation, arguments, header, **secured),
            f'application/soap+xml; charset=utf-8; action="{ZUMEN}:{operation}"',
        )

    def request(self, operation: str, arguments: str, header: str | None = None, *, sign: bool = False, **secured: Any) -> bytes:
        said = self.addressing(operation) + self.security(**secured) if header is None else header
        text = (
            f'<s:Envelope xmlns:s="{SOAP12}" xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}" xmlns:wsa="{WSA}"><s:Header>{said}</s:Header>'
            f'<s:Body wsu:Id="body"><z:{operation} xmlns:z="{ZUMEN}">{arguments}</z:{operation}></s:Body></s:Envelope>'
        )
        return self.signed(text.encode()) if sign else text.encode()

    def addressing(self, operation: str, **changed: str) -> str:
        values = {"Action": f"{ZUMEN}:{operation}", "MessageID": f"urn:uuid:{uuid.uuid4()}", "To": self.url("zumen")} | changed
        return "".join(f"<wsa:{name}>{escape(value)}</wsa:{name}>" for name, value in values.items() if value)

    def security(
        self,
        *,
        user: str | None = None,
        password: str | None = None,
        nonce: bytes | None = None,
        created: str | None = None,
        kind: str = DIGEST,
        extra: str = "",
    ) -> str:
        told = self.told["zumen"]
        nonce = os.urandom(16) if nonce is None else nonce
        created = datetime.now(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if created is None else created
        secret = told["password"] if password is None else password
        digest = base64.b64encode(hashlib.sha1(nonce + created.encode() + secret.encode()).digest()).decode()
        said = digest if kind == DIGEST else secret
        return (
            f'<wsse:Security s:mustUnderstand="true">{extra}<wsse:UsernameToken><wsse:Username>{user or told["user"]}</wsse:Username>'
            f'<wsse:Password Type="{kind}">{said}</wsse:Password><wsse:Nonce>{base64.b64encode(nonce).decode()}</wsse:Nonce>'
            f"<wsu:Created>{created}</wsu:Created></wsse:UsernameToken></wsse:Security>"
        )

    def key(self) -> tuple[rsa.RSAPrivateKey, x509.Certificate]:
        told = self.told["zumen"]
        key, certificate, _ = pkcs12.load_key_and_certificates(Path(told["pfx"]).read_bytes(), told["pfx_password"].encode())
        assert isinstance(key, rsa.RSAPrivateKey) and certificate is not None
        return key, certificate

    def signed(self, envelope: bytes, key: rsa.RSAPrivateKey | None = None, certificate: x509.Certificate | None = None) -> bytes:
        """The envelope with its body (``wsu:Id="body"``) signed by RSA-SHA256, the certificate sent along."""
        own_key, own_certificate = self.key()
        root = etree.fromstring(envelope)
        body = root.find(f"{{{SOAP12}}}Body")
        digest = base64.b64encode(hashlib.sha256(_canonical(body)).digest()).decode()
        token = base64.b64encode((certificate or own_certificate).public_bytes(Encoding.DER)).decode()
        security = root.find(f".//{{{WSSE}}}Security")
        assert security is not None
        security.append(
            etree.fromstring(
                f'<wsse:BinarySecurityToken xmlns:wsse="{WSSE}" xmlns:wsu="{WSU}" wsu:Id="token">{token}</wsse:BinarySecurityToken>'
            )
        )
        signature = etree.fromstring(
            f'<ds:Signature xmlns:ds="{DS}"><ds:SignedInfo><ds:CanonicalizationMethod Algorithm="{EXCLUSIVE}"/>'
            '<ds:SignatureMethod Algorithm="http://www.w3.org/2001/04/xmldsig-more#rsa-sha256"/><ds:Reference URI="#body">'
            f'<ds:Transforms><ds:Transform Algorithm="{EXCLUSIVE}"/></ds:Transforms>'
            '<ds:DigestMethod Algorithm="http://www.w3.org/2001/04/xmlenc#sha256"/>'
            f"<ds:DigestValue>{digest}</ds:DigestValue></ds:Reference></ds:SignedInfo><ds:SignatureValue/>"
            f'<ds:KeyInfo><wsse:SecurityTokenReference xmlns:wsse="{WSSE}"><wsse:Reference URI="#token"/></wsse:SecurityTokenReference></ds:KeyInfo>'
            "</ds:Signature>"
        )
        security.append(signature)
        value = (key or own_key).sign(_canonical(signature[0]), padding.PKCS1v15(), hashes.SHA256())
        signature[1].text = base64.b64encode(value).decode()
        return etree.tostring(root)


def _canonical(element: etree._Element | None) -> bytes:
    assert element is not None
    return etree.tostring(element, method="c14n", exclusive=True, with_comments=False)


def text_of(root: etree._Element, name: str) -> str | None:
    return root.findtext(f".//{{*}}{name}")


def fault_of(reply: httpx.Response) -> tuple[str, list[str]]:
    """The code of a SOAP 1.2 Fault and its subcodes, the outer one first."""
    root = etree.fromstring(reply.content)
    code = root.find(f".//{{{SOAP12}}}Fault/{{{SOAP12}}}Code")
    assert code is not None, reply.text
    subcodes = [one.text or "" for one in code.iterfind(f".//{{{SOAP12}}}Subcode/{{{SOAP12}}}Value")]
    return code.findtext(f"{{{SOAP12}}}Value") or "", subcodes


def parts_of(reply: httpx.Response) -> list[tuple[dict[str, str], bytes]]:
    """The parts of a multipart reply: headers with lower-case names, and exact bytes."""
    boundary = reply.headers["content-type"].split('boundary="')[1].split('"')[0].encode()
    pieces = (b"\r\n" + reply.content).split(b"\r\n--" + boundary)
    assert pieces[0] == b"" and pieces[-1] == b"--\r\n"
    found: list[tuple[dict[str, str], bytes]] = []
    for piece in pieces[1:-1]:
        head, body = piece.split(b"\r\n\r\n", 1)
        lines = (line.split(": ", 1) for line in head.decode().strip().split("\r\n"))
        found.append(({name.lower(): value for name, value in lines}, body))
    return found
