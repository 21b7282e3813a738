"""Certificates out of PEM and PFX files: which one is meant, and for every file that can't be used one sentence in each language."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest
from certificates import PASSWORD, Issued, issue
from cryptography.hazmat.primitives.serialization import BestAvailableEncryption, Encoding, NoEncryption, PrivateFormat, pkcs12
from cryptography.x509 import Certificate

from connectors.certificate import open_file, own_certificate, thumbprint_of
from connectors.errors import FixConfiguration

ROOT = issue("root", None)
OURS = issue("ours", ROOT)
OTHER = issue("other", ROOT)


def pfx(folder: Path, own: Issued, others: Sequence[Certificate] = (), password: str = PASSWORD) -> Path:
    kept = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    path = folder / "app.pfx"
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"app", own[1], own[0], list(others) or None, kept))
    return path


def pem(folder: Path, key: Issued, certificates: Sequence[Certificate], password: str = "") -> Path:
    kept = BestAvailableEncryption(password.encode()) if password else NoEncryption()
    path = folder / "app.pem"
    parts = [key[1].private_bytes(Encoding.PEM, PrivateFormat.PKCS8, kept), *(one.public_bytes(Encoding.PEM) for one in certificates)]
    path.write_bytes(b"".join(parts))
    return path


def own(path: Path, password: str | None = None, thumbprint: str = "", now: datetime | None = None) -> Certificate | None:
    return own_certificate(path, open_file(path, password), thumbprint, now)


@pytest.mark.parametrize("password", ["", PASSWORD])
def test_a_pfx_and_a_pem_give_the_same_certificate_with_and_without_a_password(tmp_path: Path, password: str) -> None:
    for path in (pfx(tmp_path, OURS, password=password), pem(tmp_path, OURS, [OURS[0]], password)):
        assert own(path, password or None) == OURS[0]


def test_a_file_is_told_by_what_is_in_it_and_not_by_its_name(tmp_path: Path) -> None:
    renamed = pfx(tmp_path, OURS).rename(tmp_path / "app.pem")
    assert own(renamed, PASSWORD) == OURS[0]


def test_a_password_that_a_pem_does_not_need_is_no_fault(tmp_path: Path) -> None:
    assert own(pem(tmp_path, OURS, [OURS[0]]), "not-needed") == OURS[0]


def test_the_chain_may_lie_beside_the_certificate(tmp_path: Path) -> None:
    assert own(pfx(tmp_path, OURS, [ROOT[0]]), PASSWORD) == OURS[0]
    assert own(pem(tmp_path, OURS, [ROOT[0], OURS[0]])) == OURS[0]


def test_among_several_certificates_the_thumbprint_says_which_is_meant(tmp_path: Path) -> None:
    path = pfx(tmp_path, OURS, [OTHER[0]])
    with pytest.raises(FixConfiguration) as caught:
        own(path, PASSWORD)
    assert caught.value.code == "certificate.several"
    assert all(thumbprint_of(one) in caught.value.say() for one in (OURS[0], OTHER[0]))
    for sha1 in (True, False):
        assert own(path, PASSWORD, thumbprint_of(OURS[0], sha1=sha1)) == OURS[0]


def test_a_thumbprint_of_a_certificate_with_another_key_is_a_mismatch(tmp_path: Path) -> None:
    with pytest.raises(FixConfiguration) as caught:
        own(pfx(tmp_path, OURS, [OTHER[0]]), PASSWORD, thumbprint_of(OTHER[0]))
    assert caught.value.code == "certificate.key_mismatch"


def test_a_thumbprint_that_is_not_in_the_file_is_told_with_those_that_are(tmp_path: Path) -> None:
    with pytest.raises(FixConfiguration) as caught:
        own(pem(tmp_path, OURS, [OURS[0]]), thumbprint=thumbprint_of(OTHER[0]))
    assert caught.value.code == "certificate.other_thumbprint" and thumbprint_of(OURS[0]) in caught.value.say()


def test_a_key_that_does_not_match_is_told(tmp_path: Path) -> None:
    with pytest.raises(FixConfiguration) as caught:
        own(pem(tmp_path, OURS, [OTHER[0]]))
    assert caught.value.code == "certificate.key_mismatch"


def test_an_expired_certificate_is_told_with_its_day(tmp_path: Path) -> None:
    path = pem(tmp_path, OURS, [OURS[0]])
    end = OURS[0].not_valid_after_utc
    with pytest.raises(FixConfiguration, match=f"{end:%Y-%m-%d}") as caught:
        own(path, now=end + timedelta(seconds=1))
    assert caught.value.code == "certificate.expired"
    assert own(path, now=datetime.now(UTC)) == OURS[0]


@pytest.mark.parametrize(
    ("made", "password", "code"),
    [
        (lambda folder: pfx(folder, OURS), "wrong-secret-2", "certificate.wrong_password"),
        (lambda folder: pem(folder, OURS, [OURS[0]], PASSWORD), "wrong-secret-2", "certificate.wrong_password"),
        (lambda folder: pfx(folder, OURS), None, "certificate.no_password"),
        (lambda folder: pem(folder, OURS, [OURS[0]], PASSWORD), None, "certificate.no_password"),
        (lambda folder: folder / "nowhere.pfx", PASSWORD, "certificate.unreadable"),
    ],
)
def test_what_is_wrong_with_a_file_is_one_sentence_without_its_password(tmp_path: Path, made, password, code) -> None:
    with pytest.raises(FixConfiguration) as caught:
        own(made(tmp_path), password)
    assert caught.value.code == code
    for said in (caught.value.say("ja"), caught.value.say("en")):
        assert "{" not in said and PASSWORD not in said and (password or "-none-") not in said


def test_a_file_that_is_no_certificate_and_one_without_a_key_are_told_apart(tmp_path: Path) -> None:
    path = tmp_path / "app.cer"
    for content, code in ((b"hello", "certificate.unknown_form"), (OURS[0].public_bytes(Encoding.PEM), "certificate.no_key")):
        path.write_bytes(content)
        with pytest.raises(FixConfiguration) as caught:
            own(path)
        assert caught.value.code == code
