"""Every endpoint answers as Cybozu's own OpenAPI description says, by the normal path and by a guest space's."""

from __future__ import annotations

import gzip
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from kintone_talk import DEFECTS, FAQ, ORDERS, Talk, flat, kintone

from infra.sandbox.kintone.routes import ROUTES

SPECIFICATION = Path(__file__).resolve().parents[4] / "shared" / "data" / "vendor-specs" / "kintone-openapi-20250423.yaml.gz"
pytestmark = pytest.mark.skipif(not SPECIFICATION.exists(), reason=f"the vendor's OpenAPI file is not at {SPECIFICATION}")
#: Not in the description: the self-description of the APIs, and bytes.
UNDESCRIBED = {("/k/v1/apis.json", "GET"), ("/k/v1/file.json", "GET")}
#: Where the description names a type and the service sends null: the creator of an app has no code, an app outside spaces no space,
#: an app whose process was never set no states.
NULL_ON_THE_WIRE = frozenset(
    {("app/acl.json", "code"), ("apps/statistics.json", "space"), ("app/status.json", "states"), ("app/status.json", "actions")}
)
SALES = "kenta.suzuki@sakura-seiki.example"


@pytest.fixture(scope="module")
def document() -> dict[str, Any]:
    import yaml

    return as_on_the_wire(yaml.load(gzip.decompress(SPECIFICATION.read_bytes()), Loader=getattr(yaml, "CSafeLoader", yaml.SafeLoader)))


def as_on_the_wire(node: Any) -> Any:
    """The file says integer where the wire says string (or null): trust the wire there, and the file for everything else.

    Its alternatives require nothing, so that an answer fits several: one of them is enough.
    """
    if isinstance(node, list):
        return [as_on_the_wire(one) for one in node]
    if not isinstance(node, dict):
        return node
    found = {"anyOf" if key == "oneOf" else key: as_on_the_wire(value) for key, value in node.items()}
    return found | ({"type": ["integer", "string", "null"]} if found.get("type") == "integer" else {})


class Judge:
    """Holds answers to the description and remembers which endpoints it saw."""

    def __init__(self, talk: Talk, document: dict[str, Any]) -> None:
        self.talk = talk
        self.document = document
        self.seen: set[tuple[str, str]] = set()

    def get(self, path: str, *, who: str = "akari.mori", space: int | None = None, **params: Any) -> Any:
        prefix = "/k/v1/" if space is None else f"/k/guest/{space}/v1/"
        return self._judged("GET", path, self.talk.http.get(prefix + path, params=flat(params), headers=self.talk.headers(who=who)), space)

    def send(self, method: str, path: str, *, who: str = "akari.mori", space: int | None = None, **body: Any) -> Any:
        prefix = "/k/v1/" if space is None else f"/k/guest/{space}/v1/"
        return self._judged(
            method, path, self.talk.http.request(method, prefix + path, json=body, headers=self.talk.headers(who=who)), space
        )

    def _judged(self, method: str, path: str, answer: httpx.Response, space: int | None) -> Any:
        from jsonschema import Draft202012Validator

        assert answer.status_code == 200, (method, path, answer.text)
        self.seen.add((f"/k/v1/{path}", method))
        described = f"/k/v1/{path}" if space is None else f"/k/guest/{{guestSpaceId}}/v1/{path}"
        reply = self.document["paths"][described][method.lower()]["responses"]["200"]
        if "content" not in reply:
            assert answer.json() == {}
            return {}
        schema = reply["content"]["application/json"]["schema"]
        pointer = (
            "#/paths/"
            + described.replace("~", "~0").replace("/", "~1")
            + f"/{method.lower()}/responses/200/content/application~1json/schema"
        )
        found = Draft202012Validator({**self.document, "$ref": pointer}).iter_errors(answer.json())
        errors = [
            one
            for one in found
            if not (one.instance is None and (path.removeprefix("preview/"), str(one.absolute_path[-1])) in NULL_ON_THE_WIRE)
        ]
        assert not errors, (path, [f"{list(one.absolute_path)}: {one.message[:200]}" for one in errors[:3]])
        # The description requires nothing, so a missing key would pass: hold the outermost ones to it.
        assert set(answer.json()) == set(schema.get("properties", {})), (method, path)
        return answer.json()


@pytest.fixture(scope="module")
def judge(document: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Judge]:
    with kintone(tmp_path_factory.mktemp("kintone")) as running:
        # One who may do everything everywhere, so that only the form of an answer is in question.
        for app in ("FAQ", "DEFECTS"):
            running.control("break", name="change-acl", app=app, area="record_acl", rights=[])
        running.control("break", name="change-acl", app="ORDERS", area="record_acl", rights=[])
        yield Judge(running, document)


def test_reading_records_and_cursors(judge: Judge) -> None:
    judge.get("records.json", app=ORDERS, query="limit 20", totalCount=True)
    judge.get("record.json", app=DEFECTS, id=5)
    made = judge.send("POST", "records/cursor.json", app=ORDERS, query="$id <= 30", size=10)
    judge.get("records/cursor.json", id=made["id"])
    judge.send("DELETE", "records/cursor.json", id=made["id"])
    judge.get("records/acl/evaluate.json", app=ORDERS, ids=[1, 2, 3])


def test_writing_records(judge: Judge) -> None:
    cells = {"受注番号": {"value": "API-1"}, "受注日": {"value": "2026-06-01"}}
    one = judge.send("POST", "record.json", app=ORDERS, record=cells)
    judge.send("PUT", "record.json", app=ORDERS, id=one["id"], record={"備考": {"value": "x"}})
    judge.send("PUT", "record/assignees.json", app=ORDERS, id=one["id"], assignees=[SALES])
    judge.send("PUT", "record/status.json", app=ORDERS, id=one["id"], action="手配する", assignee=SALES)
    several = judge.send("POST", "records.json", app=ORDERS, records=[cells | {"受注番号": {"value": f"API-{n}"}} for n in (2, 3)])
    judge.send("PUT", "records.json", app=ORDERS, records=[{"id": several["ids"][0], "record": {"備考": {"value": "y"}}}])
    judge.send("DELETE", "records.json", app=ORDERS, ids=several["ids"])


def test_comments_and_files(judge: Judge) -> None:
    made = judge.send(
        "POST", "record/comment.json", app=ORDERS, record=1, comment={"text": "確認", "mentions": [{"type": "USER", "code": SALES}]}
    )
    judge.get("record/comments.json", app=ORDERS, record=1)
    judge.send("DELETE", "record/comment.json", app=ORDERS, record=1, comment=made["id"])
    headers = judge.talk.headers(who="akari.mori")
    answer = judge.talk.http.post("/k/v1/file.json", files={"file": ("a.txt", b"a", "text/plain")}, headers=headers)
    judge._judged("POST", "file.json", answer, None)


def test_apps_and_their_settings(judge: Judge) -> None:
    judge.get("app.json", id=ORDERS)
    judge.get("apps.json")
    judge.get("apps/statistics.json")
    for app in (11, ORDERS, FAQ, DEFECTS):
        for area in ("app/form/fields", "app/form/layout", "app/settings", "app/status", "app/views", "app/acl", "record/acl", "field/acl"):
            judge.get(f"{area}.json", app=app)
            judge.get(f"preview/{area}.json", app=app)


def test_spaces(judge: Judge) -> None:
    judge.talk.control("space", id=4, private=True, app="DEFECTS")
    judge.get("space.json", id=4)
    judge.get("space/members.json", id=4)
    judge.get("app.json", id=DEFECTS)
    judge.get("apps/statistics.json")
    judge.send("POST", "app/move.json", app=DEFECTS)


def test_changing_settings(judge: Judge) -> None:
    judge.send("POST", "preview/app/form/fields.json", app=FAQ, properties={"参考": {"type": "LINK", "code": "参考", "label": "参考"}})
    judge.send("PUT", "preview/app/form/fields.json", app=FAQ, properties={"参考": {"type": "LINK", "label": "参考資料"}})
    judge.send("DELETE", "preview/app/form/fields.json", app=FAQ, fields=["参考"])
    judge.send("PUT", "preview/app/settings.json", app=FAQ, description="新しい説明")
    for area, name in (("app/acl", "app_acl"), ("record/acl", "record_acl"), ("field/acl", "field_acl")):
        rights = judge.get(f"{area}.json", app=FAQ)["rights"]
        assert name and judge.send("PUT", f"preview/{area}.json", app=FAQ, rights=rights)
    judge.send("POST", "preview/app/deploy.json", apps=[{"app": FAQ}])
    judge.get("preview/app/deploy.json", apps=[FAQ])
    for area in ("app/acl", "record/acl", "field/acl"):
        judge.send("PUT", f"{area}.json", app=FAQ, rights=judge.get(f"{area}.json", app=FAQ)["rights"])
    reference = {"app": "ORDERS", "own": "顧客コード", "theirs": "顧客コード", "shown": ["受注番号"]}
    judge.talk.control("add_field", app="CUSTOMERS", code="受注一覧", type="REFERENCE_TABLE", reference=reference)
    judge.get("app/form/fields.json", app=11)
    judge.get("app/form/layout.json", app=11)


def test_an_app_made_in_bulk(judge: Judge) -> None:
    big = int(judge.talk.control("bulk", code="LARGE", records=1_000)["app"])
    judge.get("records.json", app=big, query="order by $id asc limit 100")
    judge.get("app/form/fields.json", app=big)
    judge.get("app/form/layout.json", app=big)


def test_a_guest_space(judge: Judge) -> None:
    judge.talk.control("space", id=9, guest=True, app="FAQ")
    judge.get("records.json", space=9, app=FAQ, query="limit 3")
    judge.get("app.json", space=9, id=FAQ)
    judge.get("app/form/fields.json", space=9, app=FAQ)
    judge.get("record/comments.json", space=9, app=FAQ, record=1)
    judge.get("space.json", space=9, id=9)
    made = judge.send("POST", "records/cursor.json", space=9, app=FAQ)
    judge.get("records/cursor.json", space=9, id=made["id"])


def test_nothing_that_is_served_was_left_out(judge: Judge) -> None:
    """Runs last in this module: every described endpoint of the server was asked above."""
    served = {(path, method) for path, methods in ROUTES.items() for method in methods if path.startswith("/k/v1/")}
    assert served - UNDESCRIBED - judge.seen == set()
