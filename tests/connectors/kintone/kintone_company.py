"""The running sandbox company, and how each of its people asks its kintone: for tests that hold the connector against kintone's own word."""

from __future__ import annotations

import base64
from collections.abc import Iterator, Sequence
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import httpx

from connectors.kintone.config import Config
from connectors.kintone.connector import KintoneConnector
from connectors.protocol import Column, Connector, Stream
from connectors.transport import TransportOptions
from infra.sandbox import process
from infra.sandbox.company.people import Person, person
from infra.sandbox.kintone.directory import password


class Company:
    """The running sandbox, and how each of its people asks it."""

    def __init__(self, home: Path) -> None:
        self.home, self.named = home, process.environment(home)
        running = process.status(home)
        assert running is not None
        self.seed = running.seed
        self.http = httpx.Client(base_url=self.named["KINTONE_URL"], verify=self.named["FORTNIGHT_CA_FILE"], timeout=30)

    @contextmanager
    def connector(self, login: Person | None = None) -> Iterator[KintoneConnector]:
        """As the service account with its tokens; with ``login`` as that person alone."""
        auth: dict[str, Any] = {
            "api_tokens": [value for name, value in self.named.items() if name.startswith("KINTONE_TOKEN_")],
            "password": {"login": self.named["KINTONE_LOGIN"], "password": self.named["KINTONE_PASSWORD"]},
        }
        if login is not None:
            auth = {"password": {"login": login.login, "password": password(self.seed, login)}}
        config = Config.model_validate({"base_url": self.named["KINTONE_URL"], "auth": auth})
        options = TransportOptions(ca_file=Path(self.named["FORTNIGHT_CA_FILE"]), attempts=4)
        with closing(KintoneConnector("kintone", config, options)) as opened:
            yield opened

    def ask(self, who: Person, method: str, resource: str, body: dict[str, Any]) -> httpx.Response:
        pair = base64.b64encode(f"{who.login}:{password(self.seed, who)}".encode()).decode()
        headers = {"X-Cybozu-Authorization": pair}
        if method == "GET":
            headers["X-HTTP-Method-Override"] = "GET"
        return self.http.request("POST" if method == "GET" else method, f"/k/v1/{resource}.json", json=body, headers=headers)

    def evaluated(self, app: str, ids: Sequence[int], who: Person) -> dict[int, tuple[bool, frozenset[str]]]:
        """Per record, whether it may be viewed and the fields that may not, in kintone's own words."""
        found: dict[int, tuple[bool, frozenset[str]]] = {}
        for start in range(0, len(ids), 100):
            page = list(ids[start : start + 100])
            answer = self.ask(who, "GET", "records/acl/evaluate", {"app": app, "ids": page})
            if answer.status_code == 403:
                return dict.fromkeys(ids, (False, frozenset[str]()))
            assert answer.status_code == 200, answer.text
            for one in answer.json()["rights"]:
                hidden = frozenset(code for code, right in one["fields"].items() if not right["viewable"])
                found[int(one["id"])] = one["record"]["viewable"], hidden
        return found


def stream_of(opened: Connector, app: str, condition: str = "") -> Stream:
    """Every field of the app as a column, ``$id`` as record_id."""
    told = Stream("kintone", app.lower(), {"app_code": app, "condition": condition}, ("record_id",), ())
    fields = opened.describe(told).fields
    columns = tuple(Column("record_id" if one.source == "$id" else one.source, one.source, one.type) for one in fields)
    return replace(told, columns=columns)


def app_id(company: Company, app: str) -> str:
    found = company.ask(person("akari.mori"), "GET", "apps", {"codes": [app]}).json()["apps"]
    return str(found[0]["appId"])
