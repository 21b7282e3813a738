"""Every way to prove an app reaches content and rights of the running sandbox; what is refused is told by its number, and asked once."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from certificates import issue
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from pydantic import ValidationError
from sharepoint_world import config_of, options_of, rows_of, stream_of

from connectors.certificate import thumbprint_of
from connectors.errors import AccessRefused, FixConfiguration, SourceUnavailable
from connectors.protocol import Connector, Offer, Stream, Window
from connectors.sharepoint import connect
from connectors.transport import TransportOptions
from infra.sandbox import process

SITE = "/sites/quality"
LISTED = "測定機器台帳"
PASSWORD = "pass-phrase-1"


def opened(home: Path, **changes: Any) -> Connector:
    return connect("sharepoint", config_of(home, **changes), options_of(home))


@pytest.fixture(scope="module")
def offer(founded: Path) -> Offer:
    one = opened(founded, sites=(SITE,))
    try:
        return next(offer for offer in one.discover() if offer.title == LISTED)
    finally:
        one.close()


@pytest.fixture(scope="module")
def listed(offer: Offer) -> Stream:
    return stream_of(offer.source, offer.schema.fields, offer.key[0])


@pytest.fixture
def app(founded: Path) -> tuple[Any, x509.Certificate]:
    """The app's own key and certificate."""
    pem = Path(process.describe(founded)["sharepoint"]["certificate"]).read_bytes()
    return load_pem_private_key(pem, None), x509.load_pem_x509_certificate(pem[pem.index(b"-----BEGIN CERTIFICATE") :])


@pytest.fixture
def no_platform(monkeypatch: pytest.MonkeyPatch) -> Iterator[pytest.MonkeyPatch]:
    """A machine whose environment names no platform of its own."""
    for name in [one for one in os.environ if one.startswith(("IDENTITY_", "MSI_", "IMDS_", "AZURE_POD_"))]:
        monkeypatch.delenv(name)
    yield monkeypatch


def key_of(key: Any, password: str = "") -> bytes:
    return key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, BestAvailableEncryption(password.encode()) if password else NoEncryption())


def reads_all(one: Connector, listed: Stream) -> None:
    """Content comes, and every row of it lies in a scope that resolves to somebody."""
    try:
        access = one.access(listed)
        known = {scope.id: scope for scope in access.scopes}
        rows = rows_of(list(one.pull(listed, Window())))
        assert rows and all(known[row["_scope"]].resolved and known[row["_scope"]].principals for row in rows)
        assert access.unproven == ()
    finally:
        one.close()


Made = Callable[[Path, Any, x509.Certificate], dict[str, Any]]


def _pem(path: Path, key: Any, certificate: x509.Certificate) -> dict[str, Any]:
    path.write_bytes(key_of(key) + certificate.public_bytes(Encoding.PEM))
    return {"file": path}


def _locked_pem(path: Path, key: Any, certificate: x509.Certificate) -> dict[str, Any]:
    path.write_bytes(key_of(key, PASSWORD) + certificate.public_bytes(Encoding.PEM))
    return {"file": path, "password": PASSWORD}


def _pfx(path: Path, key: Any, certificate: x509.Certificate) -> dict[str, Any]:
    kept = BestAvailableEncryption(PASSWORD.encode())
    path.write_bytes(pkcs12.serialize_key_and_certificates(b"app", key, certificate, None, kept))
    return {"file": path, "password": PASSWORD}


def _pfx_by_thumbprint(path: Path, key: Any, certificate: x509.Certificate) -> dict[str, Any]:
    return {**_pfx(path, key, certificate), "thumbprint": True}


def _key_and_thumbprint(path: Path, key: Any, certificate: x509.Certificate) -> dict[str, Any]:
    path.write_bytes(key_of(key))
    digits = thumbprint_of(certificate)
    return {"file": path, "thumbprint": ":".join(digits[at : at + 2] for at in range(0, len(digits), 2)).lower()}


@pytest.mark.parametrize(
    ("made", "algorithm"),
    [(_pem, "PS256"), (_locked_pem, "PS256"), (_pfx, "PS256"), (_pfx_by_thumbprint, "RS256"), (_key_and_thumbprint, "RS256")],
)
def test_a_certificate_in_every_form_reads_content_and_rights(
    founded: Path, listed: Stream, app: tuple[Any, x509.Certificate], tmp_path: Path, made: Made, algorithm: str
) -> None:
    reads_all(opened(founded, certificate=made(tmp_path / "app.file", *app)), listed)
    header = process.control(founded, "tokens_given", {})["assertion"]
    assert header["alg"] == algorithm
    names = {"PS256": {"x5t#S256", "x5c"}, "RS256": {"x5t"}}[algorithm]
    assert {name for name in header if name.startswith("x5")} == names


def test_a_key_of_another_certificate_is_refused_by_number_and_not_asked_again(founded: Path, app: Any, tmp_path: Path) -> None:
    from cryptography.hazmat.primitives.asymmetric import rsa

    said = _key_and_thumbprint(tmp_path / "other.pem", rsa.generate_private_key(public_exponent=65537, key_size=2048), app[1])
    one = opened(founded, certificate=said)
    before = process.control(founded, "tokens_given", {})["asked"]
    with pytest.raises(AccessRefused, match="AADSTS700027"):
        list(one.discover())
    assert process.control(founded, "tokens_given", {})["asked"] == before + 1


def test_a_key_that_entra_does_not_take_is_told_before_it_is_asked(founded: Path, tmp_path: Path) -> None:
    certificate, key = issue("elliptic", None)
    before = process.control(founded, "tokens_given", {})["asked"]
    with pytest.raises(FixConfiguration) as caught:
        opened(founded, certificate=_pem(tmp_path / "ec.pem", key, certificate)).check()
    assert caught.value.code == "certificate.not_rsa"
    assert process.control(founded, "tokens_given", {})["asked"] == before


def test_a_pem_with_a_key_alone_needs_the_thumbprint(founded: Path, app: Any, tmp_path: Path) -> None:
    path = tmp_path / "key.pem"
    path.write_bytes(key_of(app[0]))
    for thumbprint in (False, True):
        with pytest.raises(FixConfiguration) as caught:
            opened(founded, certificate={"file": path, "thumbprint": thumbprint}).check()
        assert caught.value.code == "certificate.no_certificate"


def test_a_claims_challenge_is_answered_with_one_token_and_a_second_one_fails(living: Path, listed: Stream) -> None:
    one = opened(living)
    one.watermark()
    try:
        process.control(living, "challenge", {"nonce": "1790000001"})
        before = process.control(living, "tokens_given", {})["asked"]
        assert rows_of(list(one.pull(listed, Window())))
        assert process.control(living, "tokens_given", {})["asked"] == before + 1
        process.control(living, "challenge", {"nonce": "1790000002", "in_vain": True})
        before = process.control(living, "tokens_given", {})["asked"]
        with pytest.raises(AccessRefused) as refused:
            one.count(listed)
        assert refused.value.code == "sharepoint.token_refused"
        assert process.control(living, "tokens_given", {})["asked"] == before + 1
    finally:
        process.control(living, "challenge", {})
        one.close()


# -- the identity of the machine ------------------------------------------------------------------------------------------------------------


def machine(home: Path, told: Any, **changes: Any) -> Connector:
    return opened(home, managed_identity=told, certificate=None, client_id="", **changes)


@pytest.mark.parametrize("assigned", [False, True])
def test_an_app_service_reads_content_and_rights_with_no_key_at_all(
    founded: Path, listed: Stream, no_platform: pytest.MonkeyPatch, assigned: bool
) -> None:
    told = process.describe(founded)["sharepoint"]["managed_identity"]
    no_platform.setenv("IDENTITY_ENDPOINT", told["endpoint"])
    no_platform.setenv("IDENTITY_HEADER", told["header"])
    reads_all(machine(founded, {"client_id": told["client_id"]} if assigned else True), listed)


def test_a_virtual_machine_reads_content_and_rights_with_no_key_at_all(
    founded: Path, listed: Stream, no_platform: pytest.MonkeyPatch
) -> None:
    told = process.describe(founded)["sharepoint"]["managed_identity"]
    no_platform.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", told["imds"])
    one = machine(founded, True)
    assert one.check().ok
    reads_all(one, listed)


@pytest.mark.parametrize("name", ["client_id", "resource_id", "object_id"])
def test_an_identity_that_is_not_assigned_is_told_by_its_name(founded: Path, no_platform: pytest.MonkeyPatch, name: str) -> None:
    told = process.describe(founded)["sharepoint"]["managed_identity"]
    no_platform.setenv("IDENTITY_ENDPOINT", told["endpoint"])
    no_platform.setenv("IDENTITY_HEADER", told["header"])
    with pytest.raises(AccessRefused, match="of-nobody") as refused:
        list(machine(founded, {name: "of-nobody"}).discover())
    assert refused.value.code == "sharepoint.identity_refused"


def test_a_token_that_was_taken_back_is_bought_anew_from_the_platform(
    living: Path, listed: Stream, no_platform: pytest.MonkeyPatch
) -> None:
    told = process.describe(living)["sharepoint"]["managed_identity"]
    no_platform.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", told["imds"])
    one = machine(living, True)
    before = one.count(listed)
    process.control(living, "fault", {"kind": "revoke", "count": 1})
    assert one.count(listed) == before


def test_outside_azure_it_says_that_nobody_gives_identities_here(founded: Path, no_platform: pytest.MonkeyPatch) -> None:
    no_platform.setenv("AZURE_POD_IDENTITY_AUTHORITY_HOST", "http://127.0.0.1:1")
    with pytest.raises(SourceUnavailable) as caught:
        list(machine(founded, True).discover())
    assert caught.value.code == "sharepoint.identity_silent" and "certificate" in caught.value.say()


def test_what_answers_in_the_platforms_place_is_named(founded: Path, no_platform: pytest.MonkeyPatch) -> None:
    told = process.describe(founded)["sharepoint"]["managed_identity"]
    no_platform.setenv("IDENTITY_ENDPOINT", told["imds"] + "/nothing-here")
    no_platform.setenv("IDENTITY_HEADER", "x")
    with pytest.raises(FixConfiguration) as caught:
        list(machine(founded, True).discover())
    assert caught.value.code == "sharepoint.identity_unusable"


# -- what a project may say -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "why"),
    [
        ({"managed_identity": True}, "stands alone"),
        ({"managed_identity": {"client_id": "a", "object_id": "b"}, "certificate": None, "client_id": ""}, "name an assigned one"),
        ({"managed_identity": {}, "certificate": None, "client_id": ""}, "name an assigned one"),
        ({"client_id": ""}, "client_id is the id"),
        ({"certificate": None}, "give a certificate or a managed_identity"),
        ({"certificate": {"file": "app.pfx", "thumbprint": "A1B2"}}, "40"),
        ({"sites": ["https://elsewhere.example/sites/quality"]}, "another host"),
    ],
)
def test_what_cannot_be_meant_is_refused_with_what_can(founded: Path, changes: dict[str, Any], why: str) -> None:
    with pytest.raises(ValidationError, match=why):
        config_of(founded, **changes)


def test_a_site_may_be_named_by_its_address(founded: Path) -> None:
    host = config_of(founded).host
    named = config_of(founded, sites=[f"{host}/sites/quality/", f"{host}/sites/%E5%93%81%E8%B3%AA", "/sites/jinji"])
    assert named.sites == ("/sites/quality", "/sites/品質", "/sites/jinji")


def test_the_file_of_a_certificate_lies_beside_the_project(tmp_path: Path) -> None:
    from conformance.live import write_yaml

    from pipelines.project import load

    (tmp_path / "app.pfx").write_bytes(b"no certificate")
    system = {
        "kind": "sharepoint", "tenant": "contoso", "client_id": "a", "host": "https://contoso.sharepoint.example", "authority": "https://127.0.0.1:1/x",
    }  # fmt: skip
    for said in ("app.pfx", {"file": "app.pfx"}, {"file": "app.pfx", "password": {"env": "HOME"}}):
        content = {"name": "one", "environment": "staging", "systems": {"docs": {**system, "certificate": said}}}
        write_yaml(tmp_path / "project.yaml", content)
        one = load(tmp_path).connect("docs")
        with pytest.raises(FixConfiguration) as caught:
            list(one.keys(Stream("docs", "x", {"site": "/sites/q", "kind": "list", "name": "x"}, ("id",), ())))
        assert caught.value.code == "certificate.unknown_form", "it was found, and read"


def test_a_password_is_written_nowhere(founded: Path, app: Any, tmp_path: Path) -> None:
    said = _pfx(tmp_path / "app.pfx", *app)
    config = config_of(founded, certificate={**said, "password": "another-pass"})
    assert "another-pass" not in repr(config) + config.model_dump_json()
    with pytest.raises(FixConfiguration) as caught:
        connect("sharepoint", config, TransportOptions()).check()
    assert caught.value.code == "certificate.wrong_password" and "another-pass" not in caught.value.say()
