"""A tiny kintone in memory, for the parts of the connector that need no sandbox: it answers exactly what these tests ask, and can lie."""

from __future__ import annotations

import json
import re
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any
from urllib.parse import parse_qs

import httpx

from connectors.kintone.config import Config
from connectors.kintone.connector import KintoneConnector
from connectors.protocol import Column, Stream
from connectors.transport import TransportOptions

NOW = "Sat, 21 Nov 2026 00:00:30 GMT"
Record = dict[str, Any]


def cell(kind: str, value: Any) -> dict[str, Any]:
    return {"type": kind, "value": value}


def order(number: int, *, revision: int = 1, updated: str = "2026-11-01T00:00:00Z", **values: dict[str, Any]) -> Record:
    return {
        "$id": cell("__ID__", str(number)),
        "$revision": cell("__REVISION__", str(revision)),
        "更新日時": cell("UPDATED_TIME", updated),
        "件名": cell("SINGLE_LINE_TEXT", f"件名{number}"),
        **values,
    }


def field_of(kind: str, code: str, **more: Any) -> dict[str, Any]:
    return {"type": kind, "code": code, "label": code, **more}


def default_fields() -> dict[str, dict[str, Any]]:
    return {"更新日時": field_of("UPDATED_TIME", "更新日時"), "件名": field_of("SINGLE_LINE_TEXT", "件名")}


EVERYONE = {"type": "GROUP", "code": "everyone"}


@dataclass
class World:
    """One app (id 12, code ORDERS). ``conditions`` say what a rule's condition means; ``before`` may answer in the server's place."""

    records: list[Record] = field(default_factory=list)
    fields: dict[str, dict[str, Any]] = field(default_factory=default_fields)
    revision: int = 7
    precision: dict[str, str] = field(default_factory=lambda: {"digits": "16", "decimalPlaces": "4", "roundingMode": "HALF_EVEN"})
    app: dict[str, Any] = field(
        default_factory=lambda: {"appId": "12", "code": "ORDERS", "name": "受注", "spaceId": None, "creator": {"code": "owner"}}
    )
    app_acl: list[dict[str, Any]] = field(default_factory=lambda: [{"entity": EVERYONE, "recordViewable": True, "includeSubs": False}])
    record_acl: list[dict[str, Any]] = field(default_factory=list)
    #: Rows of field codes, as the form shows them; None: one field a row, in the order of ``fields``.
    layout: list[list[str]] | None = None
    process: dict[str, Any] = field(default_factory=lambda: {"enable": False, "states": None, "actions": None})
    comments: dict[str, list[dict[str, Any]]] = field(default_factory=dict)
    field_acl: list[dict[str, Any]] = field(default_factory=list)
    users: dict[str, bool] = field(default_factory=lambda: {"sato": True, "suzuki": True, "left": False})
    groups: dict[str, list[str]] = field(default_factory=dict)
    organisations: dict[str, tuple[str | None, list[str]]] = field(default_factory=dict)
    space: dict[str, Any] | None = None
    conditions: dict[str, Callable[[Record], bool]] = field(default_factory=dict)
    before: Callable[[httpx.Request, World], httpx.Response | None] | None = None
    asked: list[httpx.Request] = field(default_factory=list)

    def handle(self, request: httpx.Request) -> httpx.Response:
        self.asked.append(request)
        if self.before is not None and (answer := self.before(request, self)) is not None:
            return answer
        if request.method == "POST" and request.headers.get("X-HTTP-Method-Override") == "GET":
            params = {name: str(value) for name, value in json.loads(request.content).items() if not isinstance(value, list)}
            fields = json.loads(request.content).get("fields", [])
        else:
            query = parse_qs(request.url.query.decode(), keep_blank_values=True)
            params = {name: values[0] for name, values in query.items()}
            fields = [values[0] for name, values in query.items() if name.startswith("fields[")]
        return answered(self._body(request.url.path.removeprefix("/k").removeprefix("/v1/"), params, fields))

    def queries(self) -> list[str]:
        """The queries of all records.json calls so far, in order."""
        found = [
            parse_qs(request.url.query.decode()).get("query", [""])[0]
            for request in self.asked
            if request.url.path.endswith("/records.json")
        ]
        return [one for one in found if one]

    def _body(self, resource: str, params: dict[str, str], fields: list[str]) -> dict[str, Any]:
        match resource:
            case "apps.json":
                wanted = params.get("codes[0]")
                return {"apps": [self.app] if wanted in (None, self.app["code"]) and params.get("offset", "0") == "0" else []}
            case "app.json":
                return self.app
            case "app/form/fields.json":
                return {"properties": self.fields, "revision": str(self.revision)}
            case "app/settings.json":
                return {"numberPrecision": self.precision, "revision": str(self.revision)}
            case "app/form/layout.json":
                return {"layout": self._layout(), "revision": str(self.revision)}
            case "app/status.json":
                return {**self.process, "revision": str(self.revision)}
            case "record/comments.json":
                offset, found = int(params.get("offset", "0")), self.comments.get(params["record"], [])
                page = found[offset : offset + int(params.get("limit", "10"))]
                return {"comments": page, "older": offset + len(page) < len(found), "newer": offset > 0}
            case "records.json":
                return self._records(params.get("query", ""), fields, params.get("totalCount") == "true")
            case "app/acl.json":
                return {"rights": self.app_acl, "revision": str(self.revision)}
            case "record/acl.json":
                return {"rights": self.record_acl, "revision": str(self.revision)}
            case "field/acl.json":
                return {"rights": self.field_acl, "revision": str(self.revision)}
            case "space.json":
                assert self.space is not None
                return self.space
            case "space/members.json":
                assert self.space is not None
                return {"members": self.space["members"]}
            case "users.json":
                return {"users": [self._user(code) for code in self.users]}
            case "groups.json":
                return {"groups": [{"code": code} for code in ["everyone", *self.groups]]}
            case "group/users.json":
                return {"users": [self._user(code) for code in self.groups[params["code"]]]}
            case "organizations.json":
                return {"organizations": [{"code": code, "parentCode": parent} for code, (parent, _) in self.organisations.items()]}
            case "organization/users.json":
                return {"userTitles": [{"user": self._user(code), "title": None} for code in self.organisations[params["code"]][1]]}
        raise AssertionError(f"the world knows no {resource}")

    def _layout(self) -> list[dict[str, Any]]:
        rows = [[code] for code in self.fields] if self.layout is None else self.layout
        found: list[dict[str, Any]] = []
        for row in rows:
            table = self.fields[row[0]] if len(row) == 1 and self.fields[row[0]]["type"] == "SUBTABLE" else None
            if table is not None:
                inner = [{"type": one["type"], "code": code} for code, one in table["fields"].items()]
                found.append({"type": "SUBTABLE", "code": row[0], "fields": inner})
            else:
                found.append({"type": "ROW", "fields": [{"type": self.fields[code]["type"], "code": code} for code in row]})
        return found

    def _user(self, code: str) -> dict[str, Any]:
        return {"code": code, "name": code, "email": f"{code}@sakura-seiki.example", "valid": self.users[code]}

    def _records(self, query: str, fields: list[str], total: bool) -> dict[str, Any]:
        found = sorted(self.records, key=lambda record: int(record["$id"]["value"]))
        for pattern, keep in (
            (r"\$id > (\d+)", lambda record, bound: int(record["$id"]["value"]) > int(bound)),
            (r"\$id <= (\d+)", lambda record, bound: int(record["$id"]["value"]) <= int(bound)),
            (r'更新日時 >= "([^"]+)"', lambda record, bound: record["更新日時"]["value"] >= bound),
            (r'更新日時 < "([^"]+)"', lambda record, bound: record["更新日時"]["value"] < bound),
        ):
            for bound in re.findall(pattern, query):
                found = [record for record in found if keep(record, bound)]
        for text, meets in self.conditions.items():
            if text in query:
                found = [record for record in found if meets(record)]
        for listed in re.findall(r"\$id in \(([^)]*)\)", query):
            wanted = {int(one) for one in listed.split(",")}
            found = [record for record in found if int(record["$id"]["value"]) in wanted]
        if "order by $id desc" in query:
            found.reverse()
        limit = re.search(r"limit (\d+)", query)
        page = found[: int(limit[1]) if limit else 100]
        if fields:
            page = [{key: value for key, value in record.items() if key in fields} for record in page]
        return {"records": page, "totalCount": str(len(found)) if total else None}


def answered(body: Any, status: int = 200, **headers: str) -> httpx.Response:
    return httpx.Response(
        status, content=json.dumps(body).encode(), headers={"Content-Type": "application/json;charset=UTF-8", "Date": NOW, **headers}
    )


def refused(code: str, status: int, message: str = "だめです") -> httpx.Response:
    return answered({"code": code, "id": "x-err-1", "message": message}, status)


def connector(
    world: World, *, login: bool = True, tokens: bool = True, options: TransportOptions | None = None, **config: Any
) -> KintoneConnector:
    auth: dict[str, Any] = config.pop("auth", {})
    if tokens:
        auth["api_tokens"] = ["token-secret-1"]
    if login:
        auth["password"] = {"login": "service", "password": "password-secret-1"}
    settings = Config.model_validate({"base_url": "https://sakura.cybozu.example", "auth": auth, **config})
    return KintoneConnector(
        "kintone", settings, options or TransportOptions(attempts=4), handler=httpx.MockTransport(world.handle), sleep=lambda _: None
    )


def stream(*columns: Column, **more: Any) -> Stream:
    """The orders stream, keyed by record id; ``source`` and ``options`` may be given."""
    import pyarrow as pa

    source = more.pop("source", {"app_code": "ORDERS", "app_id": 12})
    return Stream("kintone", "orders", source, ("record_id",), (Column("record_id", "$id", pa.int64(), True), *columns), "更新日時", **more)
