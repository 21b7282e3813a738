"""How msal's own requests behave: the real library, its sockets replaced by an authority that answers as it is told."""

from __future__ import annotations

import base64
import io
import json
from typing import Any
from urllib.parse import parse_qs

import httpx
import pytest
import requests
from requests.adapters import HTTPAdapter
from sharepoint_time import START, Time, governed, tenant_config
from sharepoint_world import GRAPH

from connectors.errors import AccessRefused, SourceUnavailable
from connectors.sharepoint.auth import Tokens
from connectors.sharepoint.client import Api
from connectors.sharepoint.config import Config
from connectors.transport import TransportOptions

LOGIN = "https://login.example/contoso"
TOKEN = (200, {}, {"access_token": "t0ken-value", "token_type": "Bearer", "expires_in": 3600})
OPTIONS = TransportOptions(max_wait=60, attempts=3, user_agent="NONISV|Sakura Seiki|fortnight/9")


class Authority:
    """Answers its token endpoint with these one after another, the last for ever."""

    def __init__(self) -> None:
        self.answers: list[tuple[int, dict[str, str], Any]] = [TOKEN]
        self.asked: list[requests.PreparedRequest] = []

    @property
    def forms(self) -> list[dict[str, list[str]]]:
        return [parse_qs(str(one.body)) for one in self.asked if one.method == "POST"]

    def send(self, adapter: HTTPAdapter, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        self.asked.append(request)
        if request.method == "GET":
            document = {"issuer": f"{LOGIN}/v2.0", "authorization_endpoint": f"{LOGIN}/oauth2/v2.0/authorize"}
            return made(request, 200, {}, document | {"token_endpoint": f"{LOGIN}/oauth2/v2.0/token"})
        return made(request, *(self.answers.pop(0) if len(self.answers) > 1 else self.answers[0]))


def made(request: requests.PreparedRequest, status: int, headers: dict[str, str], body: Any) -> requests.Response:
    found = requests.Response()
    found.status_code, found.url, found.request = status, str(request.url), request
    found.headers.update(headers)
    found.raw = io.BytesIO(json.dumps(body).encode())
    return found


@pytest.fixture
def authority(monkeypatch: pytest.MonkeyPatch) -> Authority:
    one = Authority()
    monkeypatch.setattr(HTTPAdapter, "send", lambda adapter, request, **kwargs: one.send(adapter, request, **kwargs))
    return one


def tokens(gate: Any = None, options: TransportOptions = OPTIONS) -> Tokens:
    return Tokens(tenant_config().model_copy(update={"authority": LOGIN}), options, gate)


def test_a_429_of_the_token_endpoint_holds_everybody_and_is_asked_again_without_msal_knowing(authority: Authority) -> None:
    time = Time()
    authority.answers = [(429, {"Retry-After": "12"}, {"error": "temporarily_unavailable"}), TOKEN]
    assert tokens(governed(time)).get(GRAPH) == "t0ken-value"
    assert time.now - START >= 12 and len(authority.forms) == 2


def test_a_token_endpoint_that_stays_busy_is_unavailable_and_not_a_refusal(authority: Authority) -> None:
    authority.answers = [(503, {"Retry-After": "5"}, {"error": "temporarily_unavailable"})]
    with pytest.raises(SourceUnavailable) as caught:
        tokens(governed(Time())).get(GRAPH)
    assert (len(authority.forms), caught.value.retry_after, caught.value.params["host"]) == (3, 5.0, "login.example")


def test_a_pause_longer_than_we_wait_ends_it_at_once_for_everybody(authority: Authority) -> None:
    time = Time()
    authority.answers = [(429, {"Retry-After": "3600"}, {})]
    gate = governed(time)
    with pytest.raises(SourceUnavailable):
        tokens(gate).get(GRAPH)
    with pytest.raises(SourceUnavailable) as caught:
        gate.admit(1)
    assert len(authority.forms) == 1 and caught.value.code == "sharepoint.paused"


def test_tokens_cost_no_units_and_every_request_says_who_we_are(authority: Authority) -> None:
    gate = governed(Time())
    tokens(gate).get(GRAPH)
    assert gate.used() == 0 and len(authority.asked) == 2
    assert {one.headers["User-Agent"] for one in authority.asked} == {OPTIONS.user_agent}


@pytest.mark.parametrize("satisfied", [True, False])
def test_a_claims_challenge_buys_one_more_token_with_these_claims_and_a_second_401_fails(authority: Authority, satisfied: bool) -> None:
    claims = json.dumps({"access_token": {"nbf": {"essential": True, "value": "1"}}})
    challenge = f'Bearer error="insufficient_claims", claims="{base64.b64encode(claims.encode()).decode()}"'
    authority.answers = [TOKEN, (200, {}, TOKEN[2] | {"access_token": "t0ken-with-claims"})]
    asked: list[str] = []

    def graph(request: httpx.Request) -> httpx.Response:
        asked.append(request.headers["Authorization"])
        good = satisfied and asked[-1] == "Bearer t0ken-with-claims"
        return httpx.Response(200, json={"ok": True}) if good else httpx.Response(401, headers={"WWW-Authenticate": challenge})

    gate = governed(Time())
    api = Api(f"{GRAPH}/v1.0", GRAPH, tokens(gate), OPTIONS, accept="application/json", handler=httpx.MockTransport(graph), gate=gate)
    if satisfied:
        assert api.json("sites/root") == {"ok": True}
    else:
        with pytest.raises(AccessRefused):
            api.json("sites/root")
    assert len(authority.forms) == 2 and "claims" not in authority.forms[0]
    assert json.loads(authority.forms[1]["claims"][0])["access_token"]["nbf"]["value"] == "1"
    assert asked == ["Bearer t0ken-value", "Bearer t0ken-with-claims"]
    assert gate.used() == 2, "the answer to the challenge is an exchange of its own, and is paid"


def test_a_metadata_service_that_is_being_updated_is_asked_again_and_costs_no_units(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("IDENTITY_ENDPOINT", "IDENTITY_HEADER", "MSI_ENDPOINT", "AZURE_POD_IDENTITY_AUTHORITY_HOST"):
        monkeypatch.delenv(name, raising=False)
    asked: list[requests.PreparedRequest] = []

    def send(adapter: HTTPAdapter, request: requests.PreparedRequest, **_: Any) -> requests.Response:
        asked.append(request)
        return made(request, 410, {}, {}) if len(asked) == 1 else made(request, *TOKEN)

    monkeypatch.setattr(HTTPAdapter, "send", send)
    time = Time()
    gate = governed(time)
    config = Config(tenant="contoso", managed_identity={"object_id": "o-1"}, host="https://contoso.sharepoint.example")  # pyright: ignore[reportArgumentType]
    assert Tokens(config, OPTIONS, gate).get(GRAPH) == "t0ken-value"
    assert len(asked) == 2 and time.now > START and gate.used() == 0
    assert str(asked[0].url).startswith("http://169.254.169.254/metadata/identity/oauth2/token?") and "object_id=o-1" in str(asked[0].url)
    assert asked[0].headers["Metadata"] == "true"
