"""Bearer tokens by client credentials: fetched once for all requests, anew before they run out and once on a 401, and never shown.

Over real sockets; the clock is the test's own.
"""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any
from urllib.parse import parse_qs

import pytest
from soap_fake import part, reply, stream
from soap_wire import Erp, Exchange, erp

from connectors.errors import AccessRefused, BrokenReply, FortnightError, SourceUnavailable
from connectors.protocol import Window
from connectors.soap.client import SoapClient
from connectors.soap.config import Config, source_spec
from connectors.soap.pull import pages
from connectors.transport import TransportOptions

SECRET = "client secret/+&=電池"


class Tokens:
    """Gives tokens that are good for ``lasts`` answers, and answers who shows the newest one."""

    def __init__(self, *, lasts: int = 1000, **said: Any) -> None:
        self.lasts, self.said = lasts, said
        self.given: list[str] = []
        self.forms: list[dict[str, list[str]]] = []
        self.headers: list[dict[str, str]] = []
        self.left = 0

    def __call__(self, exchange: Exchange, body: bytes) -> None:
        if exchange.path == "/oauth/token":
            self.forms.append(parse_qs(body.decode()))
            self.headers.append(dict(exchange.headers.items()))
            self.given.append(f"token-{len(self.given) + 1}-abcdefgh")
            self.left = self.lasts
            said = {"access_token": self.given[-1], "token_type": "Bearer", "expires_in": 3600, **self.said}
            exchange.say(json.dumps({key: value for key, value in said.items() if value is not None}).encode(), kind="application/json")
        elif self.left and exchange.headers.get("Authorization") == f"Bearer {self.given[-1]}":
            self.left -= 1
            exchange.say(reply(part("A")))
        else:
            exchange.say(b"who are you", status=401, kind="text/plain")


class Clock:
    now = 1000.0

    def __call__(self) -> float:
        return self.now


@contextmanager
def asked(server_says: Any, clock: Clock | None = None, **oauth2: Any) -> Iterator[tuple[Erp, SoapClient]]:
    with erp(server_says) as server:
        # The WSDL is served to anybody here; a token is fetched for it all the same.
        spec = {"token_url": f"{server.url}/oauth/token", "client_id": "fortnight", "client_secret": SECRET, **oauth2}
        client = server.client(TransportOptions(attempts=1), clock=clock, auth={"oauth2": spec})
        yield server, client
        client.close()


def pulled(client: SoapClient) -> list[str]:
    one = stream(paging={"kind": "none"}, arguments={"setSize": 1})
    found = pages(client, one, source_spec(one.id, one.source), Window(), None, "s")
    return [code for page in found for code in page.rows.column("code").to_pylist()]


def test_one_token_serves_all_requests() -> None:
    tokens = Tokens()
    with asked(tokens, scope="erp/.default") as (_, client):
        assert pulled(client) == ["A"] and pulled(client) == ["A"]
    assert tokens.forms == [
        {"grant_type": ["client_credentials"], "scope": ["erp/.default"], "client_id": ["fortnight"], "client_secret": [SECRET]}
    ]
    assert "Authorization" not in tokens.headers[0]


def test_a_server_that_wants_the_secret_in_a_header_gets_it_there_alone() -> None:
    tokens = Tokens()
    with asked(tokens, secret_in="header") as (_, client):
        assert pulled(client) == ["A"]
    assert tokens.forms == [{"grant_type": ["client_credentials"]}]
    sent = base64.b64decode(tokens.headers[0]["Authorization"].removeprefix("Basic ")).decode()
    assert sent == "fortnight:client+secret%2F%2B%26%3D%E9%9B%BB%E6%B1%A0"


@pytest.mark.parametrize(("after", "tokens_needed"), [(3539, 1), (3540, 2)])
def test_a_token_is_fetched_anew_before_it_runs_out(after: int, tokens_needed: int) -> None:
    tokens, clock = Tokens(), Clock()
    with asked(tokens, clock) as (_, client):
        assert pulled(client) == ["A"]
        clock.now += after
        assert pulled(client) == ["A"]
    assert len(tokens.given) == tokens_needed


def test_a_token_that_is_refused_early_is_replaced_once_and_the_request_sent_again() -> None:
    tokens = Tokens(lasts=1, expires_in=None)
    with asked(tokens) as (server, client):
        assert pulled(client) == ["A"] and pulled(client) == ["A"]
        assert len(tokens.given) == 2 and [path for path, _ in server.asked].count("/ws/Parts") == 3


def test_a_token_that_is_refused_at_once_is_an_error_and_no_loop() -> None:
    tokens = Tokens(lasts=0)
    with asked(tokens) as (_, client), pytest.raises(AccessRefused) as caught:
        pulled(client)
    assert caught.value.code == "soap.refused" and len(tokens.given) == 2


def test_the_contract_is_fetched_with_the_token_too() -> None:
    tokens = Tokens()
    with asked(tokens) as (_, client):
        client.contract()
    assert len(tokens.given) == 1


@pytest.mark.parametrize(
    ("status", "content", "kind", "code"),
    [
        (400, b'{"error": "invalid_scope", "error_description": "client secret/+&= of fortnight"}', AccessRefused, "soap.token_refused"),
        (401, b'{"error": "invalid_client"}', AccessRefused, "soap.token_refused"),
        (403, b"<html>no</html>", AccessRefused, "soap.token_refused"),
        (200, b"<html>log in</html>", BrokenReply, "soap.token_broken"),
        (200, b'["access_token"]', BrokenReply, "soap.token_broken"),
        (200, b'{"access_token": "abc", "token_type": "mac"}', BrokenReply, "soap.token_broken"),
        (200, b'{"access_token": "secret/\\r\\nCookie: a", "token_type": "Bearer"}', BrokenReply, "soap.token_broken"),
        (200, '{"access_token": "secret/鍵", "token_type": "Bearer"}'.encode(), BrokenReply, "soap.token_broken"),
        (200, b"[" * 100_000, BrokenReply, "soap.token_broken"),
        (302, b"", BrokenReply, "soap.token_broken"),
        (503, b"", SourceUnavailable, "source.unavailable"),
    ],
)
def test_a_token_server_that_gives_none_is_named_with_its_reason(
    status: int, content: bytes, kind: type[FortnightError], code: str
) -> None:
    def answer(exchange: Exchange, body: bytes) -> None:
        exchange.say(content, status=status, kind="application/json")

    with asked(answer) as (server, client), pytest.raises(kind) as caught:
        pulled(client)
    error = caught.value
    assert error.code == code and error.params["host"] == server.url.removeprefix("http://") and len(server.asked) == 1
    assert "secret/" not in f"{error} {error.params}" and (status != 400 or "invalid_scope" in str(error))


def test_a_token_that_lasts_longer_than_numbers_go_is_used() -> None:
    forever = '{"access_token": "forever", "token_type": "Bearer", "expires_in": 1' + "0" * 400 + "}"

    def answer(exchange: Exchange, body: bytes) -> None:
        if exchange.path == "/oauth/token":
            exchange.say(forever.encode(), kind="application/json")
        else:
            exchange.say(reply(part("A")))

    with asked(answer) as (_, client):
        assert pulled(client) == ["A"]


def test_neither_token_nor_secret_is_ever_shown(caplog: pytest.LogCaptureFixture) -> None:
    tokens = Tokens(lasts=0)

    def answer(exchange: Exchange, body: bytes) -> None:
        if exchange.path == "/oauth/token" or not tokens.given:
            tokens(exchange, body)
        else:
            exchange.say(reply(code="NO", message=f"token {tokens.given[-1]} and {SECRET.replace('&', '&amp;')}"))

    with caplog.at_level("DEBUG"), asked(answer) as (_, client):
        with pytest.raises(FortnightError) as caught:
            pulled(client)
        said = f"{caught.value} {caught.value.say('ja')} {caught.value.params} {client.config!r} {caplog.text}"
    assert "token *** and ***" in said and tokens.given[-1] not in said and SECRET not in said


def test_a_token_server_that_drips_is_left_like_any_other() -> None:
    def answer(exchange: Exchange, body: bytes) -> None:
        exchange.begin(kind="application/json")
        try:
            while True:
                exchange.chunk(b" ")
        except OSError:
            return

    class Running(Clock):
        def __call__(self) -> float:
            self.now += 100
            return self.now

    with asked(answer, Running()) as (_, client), pytest.raises(SourceUnavailable) as caught:
        pulled(client)
    assert caught.value.code == "soap.too_slow" and caught.value.params["operation"] == "/oauth/token"


@pytest.mark.parametrize(
    ("wsdl", "token_url", "why"),
    [
        ("https://erp.example/ws?wsdl", "http://login.example/token", "https"),
        ("https://erp.example/ws?wsdl", "https://a:b@login.example/token", "credentials"),
        ("https://erp.example/ws?wsdl", "login.example/token", "URL"),
    ],
)
def test_a_token_url_that_would_give_the_secret_away_is_refused(wsdl: str, token_url: str, why: str) -> None:
    oauth2 = {"token_url": token_url, "client_id": "a", "client_secret": "b"}
    with pytest.raises(ValueError, match=why):
        Config.model_validate({"wsdl": wsdl, "auth": {"oauth2": oauth2}})


def test_a_fixed_token_and_client_credentials_exclude_each_other() -> None:
    oauth2 = {"token_url": "https://login.example/token", "client_id": "a", "client_secret": "b"}
    with pytest.raises(ValueError, match="exclude each other"):
        Config.model_validate({"wsdl": "https://erp.example/ws?wsdl", "auth": {"oauth2": oauth2, "bearer": "c"}})
