"""A kintone of this process alone, on a real socket, whose clock stands still until a test moves it; and a project that pulls from it.

It is the sandbox's own application. Standing still makes a minute what the test says it is, so that a failing interleaving fails again.
"""

from __future__ import annotations

import base64
import json
import shutil
import socket
import urllib.error
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import replace
from datetime import UTC, date, datetime, timedelta
from datetime import time as time_of_day
from decimal import Decimal
from pathlib import Path
from typing import Any, cast

from conformance.live import contract_of, write_yaml
from houses import BY_HAND, Between, StandingClock, Watched, serving

from connectors.protocol import Connector
from expectations.contract import Contract
from infra.sandbox.host import MarkedApp
from infra.sandbox.kintone import app as kintone
from infra.sandbox.settings import Settings
from pipelines.clock import FixedClock
from pipelines.landing.published import Published
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load
from pipelines.pull import run
from pipelines.pull.outcome import Report, Request, Result, silent

Record = dict[str, Any]
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class House(Between):
    """The running server: its control verbs, its REST interface as an administrator, its clock."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.clock = cast(StandingClock, settings.clock)
        self.login: Mapping[str, str] = kintone.describe(settings)["login"]
        self._made = 0

    def control(self, verb: str, **body: Any) -> Any:
        return self._send("POST", f"/_sandbox/{verb}", body, {"X-Sandbox-Admin": self.settings.admin_token})

    def rest(self, method: str, path: str, **body: Any) -> Any:
        """A call of kintone's own API by somebody who may do everything in the app. ValueError with kintone's words where it refuses."""
        secret = base64.b64encode(f"{self.login['user']}:{self.login['password']}".encode()).decode()
        return self._send(method, f"/k/v1/{path}", body, {"X-Cybozu-Authorization": secret, BY_HAND: "1"})

    def later(self, **by: float) -> None:
        self.clock.advance(timedelta(**by))

    def app(self, records: int) -> App:
        """A new app of so many records, like no other of this house."""
        self._made += 1
        made = self.control("bulk", code=f"SMALL{self._made}", records=records)
        return App(self, made["code"], int(made["app"]), made["api_token"])

    def _send(self, method: str, path: str, body: Mapping[str, Any], headers: Mapping[str, str]) -> Any:
        request = urllib.request.Request(
            self.settings.http_url + path,
            data=json.dumps(body).encode(),
            method=method,
            headers={"Content-Type": "application/json", **headers},
        )
        try:
            with _opener.open(request, timeout=30) as answer:
                return json.loads(answer.read())
        except urllib.error.HTTPError as error:
            with error:
                raise ValueError(f"{method} {path}: {error.code} {error.read().decode('utf-8', 'replace')}") from None


class App:
    """One app: what people do to its records, and the truth about them."""

    def __init__(self, house: House, code: str, number: int, token: str) -> None:
        self.house, self.code, self.number, self.token = house, code, number, token

    def insert(self, *records: Mapping[str, Any]) -> list[int]:
        given = [{field: {"value": value} for field, value in one.items()} for one in records]
        return [int(one) for one in self.house.rest("POST", "records.json", app=self.number, records=given)["ids"]]

    def update(self, ids: list[int], **values: Any) -> None:
        """Save these records; without ``values`` a save that changes nothing."""
        given = [{"id": one, "record": {field: {"value": value} for field, value in values.items()}} for one in ids]
        self.house.rest("PUT", "records.json", app=self.number, records=given)

    def delete(self, ids: list[int]) -> None:
        self.house.rest("DELETE", "records.json", app=self.number, ids=ids)

    def truth(self) -> dict[int, Record]:
        """Every record as stored, by id."""
        answer = self.house.control("truth", app=str(self.number))
        return {int(record["$id"]["value"]): record for record in answer["records"]}

    def ids(self) -> list[int]:
        return sorted(self.truth())

    def broken(self, name: str, **how: Any) -> dict[str, Any]:
        """One of the sandbox's breaks, done to this app."""
        return self.house.control("break", name=name, **{"app": str(self.number), **how})


@contextmanager
def house(folder: Path, origin: datetime) -> Iterator[House]:
    """A kintone on a free port of loopback, until the block ends."""
    folder.mkdir(parents=True, exist_ok=True)
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = int(listening.getsockname()[1])
        settings = Settings(
            clock=StandingClock(origin), http_port=port, https_port=port, state=folder, ca_file=folder / "none", admin_token="of-this-test"
        )
        served = Watched(MarkedApp(kintone.build(settings), settings.clock))
        with serving(served, listening):
            served.house = House(settings)
            yield served.house


def said(cell: Mapping[str, Any]) -> Any:
    """A cell as kintone's JSON has it, in the form ``told`` gives: unset is None, numbers are numbers, choices without an order."""
    kind, value = cell["type"], cell["value"]
    if value in ("", None):
        return None
    if kind in ("NUMBER", "CALC", "__ID__", "__REVISION__"):
        return Decimal(value)
    return sorted(value) if kind in ("CHECK_BOX", "MULTI_SELECT") else value


def told(value: Any) -> Any:
    """A landed value back in kintone's words, independent of the connector's decoders."""
    if isinstance(value, int):
        return Decimal(value)
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, time_of_day):
        return value.strftime("%H:%M")
    if isinstance(value, list) and all(isinstance(one, str) for one in cast(list[Any], value)):
        return sorted(cast(list[str], value))
    return value


class Target:
    """A project with one stream, the contract made from what the connector offers for the app."""

    stream = "kintone/small"

    def __init__(self, folder: Path, app: App, project: Project, connector: Connector) -> None:
        self.folder, self.app, self.project, self.connector = folder, app, project, connector

    def pull(self, *, report: Report = silent, **request: Any) -> Result:
        """One pull at the house's time."""
        at = FixedClock(self.app.house.clock.now())
        return run.pull(self.project, Request(self.stream, **request), at, report, self.connector)

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.project.root)

    def rows(self) -> dict[int, dict[str, Any]]:
        """The published live rows in kintone's words, by id; a key that stands twice is an error."""
        rows = self.warehouse.current(self.stream)
        if rows is None:
            return {}
        fields = self.project.contract(self.stream).fields
        found = {
            int(row["record_id"]): {field.source: told(row[field.name]) for field in fields}
            for row in rows.select([field.name for field in fields]).to_pylist()
        }
        assert len(found) == rows.num_rows == len(set(rows["_key"].to_pylist())), "a key stands twice"
        return found

    def wanted(self) -> dict[int, dict[str, Any]]:
        """What the rows must be: every record of the app, the contract's fields of it."""
        sources = [field.source for field in self.project.contract(self.stream).fields]
        return {number: {source: said(record[source]) for source in sources} for number, record in self.app.truth().items()}

    def tombstones(self) -> set[int]:
        rows = self.warehouse.read("current", self.stream)
        if rows is None:
            return set()
        return {int(row["_key"]) for row in rows.select(["_key", "_op"]).to_pylist() if row["_op"] == "delete"}

    @property
    def published(self) -> Published | None:
        return self.warehouse.published(self.stream)

    def versions(self) -> dict[str, int]:
        """The version of each table as published."""
        record = self.published
        return dict(record.tables) if record else {}

    def with_token(self, folder: Path) -> Target:
        """The same app for somebody who has nothing but its API token, into an empty storage root."""
        folder.mkdir(parents=True)
        (folder / ".env").write_text(f"TOKEN_OF_TEST={self.app.token}\n", encoding="utf-8")
        made = self.anew(folder / "data", self.app)
        systems = {"kintone": {**made.project.file.systems["kintone"], "auth": {"api_tokens": [{"env": "TOKEN_OF_TEST"}]}}}
        project = replace(made.project, folder=folder, file=made.project.file.model_copy(update={"systems": systems}))
        made.connector.close()
        return Target(folder, self.app, project, project.connect("kintone"))

    def reconnect(self) -> None:
        """A connector as a new process would open it."""
        self.connector.close()
        self.connector = self.project.connect("kintone")

    def anew(self, folder: Path, app: App, **source: Any) -> Target:
        """The same stream over another app and into an empty storage root; ``source`` is the address, by default code and number."""
        contract = self.project.contract(self.stream)
        source = source or {"app_code": app.code, "app_id": app.number}
        renamed: Contract = contract.model_copy(update={"source": source})
        file = self.project.file.model_copy(update={"storage": self.project.file.storage.model_copy(update={"root": str(folder)})})
        project = replace(self.project, contracts={self.stream: renamed}, file=file)
        return Target(folder, app, project, project.connect("kintone"))

    def close(self) -> None:
        self.connector.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def target(folder: Path, app: App, *, url: str = "") -> Target:
    """A first target, its contract written from the app's form; ``url`` leads to the house by a way around. To be closed by whoever asked."""
    house = app.house
    folder.mkdir(parents=True)
    (folder / ".env").write_text(f"LOGIN_OF_TEST={house.login['user']}\nPASSWORD_OF_TEST={house.login['password']}\n", encoding="utf-8")
    auth = {"password": {"login": {"env": "LOGIN_OF_TEST"}, "password": {"env": "PASSWORD_OF_TEST"}}}
    systems = {"kintone": {"kind": "kintone", "base_url": url or house.settings.http_url, "auth": auth}}
    write_yaml(
        folder / "project.yaml",
        {"name": "small", "environment": "sandbox", "env_file": ".env", "storage": {"root": "./data"}, "systems": systems},
    )
    project = load(folder)
    connector = project.connect("kintone")
    offer = next(one for one in connector.discover() if one.source.get("app_code") == app.code)
    contract = contract_of(offer, Target.stream)
    contract["cursor"]["deletes"] = "count-then-bisect"
    write_yaml(folder / "contracts" / f"{Target.stream}.yaml", contract)
    return Target(folder, app, load(folder), connector)
