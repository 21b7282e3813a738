"""Webhooks at the service's door: who has the secret leaves a note and nobody else anything, and no answer tells a stranger more than that."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest
from conformance.live import write_yaml
from fastapi import FastAPI
from hypothesis import given
from hypothesis import strategies as st
from starlette.testclient import TestClient

from connectors.errors import FixConfiguration, MissingSecret
from infra.sandbox import process
from pipelines.project import load
from pipelines.pull import notes
from pipelines.pull.notes import Kind
from pipelines.pull.subscribing import receiver_of
from pipelines.serving.callers.tokens import Tokens
from pipelines.serving.doors.hooks import LONGEST_TOKEN, Hooked, Receiver, Reply
from pipelines.serving.doors.http import app_of
from pipelines.serving.doors.letterbox import Letterbox
from tests.pipelines.serving.open_doors import served
from tests.pipelines.serving.served_house import House

SECRET, OTHER = "s" * 40, "k" * 40
URL = "https://search.example"


class Hall:
    """A receiver whose notes are kept in a list."""

    def __init__(self) -> None:
        self.left: list[tuple[Kind, str]] = []
        known = {"sharepoint": Hooked("sharepoint", SECRET), "kintone": Hooked("kintone", OTHER)}
        self.receiver = Receiver(known, lambda kind, system: self.left.append((kind, system)))

    def notices(self, *some: dict[str, Any]) -> Reply | None:
        return self.receiver.answer("sharepoint", {}, json.dumps({"value": some}).encode())


def notice(secret: Any = SECRET, **more: Any) -> dict[str, Any]:
    return {"subscriptionId": "1", "clientState": secret, "changeType": "updated", "resource": "drives/x/root", **more}


def test_a_receiver_proves_itself_by_saying_the_token_back_decoded_and_leaves_no_note() -> None:
    hall, token = Hall(), "Validation: Testing client application reachability for subscription Request-Id: 1 検証"
    for name in ("validationToken", "validationtoken"):
        assert hall.receiver.answer("sharepoint", {name: token}, b"") == Reply(200, "validated", token)
    assert hall.left == []


@pytest.mark.parametrize("token", ["", "<b>1</b>", "a\r\nSet-Cookie: b", "x" * (LONGEST_TOKEN + 1)])
def test_what_a_browser_could_take_for_more_than_text_is_not_said_back(token: str) -> None:
    assert Hall().receiver.answer("sharepoint", {"validationToken": token}, b"") == Reply(400, "malformed")


def test_a_notice_with_the_secret_leaves_a_note_and_names_nothing_that_is_read() -> None:
    hall = Hall()
    assert hall.notices(notice(resource="drives/another/root", resourceData={"id": "../../x"})) == Reply(202, "noted")
    assert hall.left == [("notes", "sharepoint")]


@pytest.mark.parametrize("secret", ["", "S" * 40, SECRET[:-1], None, 7, ["s"], "鍵" * 40])
def test_without_the_secret_no_note_is_left(secret: Any) -> None:
    hall = Hall()
    assert hall.notices(notice(secret)) == Reply(403, "refused")
    assert hall.notices() == Reply(403, "refused")
    assert hall.left == []


def test_a_stranger_among_genuine_notices_takes_nothing_from_them_and_adds_nothing() -> None:
    hall = Hall()
    assert hall.notices(notice("wrong", lifecycleEvent="subscriptionRemoved"), notice()) == Reply(202, "noted")
    assert hall.left == [("notes", "sharepoint")]


@pytest.mark.parametrize(
    ("event", "left"),
    [
        ("missed", [("notes", "sharepoint")]),
        ("subscriptionRemoved", [("renewals", "sharepoint"), ("notes", "sharepoint")]),
        ("reauthorizationRequired", [("renewals", "sharepoint")]),
        ("somethingNew", [("notes", "sharepoint")]),
    ],
)
def test_lifecycle_notices_ask_for_a_look_a_renewal_or_both(event: str, left: list[tuple[str, str]]) -> None:
    hall = Hall()
    assert hall.notices({"subscriptionId": "1", "clientState": SECRET, "lifecycleEvent": event}) == Reply(202, "noted")
    assert hall.left == left


@pytest.mark.parametrize(
    "body",
    [b"", b"{", b"[]", b"{}", b'{"value": 1}', b'{"value": [1]}', b'{"value": [{"clientState": "\xff"}]}', b"\xff\xfe", b"[" * 100_000],
)
def test_what_is_no_collection_of_notices_leaves_nothing(body: bytes) -> None:
    hall = Hall()
    assert hall.receiver.answer("sharepoint", {}, body) == Reply(400, "malformed")
    assert hall.left == []


def test_kintone_proves_itself_by_its_address_and_its_body_is_not_looked_at() -> None:
    hall = Hall()
    assert hall.receiver.answer("kintone", {"token": OTHER}, b"\xff") == Reply(202, "noted")
    assert hall.left == [("notes", "kintone")]
    for query in ({}, {"token": ""}, {"token": SECRET}, {"validationToken": "x"}):
        assert hall.receiver.answer("kintone", query, b"{}") == Reply(403, "refused")
    assert hall.left == [("notes", "kintone")]


def test_a_system_that_sends_no_webhooks_is_not_known_here() -> None:
    assert Hall().receiver.answer("erp", {"token": OTHER, "validationToken": "x"}, b"{}") is None


@given(system=st.sampled_from(["sharepoint", "kintone"]), query=st.dictionaries(st.text(), st.text(), max_size=3), body=st.binary())
def test_whatever_a_stranger_sends_no_note_is_left(system: str, query: dict[str, str], body: bytes) -> None:
    hall = Hall()
    reply = hall.receiver.answer(system, query, body)
    assert reply is not None and reply.status in (200, 400, 403)
    assert hall.left == []


class Shelf:
    """Where a letterbox writes. ``broken`` makes it fail as a dead storage does; the test goes on when something was written or refused."""

    def __init__(self, spacing: float) -> None:
        self.written: list[tuple[Kind, str]] = []
        self.refused: list[str] = []
        self.broken = False
        self.done = threading.Semaphore(0)
        self.box = Letterbox(self._write, self._refuse, spacing)

    def _write(self, kind: Kind, system: str) -> None:
        if self.broken:
            raise OSError("no space left")
        self.written.append((kind, system))
        self.done.release()

    def _refuse(self, system: str) -> None:
        self.refused.append(system)
        self.done.release()

    def wait(self) -> None:
        assert self.done.acquire(timeout=20)


def test_many_webhooks_are_one_note_and_the_last_is_never_left_out() -> None:
    shelf = Shelf(spacing=3600)
    shelf.box.leave("notes", "sharepoint")
    shelf.wait()
    for _ in range(1_000):
        shelf.box.leave("notes", "sharepoint")
    assert shelf.written == [("notes", "sharepoint")], "nothing more within the pause"
    shelf.box.close()
    assert shelf.written == [("notes", "sharepoint")] * 2, "what came in the pause is written when it ends"


def test_a_note_that_the_storage_refused_is_written_once_it_can_be() -> None:
    shelf = Shelf(spacing=0.01)
    shelf.broken = True
    shelf.box.leave("renewals", "sharepoint")
    shelf.wait()
    shelf.broken = False
    while not shelf.written:
        shelf.wait()
    shelf.box.close()
    assert shelf.written == [("renewals", "sharepoint")] and "sharepoint" in shelf.refused


@pytest.fixture
def hooked(house: House, monkeypatch: pytest.MonkeyPatch) -> Callable[..., FastAPI]:
    """The house's service with receivers for both of its systems, and what ``serving.url`` says."""
    monkeypatch.setenv("SP_HOOK", SECRET)
    monkeypatch.setenv("KINTONE_HOOK", OTHER)

    def opened(url: str = "") -> FastAPI:
        file = house.project.file.model_dump(mode="json", exclude_unset=True)
        file["systems"]["sharepoint"] = {"kind": "sharepoint"}
        file["serving"]["url"] = url
        file["watch"] = {"hooks": {"sharepoint": {"secret": {"env": "SP_HOOK"}}, "kintone": {"secret": {"env": "KINTONE_HOOK"}}}}
        write_yaml(house.project.folder / "project.yaml", file)
        house.project = load(house.project.folder)
        return app_of(house.reception(), Tokens(None, house.tokens), URL)

    return opened


def test_over_http_a_webhook_becomes_a_note_in_the_storage_and_a_number_in_the_metrics(
    hooked: Callable[..., FastAPI], house: House
) -> None:
    with TestClient(hooked()) as client:
        token = "Validation: 1 & 2"
        proof = client.post(f"/hooks/sharepoint?of=1&validationToken={quote(token)}", headers={"Content-Type": "text/plain"})
        assert (proof.status_code, proof.text, proof.headers["content-type"]) == (200, token, "text/plain; charset=utf-8")
        assert proof.headers["x-content-type-options"] == "nosniff"
        assert client.post("/hooks/sharepoint", json={"value": [notice()]}).status_code == 202
        assert client.post("/hooks/sharepoint", json={"value": [notice("x")]}).status_code == 403
        assert client.post("/hooks/kintone?token=" + OTHER, json={"type": "ADD_RECORD"}).status_code == 202
        measured = client.get("/metrics").text
    root = house.project.root
    assert notes.version(root, "notes", "sharepoint") and notes.version(root, "notes", "kintone")
    assert notes.version(root, "renewals", "sharepoint") == ""
    for outcome in ("validated", "noted", "refused"):
        assert f'fortnight_hooks_total{{outcome="{outcome}",system="sharepoint"}} 1.0' in measured
    assert SECRET not in measured and OTHER not in measured


def test_what_a_kintone_sends_when_somebody_deletes_a_record_becomes_a_note(
    hooked: Callable[..., FastAPI], house: House, tmp_path: Path
) -> None:
    hooked()
    process.up(tmp_path, base_port=0, only=("kintone",))
    try:
        with served(house.reception(), Tokens(None, house.tokens)) as url:
            control = partial(process.control, tmp_path, server="kintone")
            control("webhook", {"app": "FAQ", "url": f"{url}/hooks/kintone?token={OTHER}", "events": ["DELETE_RECORD"]})
            control("delete_record", {"app": "FAQ", "id": "1", "login": "misaki.sato"})
            until = time.monotonic() + 20
            while not notes.version(house.project.root, "notes", "kintone"):
                assert time.monotonic() < until, "no note came"
                time.sleep(0.05)
    finally:
        process.down(tmp_path)


def test_the_door_for_webhooks_opens_no_other_and_says_nothing_of_the_index(hooked: Callable[..., FastAPI], house: House) -> None:
    with TestClient(hooked()) as client:
        missing = client.post("/hooks/erp", json={"value": [notice()]})
        nowhere = client.post("/nowhere/erp", json={})
        assert missing.status_code == nowhere.status_code == 404
        assert missing.json()["code"] == nowhere.json()["code"]
        replies = [missing, client.post("/hooks/sharepoint", json={}), client.post("/hooks/sharepoint", json={"value": []})]
        replies += [client.get("/hooks/sharepoint"), client.post("/hooks/sharepoint", content=b"x" * 70_000)]
        assert [one.status_code for one in replies] == [404, 400, 403, 405, 413]
        assert not [one for one in replies if house.reception().index in one.text or SECRET in one.text]
        assert client.post("/v1/search", json={"query": "x"}, headers={"Authorization": f"Bearer {SECRET}"}).status_code == 401
        assert "/hooks" not in client.get("/openapi.json").text


def test_without_hooks_in_the_project_there_is_no_such_door(house: House) -> None:
    with TestClient(app_of(house.reception(), Tokens(None, house.tokens), URL)) as client:
        assert client.post("/hooks/sharepoint?validationToken=x").status_code == 404


@pytest.mark.parametrize(("secret", "error"), [("", MissingSecret), ("short", FixConfiguration), ("s" * 30 + "&", FixConfiguration)])
def test_a_service_whose_webhooks_anybody_could_send_does_not_start(
    hooked: Callable[..., FastAPI], monkeypatch: pytest.MonkeyPatch, secret: str, error: type[FixConfiguration]
) -> None:
    monkeypatch.setenv("SP_HOOK", secret)
    with pytest.raises(error) as refused:
        hooked()
    assert refused.value.exit_code == 2 and (not secret or secret not in refused.value.say())


def test_microsoft_is_told_an_address_that_shows_which_secret_it_goes_with_and_not_the_secret(
    hooked: Callable[..., FastAPI], house: House, monkeypatch: pytest.MonkeyPatch
) -> None:
    hooked()
    with pytest.raises(FixConfiguration) as nowhere:
        receiver_of(house.project, "sharepoint")
    assert nowhere.value.code == "project.hook_without_url"
    hooked(f"{URL}/")
    told = receiver_of(house.project, "sharepoint")
    assert told.url.startswith(f"{URL}/hooks/sharepoint?of=") and SECRET not in told.url and SECRET not in repr(told)
    monkeypatch.setenv("SP_HOOK", OTHER)
    assert receiver_of(load(house.project.folder), "sharepoint").url != told.url
