"""A token proves who asks, or it proves nothing: forged, borrowed, stale and headless ones, keys that rotate, groups that are too many."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import jwt
import pytest
from cryptography.hazmat.primitives import serialization
from cryptography.hazmat.primitives.asymmetric import rsa

from connectors.errors import FixConfiguration, SourceUnavailable
from pipelines.serving.callers.groups import Groups
from pipelines.serving.callers.identity import GroupsNow
from pipelines.serving.callers.keys import Keys
from pipelines.serving.callers.tokens import DevelopmentTokens, EntraTokens, Tokens, bearer
from pipelines.serving.reasons import AnswerWithheld, Reason
from pipelines.serving.secret import secret_file

NOW = datetime(2026, 11, 2, 9, tzinfo=UTC)
TENANT, OTHER = "5a4b7a5e-1c1e-4f0e-9a51-0c0ffee05a1a", "11111111-1111-4111-8111-111111111111"
OID, GROUP = "22222222-2222-4222-8222-222222222222", "33333333-3333-4333-8333-333333333333"
AUDIENCE, ISSUER = "api://search", f"https://login.example/{TENANT}/v2.0"
KEY = rsa.generate_private_key(public_exponent=65537, key_size=2048)
FORGER = rsa.generate_private_key(public_exponent=65537, key_size=2048)
CLAIMS: dict[str, Any] = {
    "iss": ISSUER,
    "aud": AUDIENCE,
    "tid": TENANT,
    "oid": OID,
    "scp": "access_as_user",
    "azp": "client",
    "iat": NOW - timedelta(minutes=5),
    "nbf": NOW - timedelta(minutes=5),
    "exp": NOW + timedelta(minutes=55),
}


def jwks(*names: str) -> dict[str, Any]:
    public = json.loads(jwt.algorithms.RSAAlgorithm.to_jwk(KEY.public_key()))
    return {"keys": [{**public, "kid": name, "use": "sig"} for name in names]}


def verifier(**more: Any) -> EntraTokens:
    return EntraTokens(TENANT, (AUDIENCE,), ISSUER, "access_as_user", Keys(lambda: jwks("one")), **more)


def signed(claims: Mapping[str, Any], key: Any = KEY, algorithm: str = "RS256", **header: Any) -> str:
    return jwt.encode(dict(claims), key, algorithm=algorithm, headers={"kid": "one", **header})


def unsigned(claims: Mapping[str, Any]) -> str:
    return jwt.encode(dict(claims), None, algorithm="none", headers={"kid": "one"})


def by_public_key(claims: Mapping[str, Any]) -> str:
    """HS256 with the public key as its secret, made by hand: libraries refuse to make one."""
    pem = KEY.public_key().public_bytes(serialization.Encoding.PEM, serialization.PublicFormat.SubjectPublicKeyInfo)
    times = {name: int(value.timestamp()) if isinstance(value, datetime) else value for name, value in claims.items()}
    parts = [{"alg": "HS256", "typ": "JWT", "kid": "one"}, times]
    head = b".".join(base64.urlsafe_b64encode(json.dumps(part).encode()).rstrip(b"=") for part in parts)
    mark = base64.urlsafe_b64encode(hmac.new(pem, head, hashlib.sha256).digest()).rstrip(b"=")
    return (head + b"." + mark).decode()


def reason_of(token: str, by: EntraTokens | None = None, at: datetime = NOW) -> tuple[Reason, object]:
    with pytest.raises(AnswerWithheld) as refused:
        (by or verifier()).verify(token, at)
    return refused.value.reason, refused.value.params.get("why")


def test_a_good_token_proves_an_object_of_the_tenant_and_nothing_else_it_says() -> None:
    token = signed({**CLAIMS, "email": "boss@x.example", "preferred_username": "boss@x.example", "upn": "boss@x.example", "sub": "s"})
    caller = verifier().verify(token, NOW)
    assert (caller.user, caller.client, caller.mail, caller.app_only) == (f"user:entra:{TENANT}/{OID}", "client", "", False)
    assert "boss" not in repr(caller)


@pytest.mark.parametrize(
    ("token", "why"),
    [
        (signed(CLAIMS, FORGER), "InvalidSignature"),
        (unsigned(CLAIMS), "alg"),
        (by_public_key(CLAIMS), "alg"),
        (signed(CLAIMS, algorithm="RS512"), "alg"),
        (signed({**CLAIMS, "aud": "https://graph.microsoft.com"}), "InvalidAudience"),
        (signed({**CLAIMS, "iss": f"https://login.example/{OTHER}/v2.0"}), "InvalidIssuer"),
        (signed({**CLAIMS, "tid": OTHER}), "tid"),
        (signed({**CLAIMS, "exp": NOW - timedelta(minutes=2)}), "exp: it has expired"),
        (signed({**CLAIMS, "nbf": NOW + timedelta(minutes=2)}), "nbf"),
        (signed({**CLAIMS, "iat": NOW + timedelta(minutes=2)}), "iat"),
        (signed({**CLAIMS, "scp": "User.Read"}), "scp"),
        (signed({**CLAIMS, "oid": "x' OR 'a'='a"}), "oid"),
        (signed({**CLAIMS, "oid": OID.replace("2", "２", 1)}), "oid"),
        (signed({**CLAIMS, "oid": "2" * 10_000}), "oid"),
        (signed({**CLAIMS, "groups": "everyone"}), None),
        (signed({name: value for name, value in CLAIMS.items() if name != "exp"}), "MissingRequiredClaim"),
        (signed({name: value for name, value in CLAIMS.items() if name != "oid"}), "MissingRequiredClaim"),
        (signed({**CLAIMS, "exp": "soon"}), None),
        (signed(CLAIMS, kid=""), "kid"),
        (signed(CLAIMS, kid="../../two"), "kid"),
        ("not a token", "no JWT"),
        ("a.b.c", "no JWT"),
    ],
    ids=[
        "forged", "alg-none", "hs256-with-public-key", "other-alg", "wrong-audience", "wrong-issuer", "wrong-tenant", "expired", "not-yet",
        "from-tomorrow", "other-scope", "sql", "look-alike", "10-kB", "groups-no-list", "no-exp", "no-oid", "exp-no-number", "no-kid",
        "made-up-kid", "no-token", "three-dots",
    ],
)  # fmt: skip
def test_what_proves_nothing_is_refused_and_says_by_which_part(token: str, why: str | None) -> None:
    reason, said = reason_of(token, verifier(groups_of=lambda *_: frozenset()))
    assert reason is Reason.BAD_TOKEN
    assert why is None or said == why


def test_clocks_may_differ_by_a_little() -> None:
    edge = signed({**CLAIMS, "exp": NOW - timedelta(seconds=30), "nbf": NOW + timedelta(seconds=30)})
    assert verifier().verify(edge, NOW).user


def test_an_apps_own_token_is_no_person_whatever_it_says() -> None:
    without = {name: value for name, value in CLAIMS.items() if name != "scp"}
    for claims in (without, {**without, "roles": ["Everything"]}, {**CLAIMS, "idtyp": "app"}):
        caller = verifier().verify(signed(claims), NOW)
        assert (caller.app_only, caller.user, caller.mail) == (True, "", "")


def test_groups_in_the_token_are_the_newest_word() -> None:
    caller = verifier(groups_of=lambda *_: frozenset({"never"})).verify(signed({**CLAIMS, "groups": [GROUP.upper()]}), NOW)
    assert caller.now_in == GroupsNow(caller.user, frozenset({f"group:entra:{TENANT}/{GROUP}"}))
    assert verifier(groups_of=lambda *_: frozenset()).verify(signed(CLAIMS), NOW).now_in is None
    assert verifier().verify(signed({**CLAIMS, "groups": [GROUP]}), NOW).now_in is None, "the project lets the tables decide"


@pytest.mark.parametrize("sign", [{"_claim_names": {"groups": "src1"}}, {"hasgroups": "true"}, {"hasgroups": True}])
def test_too_many_groups_are_asked_of_the_directory_by_object_id(sign: dict[str, Any]) -> None:
    asked: list[str] = []

    def directory(oid: str, now: datetime) -> frozenset[str]:
        asked.append(oid)
        return frozenset({"group:entra:x/y"})

    caller = verifier(groups_of=directory).verify(signed({**CLAIMS, **sign}), NOW)
    assert (asked, caller.now_in) == ([OID], GroupsNow(caller.user, frozenset({"group:entra:x/y"})))


def test_a_directory_that_is_down_refuses_and_what_it_said_before_holds_for_minutes_only() -> None:
    alive = [True]

    def ask(oid: str) -> frozenset[str]:
        if alive[0]:
            return frozenset({oid})
        raise SourceUnavailable("source.unavailable", host="graph", reason="HTTP 503", attempts=2)

    groups = Groups(ask)
    assert groups.of("a", NOW) == {"a"}
    alive[0] = False
    assert groups.of("a", NOW + timedelta(minutes=4)) == {"a"}
    for oid, at in (("a", NOW + timedelta(minutes=6)), ("b", NOW), ("a", NOW - timedelta(minutes=1))):
        with pytest.raises(AnswerWithheld) as refused:
            groups.of(oid, at)
        assert refused.value.reason is Reason.GROUPS_UNKNOWN and refused.value.retry_after
    with pytest.raises(ValueError, match="ten minutes"):
        Groups(ask, kept=timedelta(minutes=11))


def test_keys_that_rotate_are_found_and_made_up_names_cost_the_authority_one_request_a_minute() -> None:
    names, reads = ["one"], [0]

    def fetch() -> Mapping[str, Any]:
        reads[0] += 1
        return jwks(*names)

    keys = Keys(fetch)
    assert keys.get("one", NOW) and reads == [1]
    names[:] = ["two"]
    assert keys.get("two", NOW + timedelta(minutes=2)) and reads == [2]
    for n in range(50):
        with pytest.raises(AnswerWithheld, match="not accepted"):
            keys.get(f"made-up-{n}", NOW + timedelta(minutes=4))
    assert reads == [3]
    with pytest.raises(AnswerWithheld):
        keys.get("one", NOW + timedelta(minutes=6))


def test_without_its_authority_known_keys_hold_for_a_day_and_unknown_ones_are_not_judged() -> None:
    alive = [True]

    def fetch() -> Mapping[str, Any]:
        if not alive[0]:
            raise SourceUnavailable("source.unavailable", host="login", reason="refused", attempts=2)
        return jwks("one")

    keys = Keys(fetch)
    keys.get("one", NOW)
    alive[0] = False
    assert keys.get("one", NOW + timedelta(hours=23))
    for kid, at in (("new", NOW + timedelta(hours=23)), ("one", NOW + timedelta(hours=25))):
        with pytest.raises(AnswerWithheld) as refused:
            keys.get(kid, at)
        assert refused.value.reason is Reason.KEYS_UNKNOWN


def test_a_key_set_gives_only_keys_that_sign() -> None:
    odd = [
        {"kty": "RSA", "use": "enc", "kid": "one"},
        {"kty": "oct", "k": "c2VjcmV0", "kid": "one"},
        {"kty": "RSA", "kid": "one", "n": "!", "e": "!"},
    ]
    with pytest.raises(AnswerWithheld):
        Keys(lambda: {"keys": odd}).get("one", NOW)


def test_a_development_token_is_good_for_its_project_and_its_hour_only(tmp_path: Path) -> None:
    mine = DevelopmentTokens(secret_file(tmp_path / "key"), "fortnight:a:sandbox")
    token = mine.issue(" Misaki.Sato@Sakura-Seiki.example ", NOW, timedelta(hours=1))
    assert mine.verify(token, NOW).mail == "misaki.sato@sakura-seiki.example"
    others = [
        DevelopmentTokens(secret_file(tmp_path / "other"), "fortnight:a:sandbox"),
        DevelopmentTokens(secret_file(tmp_path / "key"), "fortnight:b:sandbox"),
        DevelopmentTokens(secret_file(tmp_path / "key"), "fortnight:a:staging"),
    ]
    for other in others:
        with pytest.raises(AnswerWithheld):
            other.verify(token, NOW)
    with pytest.raises(AnswerWithheld):
        mine.verify(token, NOW + timedelta(hours=2))
    with pytest.raises(ValueError, match="a day"):
        mine.issue("a@b.example", NOW, timedelta(hours=25))


def test_each_kind_of_token_is_judged_by_its_own_keys_and_production_knows_one_kind(tmp_path: Path) -> None:
    development = DevelopmentTokens(secret_file(tmp_path / "key"), "fortnight:a:sandbox")
    token = development.issue("a@b.example", NOW, timedelta(hours=1))
    both = Tokens(verifier(), development)
    assert both.verify(token, NOW).mail and both.verify(signed(CLAIMS), NOW).user
    with pytest.raises(AnswerWithheld):
        Tokens(verifier(), None).verify(token, NOW)
    with pytest.raises(AnswerWithheld):
        both.verify(signed(CLAIMS, typ="fortnight-dev+jwt"), NOW)
    with pytest.raises(AnswerWithheld, match="length"):
        both.verify("a" * 20_000, NOW)
    with pytest.raises(AnswerWithheld) as nobody:
        both.verify("", NOW)
    assert nobody.value.reason is Reason.NO_TOKEN


def test_a_key_that_others_can_read_is_no_key(tmp_path: Path) -> None:
    key = secret_file(tmp_path / "k" / "key")
    assert (tmp_path / "k" / "key").stat().st_mode & 0o777 == 0o600
    assert secret_file(tmp_path / "k" / "key") == key
    (tmp_path / "k" / "key").chmod(0o644)
    with pytest.raises(FixConfiguration, match="read by others"):
        secret_file(tmp_path / "k" / "key")


@pytest.mark.parametrize(
    ("header", "token"),
    [("Bearer abc", "abc"), ("bearer  abc ", "abc"), ("", ""), ("Basic abc", ""), ("Bearer", ""), ("Bearer a b", ""), ("abc", "")],
)
def test_the_token_stands_in_the_header_after_its_word(header: str, token: str) -> None:
    assert bearer(header) == token
