"""SSH signatures: the same bytes as ssh-keygen's, and nothing else is taken for one."""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st
from sshsig import check_signature

from connectors.errors import FixConfiguration
from pipelines.evidence.signing import NAMESPACE, make_key, public_half, sign, signed_by

MESSAGE = "昇格に同意する".encode()
needs_keygen = pytest.mark.skipif(shutil.which("ssh-keygen") is None, reason="ssh-keygen is not on this machine")


@pytest.fixture(scope="module")
def key(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("keys") / "kenta.suzuki"
    make_key(path, "kenta.suzuki")
    return path


def keygen(*arguments: str, message: bytes = MESSAGE) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["ssh-keygen", *arguments], input=message, capture_output=True, check=False)


def test_a_signature_names_its_key_and_holds_for_its_message_only(key: Path):
    signature = sign(MESSAGE, key)
    assert signed_by(MESSAGE, signature) == public_half(key)
    assert signed_by(MESSAGE + b".", signature) is None
    assert signed_by(MESSAGE, signature, "git") is None, "made for another purpose"


@needs_keygen
def test_ours_is_to_the_byte_what_ssh_keygen_makes(key: Path, tmp_path: Path):
    (tmp_path / "message").write_bytes(MESSAGE)
    assert keygen("-Y", "sign", "-f", str(key), "-n", NAMESPACE, str(tmp_path / "message")).returncode == 0
    assert (tmp_path / "message.sig").read_text(encoding="ascii") == sign(MESSAGE, key)


def test_another_reader_of_the_format_agrees(key: Path):
    assert check_signature(MESSAGE, sign(MESSAGE, key), NAMESPACE).openssh_str().split()[:2] == public_half(key).split()


@needs_keygen
def test_ssh_keygen_verifies_ours(key: Path, tmp_path: Path):
    (tmp_path / "allowed").write_text(f"kenta {public_half(key)}\n", encoding="utf-8")
    (tmp_path / "signature").write_text(sign(MESSAGE, key), encoding="ascii")
    arguments = ("-Y", "verify", "-f", str(tmp_path / "allowed"), "-I", "kenta", "-n", NAMESPACE, "-s", str(tmp_path / "signature"))
    assert keygen(*arguments).returncode == 0
    assert keygen(*arguments, message=MESSAGE + b".").returncode != 0


@needs_keygen
def test_a_key_of_another_kind_signs_nothing_here(tmp_path: Path):
    assert keygen("-q", "-t", "ecdsa", "-N", "", "-f", str(tmp_path / "other")).returncode == 0
    with pytest.raises(FixConfiguration, match="Ed25519"):
        sign(MESSAGE, tmp_path / "other")


def test_a_key_file_that_is_not_there_is_a_sentence(tmp_path: Path):
    with pytest.raises(FixConfiguration, match="--sign-with"):
        sign(MESSAGE, tmp_path / "nobody")


def test_a_new_key_is_readable_by_its_owner_only(key: Path):
    assert key.stat().st_mode & 0o777 == 0o600


@given(st.text(max_size=400))
def test_text_that_is_no_signature_is_nobodys(text: str):
    assert signed_by(MESSAGE, text) is None
    assert signed_by(MESSAGE, f"-----BEGIN SSH SIGNATURE-----\n{text}\n-----END SSH SIGNATURE-----\n") is None


@given(st.data())
def test_a_signature_with_any_character_of_it_changed_is_nobodys(key: Path, data: st.DataObject):
    lines = sign(MESSAGE, key).splitlines()
    at = data.draw(st.integers(1, len(lines) - 2))
    place = data.draw(st.integers(0, len(lines[at]) - 1))
    other = data.draw(st.sampled_from([c for c in "ABCDEFabcdef0123456789+/" if c != lines[at][place]]))
    # The last characters of base64 carry bits that mean nothing.
    if lines[at][place] != "=" and not (at == len(lines) - 2 and place >= len(lines[at].rstrip("=")) - 1):
        lines[at] = lines[at][:place] + other + lines[at][place + 1 :]
        assert signed_by(MESSAGE, "\n".join(lines)) is None
