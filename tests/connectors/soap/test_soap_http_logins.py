"""Logins in the HTTP header, over sockets, to a server that believes nobody: Basic, Digest and a fixed bearer token."""

from __future__ import annotations

import base64
import hashlib
import re
import secrets
from collections.abc import Callable
from typing import Any

import pytest
from soap_fake import EMPTY, part, reply, stream
from soap_wire import SCHEMA_PATH, WSDL_PATH, Exchange, erp

from connectors.errors import AccessRefused
from connectors.protocol import Window
from connectors.soap.client import SoapClient
from connectors.soap.config import source_spec
from connectors.soap.pull import pages

USER, PASSWORD, TOKEN = "integration", "correct-horse-電池", "token-of-the-day/+="
#: What a server asks with, and whether a header answers it.
Challenge = tuple[Callable[[], str], Callable[[Exchange, str], bool]]


def basic(exchange: Exchange, given: str) -> bool:
    # RFC 7617 §2.1: in UTF-8, as the challenge says.
    return given == "Basic " + base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()


def bearer(exchange: Exchange, given: str) -> bool:
    return given == f"Bearer {TOKEN}"


class Digest:
    """The server's side of RFC 7616 with qop=auth: each nonce is its own, and no count of it comes twice."""

    def __init__(self, algorithm: str) -> None:
        self.algorithm = algorithm
        self.nonces: dict[str, set[str]] = {}

    def challenge(self) -> str:
        nonce = secrets.token_hex(8)
        self.nonces[nonce] = set()
        return f'Digest realm="erp", qop="auth", nonce="{nonce}", algorithm={self.algorithm}, opaque="o"'

    def _hash(self, text: str) -> str:
        made = hashlib.sha256 if self.algorithm == "SHA-256" else hashlib.md5
        return made(text.encode()).hexdigest()

    def answers(self, exchange: Exchange, given: str) -> bool:
        said = {name: quoted or bare for name, quoted, bare in re.findall(r'(\w+)=(?:"([^"]*)"|([^\s,]+))', given)}
        counts = self.nonces.get(said.get("nonce", ""))
        if not given.startswith("Digest ") or counts is None or said["nc"] in counts or said["uri"] != exchange.path:
            return False
        counts.add(said["nc"])
        who = self._hash(f"{USER}:erp:{PASSWORD}")
        what = self._hash(f"{exchange.command}:{exchange.path}")
        return said["response"] == self._hash(":".join((who, said["nonce"], said["nc"], said["cnonce"], said["qop"], what)))


def doors() -> list[Any]:
    made: list[Any] = [
        pytest.param({"basic": {"user": USER, "password": PASSWORD}}, (lambda: 'Basic realm="erp", charset="UTF-8"', basic), id="basic"),
        pytest.param({"bearer": TOKEN}, (lambda: "Bearer", bearer), id="bearer"),
    ]
    for algorithm in ("MD5", "SHA-256"):
        door = Digest(algorithm)
        made.append(
            pytest.param({"digest": {"user": USER, "password": PASSWORD}}, (door.challenge, door.answers), id=f"digest {algorithm}")
        )
    return made


def guarded(door: Challenge) -> Callable[[Exchange, bytes], None]:
    challenge, believes = door

    def answer(exchange: Exchange, body: bytes) -> None:
        if not believes(exchange, exchange.headers.get("Authorization", "")):
            exchange.say(b"who?", status=401, kind="text/plain", headers={"WWW-Authenticate": challenge()})
        elif exchange.command == "GET":
            exchange.say(exchange.server.documents[exchange.path].encode())
        else:
            exchange.say(EMPTY if b">k-B<" in body else reply(part("A"), part("B")))

    return answer


def pulled(client: SoapClient) -> list[str]:
    one = stream()
    try:
        found = list(pages(client, one, source_spec(one.id, one.source), Window(), None, "s"))
    finally:
        client.close()
    return [code for page in found for code in page.rows.column("code").to_pylist()]


@pytest.mark.parametrize(("auth", "door"), doors())
def test_contract_and_rows_are_given_to_who_proves_it(auth: dict[str, Any], door: Challenge) -> None:
    with erp(guarded(door)) as server:
        server.on_get = guarded(door)
        assert pulled(server.client(auth=auth)) == ["A", "B"]
        assert {path for path in server.fetched} == {WSDL_PATH, SCHEMA_PATH}


@pytest.mark.parametrize(("auth", "door"), doors())
def test_who_does_not_is_refused_without_a_second_try_and_without_a_word_of_the_secret(auth: dict[str, Any], door: Challenge) -> None:
    wrong = {name: {**value, "password": "wrong-horse"} if isinstance(value, dict) else "wrong-token" for name, value in auth.items()}
    with erp(guarded(door)) as server:
        with pytest.raises(AccessRefused, match="401") as caught:
            pulled(server.client(auth=wrong))
        # Digest answers one challenge; it does not guess again.
        assert len(server.asked) == (2 if "digest" in auth else 1)
        assert "wrong-" not in f"{caught.value} {caught.value.params}"


def test_nobody_is_told_the_password_where_only_the_challenge_was_asked_for() -> None:
    seen: list[str] = []
    door = Digest("SHA-256")

    def answer(exchange: Exchange, body: bytes) -> None:
        seen.append(exchange.headers.get("Authorization", ""))
        guarded((door.challenge, door.answers))(exchange, body)

    with erp(answer) as server:
        assert pulled(server.client(auth={"digest": {"user": USER, "password": PASSWORD}})) == ["A", "B"]
    assert seen[0] == "" and all(one.startswith("Digest ") and PASSWORD not in one for one in seen[1:])
