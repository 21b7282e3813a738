"""A SharePoint tenant of this process alone, on a real socket, whose clock stands still until a test moves it; small sites, and projects that pull them.

What people do is done by the sandbox's control verbs, and the truth about who may see what is its own evaluator's, asked item by item.
"""

from __future__ import annotations

import shutil
import socket
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any, cast

import httpx
from conformance.live import contract_of, write_yaml
from houses import Between, StandingClock, Watched, serving

from connectors.protocol import Connector
from infra.sandbox import ca
from infra.sandbox.company.people import PEOPLE
from infra.sandbox.host import MarkedApp
from infra.sandbox.settings import Settings
from infra.sandbox.sharepoint import app as sharepoint
from pipelines.clock import FixedClock
from pipelines.landing.published import Published
from pipelines.landing.snapshot import Snapshot, snapshot
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load
from pipelines.pull import run
from pipelines.pull.outcome import Report, Request, Result, silent
from pipelines.pull.roster import Refreshed, refresh
from pipelines.serving.desk import directories, known_as

SYSTEM = "sharepoint"
Facts = dict[str, Any]


class RefusedError(Exception):
    """The sandbox does not do what was asked, and says why: a name that is taken, an item that is gone."""


class House(Between):
    """The running server: its control verbs and its clock."""

    def __init__(self, settings: Settings) -> None:
        super().__init__()
        self.settings = settings
        self.clock = cast(StandingClock, settings.clock)
        self.told: Facts = sharepoint.describe(settings)
        self._client = httpx.Client(
            base_url=settings.https_url,
            verify=str(settings.ca_file),
            headers={"X-Sandbox-Admin": settings.admin_token},
            trust_env=False,
            timeout=30,
        )
        self._made = 0

    def control(self, verb: str, **body: Any) -> Any:
        """A control verb's answer. Raises RefusedError with the sandbox's sentence."""
        answer = self._client.post(f"/_sandbox/{verb}", json=body)
        if answer.status_code == 400:
            raise RefusedError(answer.json()["error"])
        answer.raise_for_status()
        return answer.json()

    def later(self, **by: float) -> None:
        self.clock.advance(timedelta(**by))
        self.control("clock")

    def old(self, key: str) -> Site:
        """A site that the company has had all along."""
        return Site(self, key, {one["list"]: one["list_id"] for one in self.control("truth", site=key)["items"]})

    def site(self) -> Site:
        """A new small site, like no other of this house."""
        self._made += 1
        key = f"s{self._made:04d}"
        return Site(self, key, self.control("site", key=key)["lists"])

    def close(self) -> None:
        self._client.close()


class Site:
    """One site: what is in it, and who may see it. ``lists`` are ids by title."""

    def __init__(self, house: House, key: str, lists: Mapping[str, str]) -> None:
        self.house, self.key, self.lists = house, key, lists

    def do(self, verb: str, **body: Any) -> Facts:
        """A control verb on this site's things. Raises RefusedError."""
        return self.house.control(verb, **body)

    def item(self, path: str) -> Facts:
        """What stands at ``list/folder/name`` now."""
        return next(one for one in self.items() if one["path"] == path)

    def items(self) -> list[Facts]:
        """Everything alive, folders among it, in an order that does not depend on ids."""
        found = self.house.control("truth", site=self.key)["items"]
        return sorted(found, key=lambda one: (one["list"], one["list_item_id"]))

    def binned(self) -> list[Facts]:
        return self.house.control("recycle_bin", site=self.key)["items"]

    def readers(self) -> dict[str, frozenset[str]]:
        """By unique id, the logins that find the item."""
        ids = [one["unique_id"] for one in self.items() if one["kind"] != "folder"]
        told = self.house.control("effective", items=ids)["items"]
        return {one["unique_id"]: frozenset(one["readers"]) for one in told}


@contextmanager
def house(folder: Path, origin: datetime) -> Iterator[House]:
    """A tenant on a free port of loopback, until the block ends."""
    state = folder / "state"
    state.mkdir(parents=True, exist_ok=True)
    certificates = ca.ensure(folder / "ca")
    with socket.socket() as listening:
        listening.bind(("127.0.0.1", 0))
        port = int(listening.getsockname()[1])
        settings = Settings(
            clock=StandingClock(origin),
            http_port=port,
            https_port=port,
            state=state,
            ca_file=certificates.ca_file,
            admin_token="of-this-test",
        )
        served = Watched(MarkedApp(sharepoint.build(settings), settings.clock))
        with serving(served, listening, ssl_certfile=str(certificates.cert_file), ssl_keyfile=str(certificates.key_file)):
            served.house = made = House(settings)
            try:
                yield made
            finally:
                made.close()


class Target:
    """A project with a contract for every stream of one site. ``kinds`` says of each stream what it holds: library, list or pages."""

    def __init__(self, folder: Path, site: Site, project: Project, connector: Connector) -> None:
        self.folder, self.site, self.project, self.connector = folder, site, project, connector

    @property
    def streams(self) -> list[str]:
        return sorted(self.project.contracts)

    def source(self, stream: str) -> Mapping[str, Any]:
        return self.project.contract(stream).source

    def pull(self, stream: str, *, report: Report = silent, **request: Any) -> Result:
        """One pull at the house's time."""
        return run.pull(self.project, Request(stream, **request), self._clock, report, self.connector)

    def roster(self) -> Refreshed:
        return refresh(self.project, SYSTEM, self._clock, self.connector)

    @property
    def _clock(self) -> FixedClock:
        return FixedClock(self.site.house.clock.now())

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.project.root)

    def published(self, stream: str) -> Published | None:
        return self.warehouse.published(stream)

    def rows(self, stream: str) -> dict[str, Facts]:
        """The published live rows by the unique id of what they are of; one that stands twice is an error."""
        rows = self.warehouse.current(stream)
        found = {} if rows is None else {self.key_of(stream, row): row for row in rows.to_pylist()}
        assert len(found) == (0 if rows is None else rows.num_rows), "a row stands twice"
        return found

    def key_of(self, stream: str, row: Mapping[str, Any]) -> str:
        """What tells a row's item: a drive item's id, a list item's number, a page's unique id."""
        return str(row[{"library": "item_id", "list": "id", "pages": "page_id"}[self.source(stream)["kind"]]])

    def wanted(self, stream: str) -> dict[str, Facts]:
        """The truth about the stream's items, folders left out, by the keys that rows have."""
        source = self.source(stream)
        title = source.get("name") or "サイトのページ"
        name = {"library": "id", "list": "list_item_id", "pages": "unique_id"}[source["kind"]]
        return {str(one[name]): one for one in self.site.items() if one["list"] == title and one["kind"] != "folder"}

    def readers(self) -> dict[str, dict[str, frozenset[str]]]:
        """By stream and row, the logins that a question finds the row for: memberships as the desk joins them, scopes as published."""
        pins = self._pins()
        found, _ = directories(self.project, pins)
        reach = {person.login: known_as(person.mail, found)[1] for person in PEOPLE}
        told: dict[str, dict[str, frozenset[str]]] = {}
        for pin in pins:
            scopes, rows = pin.read("scopes"), pin.live()
            assert scopes is not None and rows is not None
            lets_in = {one["scope"]: frozenset(one["principals"]) for one in scopes.to_pylist() if one["resolved"]}
            told[pin.stream] = {
                self.key_of(pin.stream, row): frozenset(
                    login for login, under in reach.items() if under[pin.stream] & lets_in.get(row["_scope"], frozenset())
                )
                for row in rows.to_pylist()
            }
        return told

    def _pins(self) -> list[Snapshot]:
        pins = [snapshot(self.warehouse, stream) for stream in self.streams]
        return [pin for pin in pins if pin is not None]

    def reconnect(self) -> None:
        """A connector as a new process would open it."""
        self.connector.close()
        self.connector = self.project.connect(SYSTEM)

    def close(self) -> None:
        self.connector.close()
        shutil.rmtree(self.folder, ignore_errors=True)


def target(folder: Path, site: Site, *more: Site, **contract: Any) -> Target:
    """A project over these sites alone, its contracts written from what they offer, and ``contract`` to each library's.

    To be closed by whoever asked.
    """
    house = site.house
    folder.mkdir(parents=True, exist_ok=True)
    told = house.told
    (folder / ".env").write_text(f"SECRET_OF_TEST={told['client_secret']}\n", encoding="utf-8")
    system = {
        "kind": "sharepoint",
        "tenant": told["tenant"],
        "client_id": told["client_id"],
        "client_secret": {"env": "SECRET_OF_TEST"},
        "certificate": told["certificate"],
        "authority": told["authority"],
        "graph": told["graph"],
        "host": house.settings.https_url,
        "sites": [f"/sites/{one.key}" for one in (site, *more)],
        "limits": {"units_per_minute": 600_000, "company": "Sakura Seiki"},
    }
    write_yaml(
        folder / "project.yaml",
        {
            "name": "small",
            "environment": "sandbox",
            "env_file": ".env",
            "ca_file": str(house.settings.ca_file),
            "storage": {"root": "./data"},
            "systems": {SYSTEM: system},
        },
    )
    connector = load(folder).connect(SYSTEM)
    for offer in connector.discover():
        stream = f"{SYSTEM}/{offer.name if more else offer.name.partition('-')[2]}"
        told_more = contract if offer.source["kind"] == "library" else {}
        write_yaml(folder / "contracts" / f"{stream}.yaml", contract_of(offer, stream) | told_more)
    return Target(folder, site, load(folder), connector)
