"""A login by NTLM: against the sandbox's own door over real sockets, and against servers and wires that misbehave."""

from __future__ import annotations

import base64
import ipaddress
import logging
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from soap_fake import Fake, stream
from soap_windows import Erp, Leg, windows, wire

from connectors.errors import AccessRefused, BrokenReply, FortnightError, SourceUnavailable
from connectors.protocol import Window
from connectors.soap import connect
from connectors.soap.auth import Auth
from connectors.soap.config import Config
from connectors.soap.connector import SoapConnector
from connectors.soap.discover import offers
from connectors.transport import TransportOptions

PASSWORD = "correct-horse-電池"
KNOWN = [("SAKURA", "reader", PASSWORD), ("", "reader", PASSWORD), ("", "reader@sakura.example", PASSWORD), ("", "営業 太郎", "ﾊﾟｽﾜｰﾄﾞ髙﨑①")]
LOGIN = {"user": "reader", "domain": "SAKURA", "password": PASSWORD}
PAGED = {"paging": {"kind": "bookmark", "request": "bookmarkKey", "size": "setSize", "page": 1, "from": "Key"}}


def pulled(connector: SoapConnector, **source: Any) -> list[str]:
    try:
        pages = list(connector.pull(stream(**{**PAGED, **source}), Window()))
    finally:
        connector.close()
    return [code for page in pages for code in page.rows.column("code").to_pylist()]


def test_one_login_serves_a_whole_pull_and_no_envelope_is_sent_before_it_or_twice(tmp_path: Path) -> None:
    with windows(tmp_path, KNOWN) as erp:
        assert pulled(erp.connector(LOGIN)) == ["A", "B", "C"]
    assert {leg.connection for leg in erp.legs} == {0}
    # The contract has no body, so its first leg is the question itself; then the answer to the challenge; then all goes by itself.
    assert [(leg.message, leg.status) for leg in erp.legs[:4]] == [(0, 401), (1, 401), (3, 200), (0, 200)]
    assert all((leg.message, leg.status) == (0, 200) for leg in erp.legs[4:]) and len(erp.bodies) == 4
    assert sum(leg.size > 0 for leg in erp.legs) == 4


def test_an_envelope_is_not_sent_to_a_server_that_has_not_challenged_yet(tmp_path: Path) -> None:
    with windows(tmp_path, KNOWN) as erp:
        kept = {"bundle_dir": tmp_path / "contract"}
        before = erp.connector(LOGIN, **kept)
        before._services.client("", stream="-").contract()
        before.close()
        del erp.legs[:]
        assert pulled(erp.connector(LOGIN, **kept, offline=True)) == ["A", "B", "C"]
    assert [(leg.message, leg.size > 0, leg.status) for leg in erp.legs[:4]] == [
        (0, False, 401),
        (1, False, 401),
        (3, True, 200),
        (0, True, 200),
    ]


def test_threads_share_the_one_connection_in_turn(tmp_path: Path) -> None:
    with windows(tmp_path, KNOWN) as erp, ThreadPoolExecutor(4) as threads:
        connector = erp.connector(LOGIN)
        list(threads.map(lambda _: connector.watermark(), range(12)))
        connector.close()
    assert {leg.connection for leg in erp.legs} == {0} and sum(leg.message == 3 for leg in erp.legs) == 1


@pytest.mark.parametrize(
    "login",
    [
        {"user": "reader", "domain": "SAKURA", "password": PASSWORD},
        {"user": "SAKURA\\reader", "password": PASSWORD},
        {"user": "sakura\\Reader", "password": PASSWORD},
        {"user": "reader@sakura.example", "password": PASSWORD},
        {"user": "reader", "password": PASSWORD},
        {"user": "営業 太郎", "password": "ﾊﾟｽﾜｰﾄﾞ髙﨑①"},
    ],
)
@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate"])
def test_every_form_of_an_account_logs_in_by_either_scheme(tmp_path: Path, login: dict[str, str], scheme: str) -> None:
    with windows(tmp_path, KNOWN, schemes=(scheme,)) as erp:
        assert pulled(erp.connector(login)) == ["A", "B", "C"]


@pytest.mark.parametrize("scheme", ["NTLM", "Negotiate"])
@pytest.mark.parametrize("login", [{**LOGIN, "password": "wrong-horse"}, {**LOGIN, "user": "nobody"}, {**LOGIN, "domain": "OTHER"}])
def test_a_refused_login_is_said_once_and_never_tried_again(tmp_path: Path, scheme: str, login: dict[str, str]) -> None:
    with windows(tmp_path, KNOWN, schemes=(scheme,)) as erp, pytest.raises(AccessRefused) as caught:
        pulled(erp.connector(login, attempts=5))
    # A second try could lock the account.
    assert caught.value.code == "soap.refused" and [leg.message for leg in erp.legs] == [0, 1, 3] and not erp.bodies


def test_a_connection_cut_between_the_legs_means_a_new_login_on_a_new_one(tmp_path: Path) -> None:
    cuts = iter((True,))
    with windows(tmp_path, KNOWN) as erp, wire(_port(erp), lambda data: b"TlRMTVNTUAACAAAA" in data and next(cuts, False)) as port:
        assert pulled(erp.connector(LOGIN, attempts=3, url=f"http://localhost:{port}")) == ["A", "B", "C"]
    assert next(cuts, None) is None and sum(leg.message == 1 for leg in erp.legs) == 2


def test_a_server_that_closes_every_connection_after_its_challenge_is_named_and_not_taken_for_a_wrong_password(tmp_path: Path) -> None:
    with windows(tmp_path, KNOWN) as erp:
        erp.close = lambda status, message: message == 2
        with pytest.raises(SourceUnavailable) as caught:
            pulled(erp.connector(LOGIN, attempts=5))
    assert caught.value.code == "soap.ntlm_unsteady" and sum(leg.message == 3 for leg in erp.legs) == 3 and not erp.bodies


def test_a_connection_closed_after_each_answer_is_logged_in_anew_each_time(tmp_path: Path) -> None:
    with windows(tmp_path, KNOWN) as erp:
        erp.close = lambda status, message: status == 200
        assert pulled(erp.connector(LOGIN)) == ["A", "B", "C"]
    logins = [leg for leg in erp.legs if leg.message == 3]
    assert len({leg.connection for leg in logins}) == len(logins) == len(erp.bodies) + 2


def test_a_server_that_forgets_the_connection_is_logged_in_to_again_and_no_row_is_lost(tmp_path: Path) -> None:
    with windows(tmp_path, KNOWN) as erp:
        erp.meanwhile = lambda: erp.door.forget()
        assert pulled(erp.connector(LOGIN)) == ["A", "B", "C"]
    assert {leg.connection for leg in erp.legs} == {0} and len(erp.bodies) == 4
    assert sum(leg.message == 3 for leg in erp.legs) == 4


def test_what_the_door_knows_of_a_connection_goes_when_nothing_comes_on_it(tmp_path: Path) -> None:
    now = [0.0]
    with windows(tmp_path, KNOWN, idle=60.0, clock=lambda: now[0]) as erp:
        erp.meanwhile = lambda: now.__setitem__(0, now[0] + 61.0)
        assert pulled(erp.connector(LOGIN)) == ["A", "B", "C"]
    assert sum(leg.message == 3 for leg in erp.legs) == 4


def _port(erp: Erp) -> int:
    return httpx.URL(erp.url).port or 0


@pytest.fixture(scope="module")
def pems(tmp_path_factory: pytest.TempPathFactory) -> dict[str, tuple[Path, Path]]:
    """Certificates for localhost with their keys, in PEM, signed by SHA-256 and by SHA-512."""
    from cryptography import x509
    from cryptography.hazmat.primitives import hashes, serialization
    from cryptography.hazmat.primitives.asymmetric import ec
    from cryptography.x509.oid import NameOID

    home, found = tmp_path_factory.mktemp("pems"), {}
    now = datetime.now(UTC)
    for name, algorithm in (("sha256", hashes.SHA256()), ("sha512", hashes.SHA512())):
        key = ec.generate_private_key(ec.SECP256R1())
        subject = x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, name)])
        names = x509.SubjectAlternativeName([x509.DNSName("localhost"), x509.IPAddress(ipaddress.ip_address("127.0.0.1"))])
        built = x509.CertificateBuilder().subject_name(subject).issuer_name(subject).public_key(key.public_key()).serial_number(7)
        built = built.not_valid_before(now - timedelta(days=1)).not_valid_after(now + timedelta(days=9)).add_extension(names, False)
        made = built.add_extension(x509.BasicConstraints(True, None), True).sign(key, algorithm)
        found[name] = home / f"{name}.pem", home / f"{name}.key"
        found[name][0].write_bytes(made.public_bytes(serialization.Encoding.PEM))
        found[name][1].write_bytes(
            key.private_bytes(serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption())
        )
    return found


@pytest.mark.parametrize("name", ["sha256", "sha512"])
def test_over_tls_the_answer_is_bound_to_the_servers_own_certificate(tmp_path: Path, pems: dict[str, tuple[Path, Path]], name: str) -> None:
    from infra.sandbox.erp.ntlm import binding_of

    with windows(tmp_path, KNOWN, pems[name], binding=binding_of(pems[name][0].read_bytes())) as erp:
        assert pulled(erp.connector(LOGIN)) == ["A", "B", "C"]
    other = "sha512" if name == "sha256" else "sha256"
    with windows(tmp_path, KNOWN, pems[name], binding=binding_of(pems[other][0].read_bytes())) as erp, pytest.raises(AccessRefused):
        pulled(erp.connector(LOGIN))


@pytest.mark.parametrize("offered", ['Basic realm="NTLM, Negotiate"', "Bearer", 'Digest realm="x", nonce="NTLM"'])
def test_a_server_that_offers_no_ntlm_is_told_apart_from_a_wrong_password(offered: str) -> None:
    fake = Fake(httpx.Response(401, headers={"WWW-Authenticate": offered}))
    with pytest.raises(AccessRefused) as caught:
        pulled(fake.connector(auth={"ntlm": LOGIN}))
    assert caught.value.code == "soap.ntlm_not_offered" and offered.partition(" ")[0] in str(caught.value)


def test_challenges_in_one_header_line_are_read_too() -> None:
    seen: list[str] = []

    def answer(request: httpx.Request) -> httpx.Response:
        seen.append(request.headers.get("Authorization", ""))
        return httpx.Response(401, headers={"WWW-Authenticate": 'Basic realm="a, b", Negotiate, NTLM'})

    with pytest.raises(AccessRefused, match="refused the credentials"):
        pulled(Fake(answer).connector(auth={"ntlm": LOGIN}))
    assert [one.partition(" ")[0] for one in seen] == ["", "NTLM"]


def challenge(token: bytes, scheme: str = "NTLM") -> Any:
    """A server that answers the first message with this token."""

    def answer(request: httpx.Request) -> httpx.Response:
        said = f"{scheme} {base64.b64encode(token).decode()}" if "Authorization" in request.headers else scheme
        return httpx.Response(401, headers={"WWW-Authenticate": said})

    return answer


def real_challenge() -> bytes:
    from spnego._ntlm_raw.messages import AvId, Challenge, NegotiateFlags, TargetInfo

    info = TargetInfo()
    info[AvId.nb_domain_name] = "SAKURA"
    flags = NegotiateFlags.unicode | NegotiateFlags.ntlm | NegotiateFlags.target_info | NegotiateFlags.target_type_server
    return Challenge(flags, b"12345678", target_name="SAKURA", target_info=info).pack()


REAL = real_challenge()
tokens = st.one_of(
    st.binary(min_size=1, max_size=200),
    st.builds(lambda at, put: REAL[:at] + put + REAL[at + len(put) :], st.integers(0, len(REAL)), st.binary(max_size=12)),
    st.builds(lambda at: REAL[:at], st.integers(1, len(REAL))),
    st.builds(lambda tail: b"NTLMSSP\0\2\0\0\0" + tail, st.binary(max_size=120)),
)


@given(token=tokens, scheme=st.sampled_from(["NTLM", "Negotiate"]))
@settings(max_examples=300, deadline=None)
def test_whatever_a_server_sends_as_its_challenge_ends_in_a_named_error_without_the_token(token: bytes, scheme: str) -> None:
    from connectors.soap.auth import Ntlm
    from connectors.soap.ntlm import NtlmAuth

    with httpx.Client(transport=httpx.MockTransport(challenge(token, scheme)), auth=NtlmAuth(Ntlm.model_validate(LOGIN))) as client:
        try:
            assert client.post("http://erp.example/", content=b"<e/>").status_code == 401
        except BrokenReply as error:
            assert error.code == "soap.ntlm_broken"
            assert len(token) < 12 or base64.b64encode(token).decode() not in f"{error!r}{error.params}"


def test_neither_password_nor_token_reaches_a_log_or_an_error(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), windows(tmp_path, KNOWN) as erp:
        connector = erp.connector(LOGIN)
        assert pulled(connector) == ["A", "B", "C"]
        with pytest.raises(AccessRefused) as caught:
            pulled(erp.connector({**LOGIN, "password": "wrong-horse-駄目"}))
    error: FortnightError = caught.value
    said = "".join(
        record.getMessage() + str(record.exc_text) for record in caplog.records if record.name.split(".")[0] not in ("uvicorn", "asyncio")
    )
    said += f"{error} {error.say('ja')} {error.params} {connector._services.client('', stream='-').config!r}"
    for secret in (PASSWORD, "wrong-horse-駄目", "TlRMTVNT"):
        assert secret not in said


def test_ws_security_and_ntlm_stand_together(tmp_path: Path) -> None:
    with windows(tmp_path, KNOWN) as erp:
        token = {"user": "app", "password": "inner-secret", "digest": True}
        assert pulled(erp.connector(LOGIN, auth={"username_token": token})) == ["A", "B", "C"]
    assert all("UsernameToken" in body for body in erp.bodies) and Leg(0, 3, 0, 200) in erp.legs


@pytest.mark.parametrize(
    "auth",
    [
        {"ntlm": LOGIN, "basic": {"user": "a", "password": "b"}},
        {"ntlm": LOGIN, "bearer": "token"},
        {"ntlm": {**LOGIN, "user": "SAKURA\\reader"}},
        {"ntlm": {**LOGIN, "user": "reader@sakura.example"}},
        {"ntlm": {"user": "reader"}},
    ],
)
def test_a_login_that_is_said_twice_or_half_is_refused_where_it_stands(auth: dict[str, Any]) -> None:
    with pytest.raises(ValueError, match=r"ntlm|domain"):
        Auth.model_validate(auth)


def test_a_stream_of_the_sandbox_erp_comes_whole_through_its_windows_door_over_tls(tmp_path: Path) -> None:
    from infra.sandbox import process

    process.up(tmp_path, base_port=0, only=("erp",))
    connector = None
    try:
        known = process.describe(tmp_path)["erp"]["ntlm"]
        login = {"user": known["user"], "domain": known["domain"], "password": known["password"]}
        config = Config.model_validate({"wsdl": known["wsdl"], "auth": {"ntlm": login}})
        connector = connect("erp", config, TransportOptions(ca_file=next(tmp_path.rglob("ca.pem")), attempts=3))
        assert isinstance(connector, SoapConnector) and connector.check().ok
        offer = next(one for one in offers(connector._services.client("", stream="-"), "erp") if one.name == "suppliers")
        from test_soap_sandbox import stream_of

        rows = sum(page.rows.num_rows for page in connector.pull(stream_of(offer), Window()))
        assert rows == process.control(tmp_path, "truth", {"entity": "suppliers"}, server="erp")["count"] > 0
    finally:
        if connector is not None:
            connector.close()
        process.down(tmp_path)
