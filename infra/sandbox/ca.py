"""The sandbox's certificate authority, the one leaf certificate its servers share, and a client's certificate."""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import ExtendedKeyUsageOID, NameOID

CA_COMMON_NAME = "Fortnight Sandbox CA"
CLIENT_COMMON_NAME = "Fortnight Sandbox Client"
#: Of the sandbox's client.pfx; no secret, the key lies beside it in the clear.
PFX_PASSWORD = b"sandbox"


@dataclass(frozen=True)
class Certificates:
    """Paths of PEM files: the CA to trust, the servers' certificate and key, and a client's, the latter also as PFX."""

    ca_file: Path
    cert_file: Path
    key_file: Path
    client_cert_file: Path
    client_key_file: Path
    client_pfx_file: Path


def paths_in(folder: Path) -> Certificates:
    """Where the files are or will be."""
    names = ("ca.pem", "server.pem", "server.key", "client.pem", "client.key", "client.pfx")
    return Certificates(*(folder / name for name in names))


def ensure(folder: Path) -> Certificates:
    """Make the CA and the leaf in ``folder`` unless they are there and still good for a day."""
    found = paths_in(folder)
    if all(path.exists() for path in vars(found).values()):
        leaf = x509.load_pem_x509_certificate(found.cert_file.read_bytes())
        if leaf.not_valid_after_utc > datetime.now(UTC) + timedelta(days=1):
            return found
    folder.mkdir(parents=True, exist_ok=True)
    _make(found)
    return found


def _make(paths: Certificates) -> None:
    now = datetime.now(UTC)
    ca_key = ec.generate_private_key(ec.SECP256R1())
    ca_name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, CA_COMMON_NAME)])
    ca_cert = (
        x509.CertificateBuilder()
        .subject_name(ca_name)
        .issuer_name(ca_name)
        .public_key(ca_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=365))
        .add_extension(x509.BasicConstraints(ca=True, path_length=0), critical=True)
        .add_extension(x509.KeyUsage(False, False, False, False, False, True, True, False, False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    key = ec.generate_private_key(ec.SECP256R1())
    leaf = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "localhost")]))
        .issuer_name(ca_name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=90))
        .add_extension(
            x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))]), critical=False
        )
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.SERVER_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    client_key = ec.generate_private_key(ec.SECP256R1())
    client = (
        x509.CertificateBuilder()
        .subject_name(x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, CLIENT_COMMON_NAME)]))
        .issuer_name(ca_name)
        .public_key(client_key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=90))
        .add_extension(x509.ExtendedKeyUsage([ExtendedKeyUsageOID.CLIENT_AUTH]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_public_key(ca_key.public_key()), critical=False)
        .sign(ca_key, hashes.SHA256())
    )
    paths.ca_file.write_bytes(ca_cert.public_bytes(serialization.Encoding.PEM))
    paths.cert_file.write_bytes(leaf.public_bytes(serialization.Encoding.PEM))
    paths.client_cert_file.write_bytes(client.public_bytes(serialization.Encoding.PEM))
    for path, own in ((paths.key_file, key), (paths.client_key_file, client_key)):
        path.touch(mode=0o600)
        path.write_bytes(own.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()))
    paths.client_pfx_file.touch(mode=0o600)
    paths.client_pfx_file.write_bytes(
        pkcs12.serialize_key_and_certificates(b"client", client_key, client, [ca_cert], serialization.BestAvailableEncryption(PFX_PASSWORD))
    )
