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
#: The six letters and the version that every signature begins with.
_HEAD = b"SSHSIG" + (1).to_bytes(4, "big")
_BEGIN, _END = "-----BEGIN SSH SIGNATURE-----", "-----END SSH SIGNATURE-----"


def sign(message: bytes, key: Path, namespace: str = NAMESPACE) -> str:
    """The armoured signature over ``message`` with the private key in the file ``key``.

    A key without a passphrase is used as it is. Any other (a passphrase, or the public half of a key that an agent holds) is left to
    ``ssh-keygen``, which asks. Raises FixConfiguration when neither can sign.
    """
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey
    from cryptography.hazmat.primitives.serialization import Encoding, PublicFormat, load_ssh_private_key

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
    signature = private.sign(_inner(message, namespace, "sha512"))
    own, made = _string(_ALGORITHM) + _string(public), _string(_ALGORITHM) + _string(signature)
    blob = _HEAD + b"".join(_string(part) for part in (own, namespace.encode(), b"", b"sha512", made))
    text = base64.b64encode(blob).decode()
    # ssh-keygen breaks lines after 70 characters, so that both give the same text.
    lines = [text[at : at + 70] for at in range(0, len(text), 70)]
    return "\n".join([_BEGIN, *lines, _END, ""])


def signed_by(message: bytes, armoured: str, namespace: str = NAMESPACE) -> str | None:
    """The public key (``ssh-ed25519 BASE64``) whose signature over ``message`` this is; None when it is nobody's.

    Read by ourselves and strictly: rows of a ledger may carry anything, and what carries no signature must not end in an error. Only Ed25519
    over SHA-256 or SHA-512 is taken, and no byte is left over.
    """
    from cryptography.exceptions import InvalidSignature
    from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

    lines = armoured.strip("\r\n ").replace("\r\n", "\n").split("\n")
    if len(lines) < 3 or (lines[0], lines[-1]) != (_BEGIN, _END):
        return None
    try:
        blob = base64.b64decode(text := "".join(lines[1:-1]), validate=True)
    except ValueError:
        return None
    if base64.b64encode(blob).decode() != text:
        # The last letter may hold bits that are nobody's.
        return None
    outer = _strings(blob[len(_HEAD) :], 5) if blob.startswith(_HEAD) else None
    if outer is None or outer[1] != namespace.encode() or outer[2] or outer[3] not in _HASHES:
        return None
    key, signature = _strings(outer[0], 2), _strings(outer[4], 2)
    if key is None or signature is None or (key[0], signature[0]) != (_ALGORITHM, _ALGORITHM) or len(key[1]) != 32:
        return None
    try:
        Ed25519PublicKey.from_public_bytes(key[1]).verify(signature[1], _inner(message, namespace, outer[3].decode()))
    except (InvalidSignature, ValueError):
        return None
    return f"{_ALGORITHM.decode()} {base64.b64encode(outer[0]).decode()}"


def short(key: str) -> str:
    """A public key as ``ssh-keygen -l`` shows it (``SHA256:…``), for people to compare."""
    blob = base64.b64decode(key.split()[1])
    return "SHA256:" + base64.b64encode(hashlib.sha256(blob).digest()).decode().rstrip("=")


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


def _strings(data: bytes, count: int) -> list[bytes] | None:
    """``count`` strings, each behind its length (RFC 4251, section 5), and nothing after them; else None."""
    found: list[bytes] = []
    for _ in range(count):
        length = int.from_bytes(data[:4], "big")
        if len(data) < 4 + length or len(data) < 4:
            return None
        found.append(data[4 : 4 + length])
        data = data[4 + length :]
    return None if data else found


def _inner(message: bytes, namespace: str, algorithm: str) -> bytes:
    """What the key itself signs: the namespace and the message's hash."""
    digest = hashlib.new(algorithm, message).digest()
    return b"SSHSIG" + b"".join(_string(part) for part in (namespace.encode(), b"", algorithm.encode(), digest))
