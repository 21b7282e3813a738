"""Every way in: what each credential puts on the wire, which one speaks when several are given, and what is refused beforehand."""

from __future__ import annotations

import base64
from typing import Any

import pytest
from kintone_world import World, connector, order, stream
from pydantic import ValidationError

from connectors.errors import AccessRefused
from connectors.kintone.config import Config
from connectors.protocol import Window

LOGIN = {"login": "service", "password": "password-secret-1"}


def config(auth: dict[str, Any], base_url: str = "https://sakura.cybozu.example") -> Config:
    return Config.model_validate({"base_url": base_url, "auth": auth})


def world() -> World:
    return World(records=[order(1)])


def sent(one: World, resource: str) -> dict[str, str]:
    """The credentials that the last call of a resource carried."""
    request = [request for request in one.asked if request.url.path.endswith(f"/{resource}.json")][-1]
    names = ("X-Cybozu-Authorization", "X-Cybozu-API-Token", "Authorization")
    return {name: request.headers[name] for name in names if name in request.headers}


def test_up_to_nine_tokens_travel_in_one_header_and_a_tenth_is_refused() -> None:
    one = world()
    tokens = [f"token-{number}" for number in range(9)]
    list(connector(one, login=False, tokens=False, auth={"api_tokens": tokens}).pull(stream(), Window()))
    assert sent(one, "records") == {"X-Cybozu-API-Token": ",".join(tokens)}
    with pytest.raises(ValidationError):
        config({"api_tokens": [*tokens, "token-9"]})


def test_oauth_reads_records_settings_rules_and_the_list_of_apps() -> None:
    one = world()
    opened = connector(one, login=False, tokens=False, auth={"oauth": {"token": "oauth-secret-1"}})
    opened.describe(stream())
    list(opened.pull(stream(), Window()))
    for resource in ("apps", "app/form/fields", "records", "record/acl"):
        assert sent(one, resource) == {"Authorization": "Bearer oauth-secret-1"}, resource


def test_the_directory_opens_to_a_token_for_all_of_cybozu() -> None:
    one = world()
    oauth = {"token": "oauth-secret-1", "user_api_token": "cy.s.api1.secret"}
    opened = connector(one, login=False, tokens=False, auth={"oauth": oauth})
    opened.access(stream())
    assert sent(one, "users") == {"Authorization": "Bearer cy.s.api1.secret"}
    assert sent(one, "app/acl") == {"Authorization": "Bearer oauth-secret-1"}
    assert "secret" not in repr(opened) + repr(vars(opened)) + repr(opened._config)  # pyright: ignore[reportPrivateUsage]


def test_no_call_carries_two_kinds_although_all_are_given() -> None:
    one = world()
    auth = {"api_tokens": ["token-1"], "password": LOGIN, "oauth": {"token": "oauth-secret-1"}}
    opened = connector(one, login=False, tokens=False, auth=auth)
    opened.access(stream())
    list(opened.pull(stream(), Window()))
    pair = base64.b64encode(b"service:password-secret-1").decode()
    assert sent(one, "records") == {"X-Cybozu-API-Token": "token-1"}
    for resource in ("apps", "record/acl", "users"):
        assert sent(one, resource) == {"X-Cybozu-Authorization": pair}, resource


def test_basic_stands_before_token_and_login() -> None:
    one = world()
    auth = {"api_tokens": ["token-1"], "password": LOGIN, "basic": {"user": "gate", "password": "gate-secret-1"}}
    opened = connector(one, login=False, tokens=False, auth=auth)
    opened.describe(stream())
    gate = "Basic " + base64.b64encode(b"gate:gate-secret-1").decode()
    assert sent(one, "apps")["Authorization"] == gate
    assert sent(one, "app/form/fields") == {"X-Cybozu-API-Token": "token-1", "Authorization": gate}


def test_basic_and_oauth_are_refused_together_in_one_sentence() -> None:
    with pytest.raises(ValidationError) as caught:
        config({"oauth": {"token": "oauth-secret-1"}, "basic": {"user": "gate", "password": "gate-secret-1"}})
    (fault,) = caught.value.errors(include_input=False)
    assert "basic and oauth both need the Authorization header" in fault["msg"]
    assert "secret" not in fault["msg"]


def test_a_certificate_needs_https_and_a_password() -> None:
    certificate = {"file": "client.pfx", "password": "pfx-secret-1"}
    shown = config({"password": LOGIN, "certificate": certificate}, "https://sakura.s.cybozu.example")
    assert "pfx-secret-1" not in repr(shown)
    with pytest.raises(ValidationError, match="needs https"):
        config({"password": LOGIN, "certificate": certificate}, "http://localhost:8080")
    with pytest.raises(ValidationError):
        config({"password": LOGIN, "certificate": {"file": "client.pfx"}})


def test_nothing_given_is_nothing_configured() -> None:
    with pytest.raises(ValidationError, match="api_tokens, a password login or oauth"):
        config({})


def test_a_token_alone_is_never_sent_where_tokens_are_closed() -> None:
    one = world()
    opened = connector(one, login=False)
    with pytest.raises(AccessRefused) as caught:
        list(opened._client.directory("users", "users"))  # pyright: ignore[reportPrivateUsage]
    assert caught.value.code == "kintone.login_needed"
    assert not one.asked
