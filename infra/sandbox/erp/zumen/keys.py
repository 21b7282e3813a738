"""The secrets of who may read drawings: a password, and the key whose certificate the drawing office has on file."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import rsa
from cryptography.hazmat.primitives.serialization import pkcs12
from cryptography.x509.oid import NameOID

from infra.sandbox.settings import Settings

USER = "renkei-zumen"


@dataclass(frozen=True)
class Keys:
    """``pfx`` and ``certificate`` are paths: key and certificate for the reader, the certificate alone (PEM) for everybody."""

    password: str
    pfx: str
    pfx_password: str
    certificate: str


def _secret(kind: str, seed: int) -> str:
    return hashlib.sha256(f"zumen:{kind}:{seed}".encode()).hexdigest()[:24]


def keys(settings: Settings) -> Keys:
    """Where everything is; the files are there once the server has been built."""
    stem = settings.state / f"zumen-{settings.seed}"
    return Keys(_secret("password", settings.seed), f"{stem}.pfx", _secret("pfx", settings.seed), f"{stem}.pem")


def ensure(settings: Settings) -> x509.Certificate:
    """The certificate on file; key and certificate are made unless they are there and good for a day. RSA, as partners of old systems have it."""
    found = keys(settings)
    pfx, pem = settings.state / f"zumen-{settings.seed}.pfx", settings.state / f"zumen-{settings.seed}.pem"
    if pfx.exists() and pem.exists():
        known = x509.load_pem_x509_certificate(pem.read_bytes())
        if known.not_valid_after_utc > datetime.now(UTC) + timedelta(days=1):
            return known
    key = rsa.generate_private_key(65_537, 2_048)
    name = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, "Fortnight Sandbox Reader")])
    now = datetime.now(UTC)
    made = (
        x509.CertificateBuilder()
        .subject_name(name)
        .issuer_name(name)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now - timedelta(days=1))
        .not_valid_after(now + timedelta(days=90))
        .add_extension(x509.KeyUsage(True, False, False, False, False, False, False, False, False), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .sign(key, hashes.SHA256())
    )
    locked = serialization.BestAvailableEncryption(found.pfx_password.encode())
    pem.write_bytes(made.public_bytes(serialization.Encoding.PEM))
    pfx.touch(mode=0o600)
    pfx.write_bytes(pkcs12.serialize_key_and_certificates(b"reader", key, made, None, locked))
    return made
