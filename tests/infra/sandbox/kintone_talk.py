"""How the kintone tests talk to the sandbox's server: a real socket, an API token or a password, JSON back."""

from __future__ import annotations

import base64
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx

from infra.sandbox import process
from infra.sandbox.company.people import person
from infra.sandbox.company.trade import DEFAULT_SEED
from infra.sandbox.kintone.directory import password

ORIGIN = datetime(2026, 6, 1, 1, 0, tzinfo=UTC)
CUSTOMERS, ORDERS, FAQ, DEFECTS = 11, 12, 13, 14
_CODES = {CUSTOMERS: "CUSTOMERS", ORDERS: "ORDERS", FAQ: "FAQ", DEFECTS: "DEFECTS"}


@dataclass
class Talk:
    """One running server, with the calls the tests make."""

    home: Path
    http: httpx.Client
    tokens: dict[str, str]

    def headers(self, app: int | None = None, *, who: str | None = None) -> dict[str, str]:
        if who is not None:
            one = person(who)
            secret = f"{one.login}:{password(DEFAULT_SEED, one)}"
            return {"X-Cybozu-Authorization": base64.b64encode(secret.encode()).decode()}
        return {"X-Cybozu-API-Token": self.tokens[_CODES[app or ORDERS]]}

    def get(self, path: str, *, who: str | None = None, token_of: int | None = None, **params: Any) -> httpx.Response:
        app = int(params.get("app", params.get("id", ORDERS))) if token_of is None else token_of
        headers = self.headers(app if app in _CODES else ORDERS, who=who)
        return self.http.get(f"/k/v1/{path}", params=flat(params), headers=headers)

    def send(self, method: str, path: str, body: dict[str, Any], *, who: str | None = None, app: int | None = None) -> httpx.Response:
        headers = self.headers(app or body.get("app", ORDERS), who=who)
        return self.http.request(method, f"/k/v1/{path}", json=body, headers=headers)

    def records(self, app: int, query: str = "", *, who: str | None = None, **params: Any) -> dict[str, Any]:
        answer = self.get("records.json", who=who, app=app, query=query, **params)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ids(self, app: int, query: str = "", *, who: str | None = None) -> list[int]:
        """Ids of all matching records, read in seeks as a real client does."""
        found: list[int] = []
        condition = f"({query}) and " if query else ""
        while True:
            seek = f"{condition}$id > {found[-1] if found else 0} order by $id asc limit 500"
            page = self.records(app, seek, who=who, fields=["$id"])["records"]
            found += [int(one["$id"]["value"]) for one in page]
            if len(page) < 500:
                return found

    def code_of(self, answer: httpx.Response) -> tuple[int, str]:
        return answer.status_code, answer.json()["code"]

    def control(self, verb: str, **body: Any) -> dict[str, Any]:
        return process.control(self.home, verb, body)

    def add(self, app: int, **cells: Any) -> int:
        answer = self.send("POST", "record.json", {"app": app, "record": {code: {"value": value} for code, value in cells.items()}})
        assert answer.status_code == 200, answer.text
        return int(answer.json()["id"])


def flat(params: dict[str, Any]) -> list[tuple[str, str]]:
    """Parameters as the service wants them in a URL: lists with numbered keys."""
    pairs: list[tuple[str, str]] = []
    for name, value in params.items():
        if isinstance(value, list):
            pairs += [(f"{name}[{place}]", str(one)) for place, one in enumerate(value)]
        else:
            pairs.append((name, str(value).lower() if isinstance(value, bool) else str(value)))
    return pairs


@contextmanager
def kintone(home: Path) -> Iterator[Talk]:
    """A server of one's own, stopped at the end."""
    process.up(home, origin=ORIGIN, base_port=0, only=("kintone",))
    try:
        described = process.describe(home)["kintone"]
        with httpx.Client(base_url=described["http_url"], trust_env=False, timeout=30) as http:
            yield Talk(home, http, described["api_tokens"])
    finally:
        process.down(home)
