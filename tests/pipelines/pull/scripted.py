"""A source played by the test: rows in a dict, and hooks for everything a real one can do wrong."""

from __future__ import annotations

import json
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from conformance.live import write_contract, write_yaml

from connectors.access import Access, Scope, unknown_scope
from connectors.errors import FortnightError
from connectors.protocol import (
    OP,
    SCOPE,
    SOURCE_VERSION,
    Blob,
    Cursor,
    Health,
    Known,
    LiveField,
    Offer,
    Page,
    Reject,
    Schema,
    Stream,
    Window,
)
from pipelines.clock import WallClock
from pipelines.landing.quarantine import held_now
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load
from pipelines.pull.outcome import Request, Result
from pipelines.pull.run import pull

STREAM = "books/parts"
START = datetime(2026, 6, 1, tzinfo=UTC)
COLUMNS = pa.schema([("id", pa.int64()), ("名前", pa.string()), ("updated_at", pa.timestamp("us", "UTC"))])
PAGE = pa.schema([*COLUMNS, (OP, pa.string()), (SOURCE_VERSION, pa.string()), (SCOPE, pa.string())])


@dataclass(frozen=True)
class Row:
    """``bad`` rows cannot be typed, ``more`` are further faults of such a one. ``gone`` marks a delete in a feed."""

    name: str = "ねじ"
    at: datetime = START
    bad: bool = False
    gone: bool = False
    scope: str = "all"
    more: tuple[tuple[str, str], ...] = ()


@dataclass
class Source:
    """``pages`` and ``counted`` take over what a pull and a count say; ``before_pull`` and ``after_pull`` act while the pull is under way.

    ``files`` holds what asking for a file by its ref meets, and ``fetched`` the refs that were asked for. ``cursor`` is what pages carry.
    """

    rows: dict[int, Row] = field(default_factory=dict)
    page: int = 10
    now: datetime = START + timedelta(hours=1)
    revision: str = "1"
    rights: tuple[Scope, ...] = (Scope("all", "all", ("everyone:books",)),)
    pages: Callable[[], Iterator[list[tuple[int, Row]]]] | None = None
    counted: Callable[[], int] | None = None
    before_pull: Callable[[], None] = lambda: None
    after_pull: Callable[[], None] = lambda: None
    asked: list[Window] = field(default_factory=list)
    listed: int = 0
    files: dict[str, bytes | FortnightError] = field(default_factory=dict)
    cursor: dict[str, Any] = field(default_factory=dict)
    fetched: list[str] = field(default_factory=list)
    kind: str = "scripted"
    endpoint: str = "https://books.example"
    sandbox: bool = False

    def put(self, number: int, **change: Any) -> None:
        """Save a row, as at the source's present time."""
        self.rows[number] = replace(self.rows.get(number, Row()), at=self.now, **change)

    def later(self, hours: float = 1) -> None:
        self.now += timedelta(hours=hours)

    def check(self) -> Health:
        return Health(True, self.endpoint, self.sandbox, ())

    def discover(self) -> Iterator[Offer]:
        return iter(())

    def describe(self, stream: Stream) -> Schema:
        live = (
            LiveField("id", "id", pa.int64(), "ID", required=True),
            LiveField("name", "名前", pa.string(), "TEXT"),
            LiveField("at", "更新", pa.timestamp("us", "UTC"), "TIME"),
        )
        return Schema(live, "sha256:x", self.revision, {})

    def count(self, stream: Stream) -> int:
        return self.counted() if self.counted else len(self.rows)

    def pull(self, stream: Stream, window: Window, cursor: Cursor | None = None, known: Known | None = None) -> Iterator[Page]:
        self.asked.append(window)
        self.before_pull()
        if self.pages:
            for page in self.pages():
                yield self._page(page)
        else:
            inside = [
                (number, row)
                for number, row in sorted(self.rows.items())
                if (window.since is None or row.at >= window.since) and (window.until is None or row.at < window.until)
            ]
            for start in range(0, max(len(inside), 1), self.page):
                yield self._page(inside[start : start + self.page])
        self.after_pull()

    def keys(self, stream: Stream) -> Iterator[pa.RecordBatch]:
        self.listed += 1
        yield pa.RecordBatch.from_pylist([{"id": number} for number in sorted(self.rows)], schema=pa.schema([("id", pa.int64())]))

    def access(self, stream: Stream) -> Access:
        return Access(self.rights, (), ())

    def scopes(self, stream: Stream, ids: Collection[str]) -> tuple[Scope, ...]:
        return tuple(unknown_scope(one) for one in ids)

    def blob(self, stream: Stream, blob: Blob) -> Iterator[bytes]:
        self.fetched.append(blob.ref)
        said = self.files.get(blob.ref, b"")
        if isinstance(said, FortnightError):
            raise said
        yield said

    def watermark(self) -> datetime:
        return self.now

    def close(self) -> None:
        """Nothing is held open."""

    def _page(self, rows: list[tuple[int, Row]]) -> Page:
        good = [
            {
                "id": number,
                "名前": None if row.gone else row.name,
                "updated_at": None if row.gone else row.at,
                OP: "delete" if row.gone else "upsert",
                SOURCE_VERSION: "1",
                SCOPE: row.scope,
            }
            for number, row in rows
            if not row.bad
        ]
        rejects = tuple(
            Reject(str(number), "名前", "type.mismatch", json.dumps({"id": number}), row.more, row.at.isoformat())
            for number, row in rows
            if row.bad
        )
        return Page(pa.RecordBatch.from_pylist(good, schema=PAGE), Cursor(self.cursor), len(rows), rejects)


@dataclass
class Chosen(Source):
    """A source of which single rows can be asked. ``again`` are the keys it was asked for, ``quiet`` those it leaves out for no reason."""

    again: list[str] = field(default_factory=list)
    quiet: tuple[int, ...] = ()

    def reread(self, stream: Stream, rows: Sequence[Reject]) -> Iterator[Page] | None:
        self.again = [row.key for row in rows]
        wanted = [int(key) for key in self.again if int(key) not in self.quiet]
        return iter([replace(self._page([(one, self.rows[one]) for one in wanted if one in self.rows]), cursor=Cursor({"no": "cursor"}))])


def mended(source: Source, *numbers: int) -> None:
    """What a mended contract does: the rows fit, and nothing at the source moved."""
    for number in numbers:
        source.rows[number] = replace(source.rows[number], bad=False)


def project_of(folder: Path, **contract: Any) -> Project:
    """A project with one system that is never connected to, and the contract of its one stream."""
    write_yaml(
        folder / "project.yaml",
        {"name": "books", "environment": "staging", "systems": {"books": {"kind": "kintone", "base_url": "https://books.example"}}},
    )
    project = load(folder)
    write_contract(
        project,
        {
            "stream": STREAM,
            "version": 1,
            "source": {},
            "key": ["id"],
            "cursor": {"field": "updated_at", "lookback": "PT5M"},
            "fields": [
                {"name": "id", "source": "id", "type": "int64", "required": True},
                {"name": "名前", "source": "name", "type": "string"},
                {"name": "updated_at", "source": "at", "type": "timestamp[us, UTC]"},
            ],
        }
        | contract,
    )
    return load(folder)


def run(project: Project, source: Source, **request: Any) -> Result:
    return pull(project, Request(STREAM, **request), WallClock(), connector=source)


def names(project: Project) -> dict[int, str]:
    rows = Warehouse(project.root).current(STREAM)
    return {} if rows is None else dict(zip(rows["id"].to_pylist(), rows["名前"].to_pylist(), strict=True))


def held(project: Project) -> list[str]:
    return sorted(row.key for row in held_now(Warehouse(project.root), STREAM))
