"""Certificates for loopback, made for a test: an authority, a server's, a client's."""

from __future__ import annotations

import ssl
from datetime import UTC, datetime, timedelta
from ipaddress import ip_address
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat, pkcs12
from cryptography.x509.oid import NameOID

PASSWORD = "pfx-secret-1"
Issued = tuple[x509.Certificate, ec.EllipticCurvePrivateKey]


def issue(name: str, issuer: Issued | None) -> Issued:
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


def written(folder: Path) -> None:
    """``ca.pem``, and signed by it ``server.pem`` with its key and ``client.pfx``, which PASSWORD opens."""
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


def served_by(folder: Path, verify: ssl.VerifyMode) -> ssl.SSLContext:
    """What a server needs that shows ``server.pem`` and asks for a client's certificate as ``verify`` says."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(folder / "server.pem")
    context.load_verify_locations(folder / "ca.pem")
    context.verify_mode = verify
    return context
