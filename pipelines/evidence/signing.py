"""SSH signatures: what a person's own key says about bytes, in the format of ``ssh-keygen -Y sign``. No ledger here.

Format: https://github.com/openssh/openssh-portable/blob/master/PROTOCOL.sshsig
"""

from __future__ import annotations

import base64
import hashlib
import subprocess
import tempfile
from pathlib import Path

from connectors.errors import FixConfiguration
from pipelines.people import key_files, public_key

#: What a signature was made for (``ssh-keygen -n``): one made for git or for a mail says nothing here.
NAMESPACE = "fortnight"
_HASHES = (b"sha256", b"sha512")
_ALGORITHM = b"ssh-ed25519"


def sign(message: bytes, key: Path, namespace: str = NAMESPACE) -> str:
    """The armoured signature over ``message`` with the private key in the file ``key``.

    A key without a passphrase is used as it is. Any other (a passphrase, or the public half of a key that an agent holds) is left to
    ``ssh-keygen``, which asks. Raises FixConfiguration when neither can sign.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key
    from sshsig.sshsig import SshsigWrapper

    try:
        raw = key.expanduser().read_bytes()
    except OSError as error:
        raise FixConfiguration("decision.no_key", path=str(key)) from error
    try:
        private = load_ssh_private_key(raw, password=None)
    except (ValueError, TypeError):
        return _by_keygen(message, key.expanduser(), namespace)
    if not isinstance(private, Ed25519PrivateKey):
        raise FixConfiguration("decision.bad_key", path=str(key))
    public = private.public_key().public_bytes(Encoding.Raw, PublicFormat.Raw)
    digest = hashlib.sha512(message).digest()
    inner = SshsigWrapper(namespace=namespace.encode(), hash_algo=b"sha512", hash=digest).to_bytes()
    blob = b"SSHSIG" + (1).to_bytes(4, "big")
    for part in (
        _string(_ALGORITHM) + _string(public),
        namespace.encode(),
        b"",
        b"sha512",
        _string(_ALGORITHM) + _string(private.sign(inner)),
    ):
        blob += _string(part)
    text = base64.b64encode(blob).decode()
    # ssh-keygen breaks lines after 70 characters, so that both give the same text.
    lines = [text[at : at + 70] for at in range(0, len(text), 70)]
    return "\n".join(["-----BEGIN SSH SIGNATURE-----", *lines, "-----END SSH SIGNATURE-----", ""])


def signed_by(message: bytes, armoured: str, namespace: str = NAMESPACE) -> str | None:
    """The public key (``ssh-ed25519 BASE64``) whose signature over ``message`` this is; None when it is nobody's.

    Only Ed25519 over SHA-256 or SHA-512 is taken.
    """
    from sshsig import InvalidSignature, check_signature
    from sshsig.sshsig import SshsigSignature

    try:
        if SshsigSignature.from_armored(armoured).hash_algo not in _HASHES:
            return None
        key = check_signature(message, armoured, namespace)
    except (InvalidSignature, NotImplementedError, ValueError, EOFError):
        return None
    words = key.openssh_str().split()
    return f"{words[0]} {words[1]}" if words[0] == _ALGORITHM.decode() else None


def public_half(key: Path) -> str:
    """The public key (``ssh-ed25519 BASE64``) that belongs to a key file: the file beside it with ``.pub``, or the key's own.

    Raises FixConfiguration when there is none to be read.
    """
    path = key.expanduser()
    beside = path if path.suffix == ".pub" else path.with_name(path.name + ".pub")
    try:
        return public_key(beside.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        signature = sign(b"", path)
    found = signed_by(b"", signature)
    if found is None:
        raise FixConfiguration("decision.bad_key", path=str(key))
    return found


def make_key(path: Path, comment: str) -> str:
    """Write a new Ed25519 key without passphrase (mode 0600) and its public half beside it: for sandboxes and tests. Returns the public half."""
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, NoEncryption, PrivateFormat, PublicFormat

    private = Ed25519PrivateKey.generate()
    path.parent.mkdir(parents=True, exist_ok=True)
    path.touch(mode=0o600)
    path.write_bytes(private.private_bytes(Encoding.PEM, PrivateFormat.OpenSSH, NoEncryption()))
    public = private.public_key().public_bytes(Encoding.OpenSSH, PublicFormat.OpenSSH).decode()
    path.with_name(path.name + ".pub").write_text(f"{public} {comment}\n", encoding="utf-8")
    return public


def sandbox_keys(folder: Path) -> dict[str, Path]:
    """A private key for each person of the project at ``folder`` whose key file in people.yaml is not there yet, and those that are: by id.

    For the sandbox, whose people are made up; a real person's key is their own and made by them.
    """
    found: dict[str, Path] = {}
    for person, public in key_files(folder).items():
        private = public.with_suffix("")
        if not public.exists():
            make_key(private, person)
        found[person] = private
    return found


def _by_keygen(message: bytes, key: Path, namespace: str) -> str:
    with tempfile.TemporaryDirectory() as folder:
        told = Path(folder) / "decision"
        told.write_bytes(message)
        try:
            done = subprocess.run(
                ["ssh-keygen", "-Y", "sign", "-f", str(key), "-n", namespace, str(told)], check=False, stdout=subprocess.DEVNULL
            )
        except OSError as error:
            raise FixConfiguration("decision.bad_key", path=str(key)) from error
        made = told.with_suffix(".sig")
        if done.returncode != 0 or not made.exists():
            raise FixConfiguration("decision.bad_key", path=str(key))
        return made.read_text(encoding="ascii")


def _string(data: bytes) -> bytes:
    return len(data).to_bytes(4, "big") + data
