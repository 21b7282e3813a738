"""Settings before and after "Update app", attachments that are uploaded, comments, views, and what webhooks are told."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, HTTPServer
from typing import Any

import pytest
from kintone_talk import CUSTOMERS, DEFECTS, FAQ, ORDERS, Talk, kintone

from infra.sandbox.process import SandboxError


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    with kintone(tmp_path_factory.mktemp("kintone")) as running:
        yield running


def fields(talk: Talk, app: int, *, preview: bool = False) -> dict[str, Any]:
    return talk.get(f"{'preview/' if preview else ''}app/form/fields.json", app=app).json()


def deploy(talk: Talk, app: int, **more: Any) -> Any:
    return talk.send("POST", "preview/app/deploy.json", {"apps": [{"app": app}], **more}, app=app)


# --- preview and deploy -------------------------------------------------------------------------------------------------------


def test_a_change_is_seen_in_the_preview_first_and_live_after_the_update(talk: Talk) -> None:
    live = fields(talk, FAQ)
    added = {"参考資料": {"type": "LINK", "code": "参考資料", "label": "参考資料"}}
    sent = talk.send("POST", "preview/app/form/fields.json", {"app": FAQ, "properties": added, "revision": live["revision"]})
    assert sent.json() == {"revision": str(int(live["revision"]) + 1)}
    assert "参考資料" in fields(talk, FAQ, preview=True)["properties"] and fields(talk, FAQ) == live
    assert "参考資料" not in talk.records(FAQ, "limit 1")["records"][0]
    statistics = {one["id"]: one["status"] for one in talk.get("apps/statistics.json", who="akari.mori").json()["apps"]}
    assert statistics[str(FAQ)] == "CHANGED"
    assert deploy(talk, FAQ).json() == {}
    after = fields(talk, FAQ)
    assert "参考資料" in after["properties"] and after["revision"] == sent.json()["revision"]
    assert talk.records(FAQ, "limit 1")["records"][0]["参考資料"]["value"] is None
    status = talk.get("preview/app/deploy.json", apps=[FAQ], token_of=FAQ).json()
    assert status == {"apps": [{"app": str(FAQ), "status": "SUCCESS"}]}


def test_codes_labels_and_options_change_together_and_the_values_with_them(talk: Talk) -> None:
    before = talk.records(CUSTOMERS, "$id = 3")["records"][0]
    options = {name: {"label": {"A": "特A"}.get(name, name), "index": place} for place, name in enumerate(("A", "B", "C", "D"))}
    change = {"ランク": {"type": "RADIO_BUTTON", "code": "取引ランク", "label": "取引のランク", "options": options}}
    assert talk.send("PUT", "preview/app/form/fields.json", {"app": CUSTOMERS, "properties": change}).status_code == 200
    assert talk.records(CUSTOMERS, "$id = 3")["records"][0] == before
    deploy(talk, CUSTOMERS)
    after = talk.records(CUSTOMERS, "$id = 3")["records"][0]
    assert after["取引ランク"]["value"] == {"A": "特A"}.get(before["ランク"]["value"], before["ランク"]["value"])
    assert after["$revision"] == before["$revision"]
    now = fields(talk, CUSTOMERS)["properties"]["取引ランク"]
    assert now["label"] == "取引のランク" and list(now["options"]) == ["特A", "B", "C", "D"]


def test_a_draft_can_be_thrown_away(talk: Talk) -> None:
    live = fields(talk, DEFECTS)
    gone = talk.send("DELETE", "preview/app/form/fields.json", {"app": DEFECTS, "fields": ["対策"]})
    assert gone.status_code == 200 and "対策" not in fields(talk, DEFECTS, preview=True)["properties"]
    deploy(talk, DEFECTS, revert=True)
    assert fields(talk, DEFECTS) == fields(talk, DEFECTS, preview=True) == live


def test_an_old_revision_and_a_change_of_type_are_refused(talk: Talk) -> None:
    old = {"app": ORDERS, "revision": 1, "properties": {"x": {"type": "LINK"}}}
    assert talk.code_of(talk.send("POST", "preview/app/form/fields.json", old)) == (409, "GAIA_CO03")
    retyped = {"app": ORDERS, "properties": {"備考": {"type": "NUMBER"}}}
    assert talk.code_of(talk.send("PUT", "preview/app/form/fields.json", retyped)) == (400, "CB_VA01")
    assert talk.code_of(talk.send("DELETE", "preview/app/form/fields.json", {"app": ORDERS, "fields": ["更新日時"]})) == (400, "CB_VA01")
    assert talk.code_of(talk.send("DELETE", "preview/app/form/fields.json", {"app": ORDERS, "fields": ["明細"]})) == (400, "GAIA_FC01")


def test_only_an_administrator_of_the_app_sees_the_preview(talk: Talk) -> None:
    for path in ("preview/app/form/fields.json", "preview/app/settings.json", "preview/app/status.json", "preview/record/acl.json"):
        assert talk.get(path, app=ORDERS, who="akari.mori").status_code == 200
        assert talk.code_of(talk.get(path, app=ORDERS, who="yui.takahashi")) == (403, "CB_NO02")


def test_settings_and_rights_change_by_the_same_way(talk: Talk) -> None:
    precision = {"digits": 20, "decimalPlaces": 6, "roundingMode": "UP"}
    talk.send("PUT", "preview/app/settings.json", {"app": DEFECTS, "name": "品質不具合（新）", "numberPrecision": precision})
    assert talk.get("app.json", id=DEFECTS).json()["name"] == "品質不具合"
    rights = [
        {"filterCond": '重大度 in ("重大")', "entities": [{"entity": {"type": "GROUP", "code": "quality-members"}, "viewable": True}]}
    ]
    shape = int(fields(talk, DEFECTS)["revision"])
    assert talk.send("PUT", "record/acl.json", {"app": DEFECTS, "rights": rights}).status_code == 200
    assert talk.get("app.json", id=DEFECTS).json()["name"] == "品質不具合（新）", "putting live rights deploys the whole draft"
    settings = talk.get("app/settings.json", app=DEFECTS).json()
    assert settings["numberPrecision"] == {"digits": "20", "decimalPlaces": "6", "roundingMode": "UP"}
    kept = talk.get("record/acl.json", app=DEFECTS).json()
    assert kept["rights"][0]["entities"][0]["editable"] is False and int(kept["revision"]) > shape
    seen = {one["重大度"]["value"] for one in talk.records(DEFECTS, "limit 500", who="sakura.yamada")["records"]}
    assert seen == {"軽微", "中"}


@pytest.mark.parametrize(
    ("method", "path", "body"),
    [
        ("PUT", "record/acl.json", {"rights": [{}]}),
        ("PUT", "record/acl.json", {"rights": [{"filterCond": "無い = 1", "entities": []}]}),
        ("PUT", "app/acl.json", {"rights": [{"entity": {"type": "EVERYBODY"}}]}),
        ("PUT", "field/acl.json", {"rights": [{"code": "備考", "entities": [{"entity": {"type": "USER"}, "accessibility": "MAYBE"}]}]}),
        ("POST", "preview/app/form/fields.json", {"properties": {"x": {"type": "DROP_DOWN", "options": ["a"]}}}),
        ("POST", "preview/app/deploy.json", {"apps": [1]}),
        ("POST", "record.json", {"record": {"明細": {"value": [1]}}}),
        ("PUT", "record.json", {"id": 1, "record": {"備考": {"value": [1]}}}),
        ("POST", "record/comment.json", {"record": 1, "comment": {}}),
    ],
)
def test_a_body_of_another_shape_is_refused_as_the_callers_mistake(talk: Talk, method: str, path: str, body: dict[str, Any]) -> None:
    answer = talk.send(method, path, {"app": ORDERS, **body}, app=ORDERS)
    assert answer.status_code == 400 and answer.json()["code"] in ("CB_VA01", "GAIA_IQ11"), answer.text


def test_views_name_the_lists_of_an_app_and_the_one_of_its_process(talk: Talk) -> None:
    views = talk.get("app/views.json", app=ORDERS).json()["views"]
    assert [one["type"] for one in views.values()] == ["LIST", "LIST"]
    assert [one.get("builtinType") for one in views.values()] == ["ASSIGNEE", None]
    assert list(talk.get("app/views.json", app=FAQ).json()["views"]) == ["すべて"]


def test_the_apis_describe_themselves(talk: Talk) -> None:
    apis = talk.http.get("/k/v1/apis.json", headers=talk.headers(who="yui.takahashi")).json()
    assert {"records", "app/form/fields", "records/cursor"} <= set(apis["apis"])


# --- attachments --------------------------------------------------------------------------------------------------------------


def upload(talk: Talk, name: str, content: bytes) -> str:
    answer = talk.http.post("/k/v1/file.json", files={"file": (name, content, "text/plain")}, headers=talk.headers(DEFECTS))
    assert answer.status_code == 200, answer.text
    return answer.json()["fileKey"]


def hang(talk: Talk, number: int, key: str) -> Any:
    change = {"app": DEFECTS, "id": number, "record": {"添付ファイル": {"value": [{"fileKey": key}]}}}
    return talk.send("PUT", "record.json", change)


def test_an_upload_becomes_an_attachment_under_another_key(talk: Talk) -> None:
    key = upload(talk, "測定メモ.txt", "寸法は規格内".encode())
    assert talk.code_of(talk.get("file.json", token_of=DEFECTS, fileKey=key)) == (404, "GAIA_BL01"), "an upload's key does not read"
    assert hang(talk, 1, key).status_code == 200
    (file,) = talk.get("record.json", app=DEFECTS, id=1).json()["record"]["添付ファイル"]["value"]
    assert (file["name"], file["contentType"], file["size"]) == ("測定メモ.txt", "text/plain", str(len("寸法は規格内".encode())))
    assert file["fileKey"] != key
    got = talk.get("file.json", token_of=DEFECTS, fileKey=file["fileKey"])
    assert got.content.decode() == "寸法は規格内" and got.headers["Content-Type"].startswith("text/plain")


def test_an_upload_that_nobody_took_is_gone_after_three_days(talk: Talk) -> None:
    key = upload(talk, "late.txt", b"x")
    talk.control("advance", days=3, minutes=1)
    refused = hang(talk, 2, key)
    assert talk.code_of(refused) == (400, "CB_VA01") and "record.添付ファイル.value[0].fileKey" in refused.json()["errors"]


# --- comments -----------------------------------------------------------------------------------------------------------------


def test_comments_come_ten_at_a_time_and_leave_the_record_as_it_is(talk: Talk) -> None:
    before = talk.get("record.json", app=ORDERS, id=5).json()
    for place in range(11):
        talk.control("comment", app="ORDERS", record=5, login="yui.takahashi", text=f"連絡{place}")
    mentions = [{"type": "USER", "code": "kenta.suzuki@sakura-seiki.example"}]
    sent = talk.send("POST", "record/comment.json", {"app": ORDERS, "record": 5, "comment": {"text": "確認", "mentions": mentions}})
    assert sent.json() == {"id": "12"} and talk.get("record.json", app=ORDERS, id=5).json() == before
    newest = talk.get("record/comments.json", app=ORDERS, record=5).json()
    assert [one["id"] for one in newest["comments"]] == [str(n) for n in range(12, 2, -1)]
    assert (newest["older"], newest["newer"]) == (True, False)
    assert newest["comments"][0]["mentions"] == mentions and newest["comments"][1]["creator"]["name"] == "髙橋 結衣"
    oldest = talk.get("record/comments.json", app=ORDERS, record=5, order="asc", offset=10, limit=2).json()
    assert [one["text"] for one in oldest["comments"]] == ["連絡10", "確認"] and (oldest["older"], oldest["newer"]) == (True, False)
    assert talk.code_of(talk.get("record/comments.json", app=ORDERS, record=5, limit=11)) == (400, "CB_VA01")
    gone = {"app": ORDERS, "record": 5, "comment": 99}
    assert talk.code_of(talk.send("DELETE", "record/comment.json", gone)) == (400, "GAIA_RE02")
    assert talk.send("DELETE", "record/comment.json", gone | {"comment": 12}).json() == {}


# --- webhooks -----------------------------------------------------------------------------------------------------------------


@dataclass
class Ear:
    """A listener on loopback that keeps what it is told."""

    url: str
    told: list[dict[str, Any]] = field(default_factory=list)
    came: threading.Semaphore = field(default_factory=lambda: threading.Semaphore(0))

    def next(self) -> dict[str, Any]:
        assert self.came.acquire(timeout=20), "nothing was sent"
        return self.told[-1]


@pytest.fixture
def ear(talk: Talk) -> Iterator[Ear]:
    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            heard.told.append(json.loads(self.rfile.read(int(self.headers["Content-Length"]))))
            heard.came.release()
            self.send_response(200)
            self.send_header("Content-Length", "0")
            self.end_headers()

        def log_message(self, format: str, *args: Any) -> None:
            """Quiet."""

    server = HTTPServer(("127.0.0.1", 0), Handler)
    heard = Ear(f"http://localhost:{server.server_port}/hook")
    thread = threading.Thread(target=server.serve_forever, daemon=True)
    thread.start()
    yield heard
    talk.control("webhook", clear=True)
    server.shutdown()
    thread.join()
    server.server_close()


EVENTS = ["ADD_RECORD", "UPDATE_RECORD", "UPDATE_STATUS", "ADD_RECORD_COMMENT", "DELETE_RECORD"]


def test_a_webhook_is_told_of_each_single_save_with_the_record_as_it_is(talk: Talk, ear: Ear) -> None:
    talk.control("webhook", app="ORDERS", url=ear.url, events=EVENTS)
    number = talk.add(ORDERS, 受注番号="W-1", 受注日="2026-06-01")
    told = ear.next()
    assert (told["type"], told["app"], told["recordTitle"]) == ("ADD_RECORD", {"id": str(ORDERS), "name": "受注"}, "W-1")
    assert told["record"] == talk.get("record.json", app=ORDERS, id=number).json()["record"]
    assert told["url"].endswith(f"/k/{ORDERS}/show#record={number}")
    talk.send("PUT", "record.json", {"app": ORDERS, "id": number, "record": {"備考": {"value": "至急"}}})
    assert ear.next()["record"]["備考"]["value"] == "至急"
    talk.send(
        "PUT", "record/status.json", {"app": ORDERS, "id": number, "action": "手配する", "assignee": "kenta.suzuki@sakura-seiki.example"}
    )
    assert ear.next()["type"] == "UPDATE_STATUS"
    talk.control("comment", app="ORDERS", record=number, login="yui.takahashi", text="了解")
    told = ear.next()
    assert (told["type"], told["recordId"], told["comment"]["text"]) == ("ADD_RECORD_COMMENT", str(number), "了解")
    talk.control("delete_record", app="ORDERS", id=number, login="yui.takahashi")
    told = ear.next()
    assert set(told) == {"id", "type", "app", "recordId", "deletedBy", "deletedAt"} and told["recordId"] == str(number)
    assert told["deletedBy"]["code"] == "yui.takahashi@sakura-seiki.example"
    assert len({one["id"] for one in ear.told}) == len(ear.told) == 5


def test_bulk_operations_tell_nobody(talk: Talk, ear: Ear) -> None:
    talk.control("webhook", app="ORDERS", url=ear.url, events=EVENTS)
    cells = {"受注番号": {"value": "W-2"}, "受注日": {"value": "2026-06-01"}}
    number = talk.send("POST", "records.json", {"app": ORDERS, "records": [cells]}).json()["ids"][0]
    talk.send("PUT", "records.json", {"app": ORDERS, "records": [{"id": number, "record": {"備考": {"value": "x"}}}]})
    talk.send("DELETE", "records.json", {"app": ORDERS, "ids": [number]})
    talk.add(ORDERS, 受注番号="W-3", 受注日="2026-06-01")
    assert ear.next()["recordTitle"] == "W-3" and len(ear.told) == 1


def test_beyond_sixty_a_minute_notifications_are_dropped_in_silence(talk: Talk, ear: Ear) -> None:
    talk.control("advance", minutes=5)
    before = talk.control("traffic")["webhooks"]["dropped"]
    talk.control("webhook", app="FAQ", url=ear.url, events=["ADD_RECORD_COMMENT"])
    for place in range(63):
        talk.control("comment", app="FAQ", record=1, login="yui.takahashi", text=str(place))
    assert talk.control("traffic")["webhooks"]["dropped"] == before + 3
    for _ in range(60):
        ear.next()
    assert {one["comment"]["text"] for one in ear.told} == {str(place) for place in range(60)}


def test_an_app_has_ten_webhooks_at_most_and_they_stay_on_this_machine(talk: Talk, ear: Ear) -> None:
    for _ in range(10):
        talk.control("webhook", app="DEFECTS", url=ear.url, events=["ADD_RECORD"])
    with pytest.raises(SandboxError, match="10 webhooks already"):
        talk.control("webhook", app="DEFECTS", url=ear.url, events=["ADD_RECORD"])
    with pytest.raises(SandboxError, match="loopback"):
        talk.control("webhook", app="FAQ", url="http://hooks.example/x", events=["ADD_RECORD"])
