"""One subscription for each place, none else of ours, renewed in time: the rules by themselves, then against the sandbox's Graph."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
from receiving import Receiver as Listener
from receiving import receiving
from sharepoint_house import House, Target

from connectors.capabilities import Receiver, Subscribed, Subscribes
from connectors.errors import AccessRefused, FixConfiguration, SourceUnavailable
from connectors.sharepoint import subscriptions
from connectors.sharepoint.subscriptions import LIFE, Found, plan

NOW = datetime(2026, 4, 1, tzinfo=UTC)
HERE = Receiver("https://r.example/hooks/sharepoint?of=1", "s" * 32)
SOON, LATER = NOW + LIFE / 3, NOW + LIFE


def found(id: str, resource: str = "a", url: str = HERE.url, kind: str = "updated", until: datetime = LATER) -> Found:
    return Found(id, resource, url, kind, until)


def planned(*there: Found, wanted: tuple[str, ...] = ("a",), **how: bool) -> tuple[list[str], list[str], list[str]]:
    made = plan(wanted, there, HERE, NOW, **how)
    return list(made.make), [one.id for one in made.renew], [one.id for one in made.end]


@pytest.mark.parametrize(
    ("there", "done"),
    [
        ([], (["a"], [], [])),
        ([found("1")], ([], [], [])),
        ([found("1", until=SOON)], ([], ["1"], [])),
        ([found("1", until=NOW)], (["a"], [], ["1"])),
        ([found("1"), found("2", until=SOON)], ([], [], ["2"])),
        ([found("1", kind="created")], (["a"], [], ["1"])),
        ([found("1", url="https://r.example/hooks/sharepoint?of=2")], (["a"], [], ["1"])),
        ([found("1", url="https://elsewhere.example/hooks/sharepoint?of=1")], (["a"], [], [])),
        ([found("1"), found("2", resource="b")], ([], [], ["2"])),
        ([found("1"), found("2", resource="b", url="https://elsewhere.example/")], ([], [], [])),
    ],
)
def test_what_is_missing_is_made_what_ends_soon_renewed_and_only_what_is_ours_taken_away(
    there: list[Found], done: tuple[list[str], list[str], list[str]]
) -> None:
    assert planned(*there) == done


def test_a_notice_that_asks_for_it_renews_what_would_last() -> None:
    assert planned(found("1"), renew=True) == ([], ["1"], [])


def test_while_a_place_is_unknown_nothing_is_taken_for_a_stranger() -> None:
    assert planned(found("1"), found("2", resource="b"), whole=False) == ([], [], [])


def test_one_that_cannot_be_renewed_keeps_no_other_from_it(monkeypatch: pytest.MonkeyPatch) -> None:
    sent: list[str] = []

    class Graph:
        def sent(self, method: str, path: str, *_: Any, **__: Any) -> httpx.Response:
            sent.append(f"{method} {path}")
            if path.endswith("1"):
                raise SourceUnavailable("source.unavailable", host="graph", reason="HTTP 503", attempts=2)
            told = {"id": "2", "resource": "b", "notificationUrl": HERE.url, "changeType": "updated"}
            return httpx.Response(200, json=told | {"expirationDateTime": LATER.isoformat()})

    monkeypatch.setattr(subscriptions, "_resources", lambda *_: {"s/a": "a", "s/b": "b"})
    monkeypatch.setattr(subscriptions, "_listed", lambda _: [found("1", until=SOON), found("2", resource="b", until=SOON)])
    at: Any = SimpleNamespace(tenant=SimpleNamespace(graph=Graph()))
    with pytest.raises(SourceUnavailable):
        subscriptions.keep_subscribed(at, [], HERE, lambda: NOW, renew=False)
    assert sent == ["PATCH subscriptions/1", "PATCH subscriptions/2"]


@pytest.fixture
def listener(home: House) -> Iterator[Listener]:
    with receiving(home.settings) as made:
        yield made
    home.control("token_roles")


def kept(at: Target, listener: Listener, *, renew: bool = False, secret: str = HERE.secret) -> Subscribed:
    assert isinstance(at.connector, Subscribes)
    receiver = Receiver(f"{listener.url}?of={secret[:2]}", secret)
    return at.connector.subscribe([at.project.contract(stream).told() for stream in at.streams], receiver, renew=renew)


def standing(home: House, listener: Listener) -> list[dict[str, Any]]:
    return [one for one in home.control("subscriptions")["subscriptions"] if one["notificationUrl"].startswith(listener.url)]


def test_libraries_and_lists_are_subscribed_to_once_and_pages_never(at: Target, home: House, listener: Listener) -> None:
    first = kept(at, listener)
    told = [stream for stream in at.streams if at.source(stream)["kind"] != "pages"]
    assert (first.made, first.renewed, first.ended) == (len(told), 0, 0)
    assert {one["resource"].split("/")[0] for one in standing(home, listener)} == {"drives", "sites"}
    assert kept(at, listener) == Subscribed(0, 0, 0, first.until)
    home.later(days=15)
    renewed = kept(at, listener)
    assert (renewed.made, renewed.renewed) == (0, len(told))
    assert first.until and renewed.until and renewed.until - first.until > timedelta(days=14)


def test_another_secret_makes_every_subscription_anew(at: Target, home: House, listener: Listener) -> None:
    before = {one["id"] for one in standing(home, listener)} | {str(kept(at, listener).made)}
    again = kept(at, listener, secret="t" * 32)
    assert again.made == again.ended > 0
    assert not before & {one["id"] for one in standing(home, listener)}


def test_what_doctor_is_told_is_how_it_stands(at: Target, listener: Listener) -> None:
    assert isinstance(at.connector, Subscribes)
    streams = [at.project.contract(stream).told() for stream in at.streams]
    receiver = Receiver(f"{listener.url}?of={HERE.secret[:2]}", HERE.secret)
    assert {one.until for one in at.connector.subscriptions(streams, receiver)} == {None}
    kept(at, listener)
    found = at.connector.subscriptions(streams, receiver)
    assert found and all(one.until is not None for one in found)


def test_a_receiver_that_is_not_reached_and_an_app_that_may_not_are_told_apart(at: Target, home: House, listener: Listener) -> None:
    listener.manners = "html"
    with pytest.raises(FixConfiguration) as unproven:
        kept(at, listener)
    assert unproven.value.code == "sharepoint.not_subscribed" and listener.url in unproven.value.say("ja")
    assert HERE.secret not in unproven.value.say()
    home.control("token_roles", roles=["Sites.Read.All"])
    at.reconnect()
    with pytest.raises(AccessRefused) as refused:
        kept(at, listener)
    assert refused.value.code == "sharepoint.may_not_subscribe"
