"""The published tables of all streams of a system, opened for SQL: each at its published version, united by views that the page prints."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from importlib import resources
from typing import TYPE_CHECKING, Any

from connectors.errors import AnswerIsNo, FixConfiguration
from expectations.contract import Contract
from pipelines.landing.snapshot import Snapshot, snapshot
from pipelines.landing.warehouse import Warehouse
from pipelines.pull.roster import known_roster
from pipelines.pull.versions import known_versions

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable, QueryBuilder

    from pipelines.project import Project

#: What a view gives, by the type of each column. What no stream has is null, and a figure that needs it is "not measured".
_TEXT, _FLAG, _INT, _AT, _LIST = "Utf8", "Boolean", "Int64", 'Timestamp(Microsecond, Some("UTC"))', "List(Utf8)"
_SHAPES: Mapping[str, Mapping[str, str]] = {
    "scope_readings": {
        "scope": _TEXT, "title": _TEXT, "principals": _LIST, "resolved": _FLAG, "reason": _TEXT, "parent": _TEXT, "level": _TEXT,
    },
    "members": {"group": _TEXT, "member": _TEXT},
    "accounts": {"principal": _TEXT, "login": _TEXT, "mail": _TEXT, "name": _TEXT, "active": _FLAG},
    "grant_readings": {
        "scope": _TEXT, "principal": _TEXT, "login": _TEXT, "title": _TEXT, "kind": _TEXT, "role": _TEXT, "via": _TEXT, "reads": _FLAG,
        "link_scope": _TEXT, "link_type": _TEXT, "link_expires": _AT, "link_password": _FLAG, "link_digest": _TEXT,
        "first_observed": _AT, "gone_at": _AT,
    },
    "group_names": {"principal": _TEXT, "title": _TEXT},
    "versions": {"stream": _TEXT, "item_id": _TEXT, "versions": _INT, "bytes": _INT},
    "joined_readings": {"group": _TEXT, "member": _TEXT, "first_observed": _AT, "gone_at": _AT},
    "agreement": {"at": _AT, "sample": _TEXT, "verdict": _TEXT},
}  # fmt: skip
#: View → the table of a stream it is made of.
_SOURCES = {
    "scope_readings": "scopes", "members": "members", "accounts": "accounts", "grant_readings": "grants", "group_names": "principals",
}  # fmt: skip
#: What a system has once, beside its streams: the reading of its memberships, what its largest files take with their versions, and the samples
#: in which the source was asked whether it agrees.
_ROSTER, _AGREEMENT, _VERSIONS = "@roster", "@agreement", "@versions"
#: Column of ``items`` → its type and the source codes it may have in a contract, library, list or page set.
_ITEM: Mapping[str, tuple[str, tuple[str, ...]]] = {
    "name": (_TEXT, ("name", "Title", "title")),
    "path": (_TEXT, ("path", "name", "Title")),
    "media_type": (_TEXT, ("media_type",)),
    "size": (_INT, ("size",)),
    "hash": (_TEXT, ("quick_xor_hash",)),
    "modified_at": (_AT, ("modified_at", "lastModifiedDateTime")),
    "modified_by": (_TEXT, ("modified_by", "lastModifiedBy")),
    "publication": (_TEXT, ("publication",)),
}
#: Views made of those views, in the order in which they build on each other; one file each below ``views/``.
_BUILT = ("joined", "scopes", "firsts", "grants", "holds", "own", "people", "names", "acls", "above", "audience", "crowds", "rights")


@dataclass(frozen=True)
class Pin:
    """One stream as published: its contract, its tables at their versions, when its rights were read (aware UTC)."""

    contract: Contract
    snapshot: Snapshot

    @property
    def stream(self) -> str:
        return self.contract.name

    @property
    def read_at(self) -> datetime:
        return self.snapshot.access_at


class Tables:
    """A system's tables under one SQL session. ``views`` is the SQL that made them, name by name; ``has`` what was measured at all."""

    def __init__(
        self,
        system: str,
        pins: Sequence[Pin],
        roster: Snapshot | None = None,
        samples: DeltaTable | None = None,
        versions: Snapshot | None = None,
    ) -> None:
        from deltalake import QueryBuilder

        self.system = system
        self.pins = tuple(pins)
        self.roster = roster
        self._samples = samples
        self._weighed = versions
        self.views: dict[str, str] = {}
        self._has: set[str] = set()
        # Without this a view would be planned on as many cores as there are, each with a share of tables of a few rows.
        self._session: QueryBuilder = QueryBuilder({"datafusion.execution.time_zone": "UTC"})
        self._register()

    def has(self, need: str) -> bool:
        """Whether any stream has this table (``grants``) or column (``items.publication``)."""
        return need in self._has

    def run(self, sql: str) -> pa.RecordBatchReader:
        """The answer to a query, batch by batch."""
        import pyarrow as pa

        return pa.RecordBatchReader.from_stream(self._session.execute(sql))

    def rows(self, sql: str) -> list[dict[str, Any]]:
        return self.run(sql).read_all().to_pylist()

    def _register(self) -> None:
        self._view("items", _union([part for pin in self.pins if (part := self._items(pin))], _ITEMS))
        if self.roster is not None:
            for table in ("members", "accounts", "groups"):
                self._open(_ROSTER, self.roster, table)
        for view, table in _SOURCES.items():
            parts = [part for pin in self.pins if (part := self._part(pin, table, _SHAPES[view]))]
            self._view(view, _union(parts, {"stream": _TEXT, "read_at": _AT, **_SHAPES[view]}))
        self._view("joined_readings", self._joined())
        self._view("versions", self._versions())
        self._view("agreement", self._agreement())
        for name in _BUILT:
            text = resources.files("pipelines.reports.access").joinpath("views", f"{name}.sql").read_text(encoding="utf-8").strip()
            self.views[name] = text
            self._session.execute(text).read_all()

    def _view(self, name: str, body: str) -> None:
        self.views[name] = f"CREATE VIEW {name} AS\n{body}"
        self._session.execute(self.views[name]).read_all()

    def _open(self, name: str, pin: Snapshot, table: str) -> DeltaTable | None:
        version = pin.record.tables.get(table)
        if version is None:
            return None
        found = pin.warehouse.open(table, pin.stream, version)
        if found is None:
            raise AnswerIsNo("landing.table_lost", table=pin.warehouse.uri(table, pin.stream), version=version)
        self._session.register(f"{name}/{table}", found)
        return found

    def _part(self, pin: Pin, table: str, shape: Mapping[str, str]) -> str:
        """One stream's share of a view."""
        found = self._open(pin.stream, pin.snapshot, table)
        if found is None:
            return ""
        known = {field.name for field in found.schema().fields}
        self._has |= {table, *(f"{table}.{column}" for column in shape if column in known)}
        certain = next(iter(shape))
        columns = [_as(f'"{column}"' if column in known else _absent(certain, type), type, column) for column, type in shape.items()]
        own = _select(pin.stream, [_at(pin.read_at), *columns], f"{pin.stream}/{table}")
        # As what serves does: a roster that was read after the stream decides of every group it knows, and of who is there at all.
        if table not in ("members", "accounts") or self.roster is None or self.roster.access_at < pin.read_at:
            return own
        theirs = _select(
            pin.stream, [_at(self.roster.access_at), *(_as(f'"{name}"', type, name) for name, type in shape.items())], f"{_ROSTER}/{table}"
        )
        if table == "accounts":
            return theirs
        return f'{theirs} WHERE gone_at IS NULL UNION ALL\n{own} WHERE "group" NOT IN (SELECT "group" FROM "{_ROSTER}/groups")'

    def _joined(self) -> str:
        """Memberships with the time a roster first saw them; no other reading keeps it."""
        shape = _SHAPES["joined_readings"]
        if self.roster is None:
            return _nothing(shape)
        return _whole(shape, f"{_ROSTER}/members")

    def _agreement(self) -> str:
        shape = _SHAPES["agreement"]
        if self._samples is None:
            return _nothing(shape)
        self._session.register(_AGREEMENT, self._samples)
        self._has.add("agreement")
        return _whole(shape, _AGREEMENT)

    def _versions(self) -> str:
        shape = _SHAPES["versions"]
        if self._weighed is None or self._open(_VERSIONS, self._weighed, "versions") is None:
            return _nothing(shape)
        self._has |= {"versions", *(f"versions.{column}" for column in shape)}
        # Streams of a system are told here without its name.
        columns = [_as(f'substr("stream", {len(self.system) + 2})', _TEXT, "stream")]
        columns += [_as(f'"{name}"', type, name) for name, type in shape.items() if name != "stream"]
        return f'SELECT {", ".join(columns)}\nFROM "{_VERSIONS}/versions"'

    def _items(self, pin: Pin) -> str:
        """The live rows of one stream under the names of ``items``; which column is which, the contract says."""
        if self._open(pin.stream, pin.snapshot, "current") is None:
            return ""
        by_source = {field.source: field.name for field in pin.contract.fields}
        key = pin.contract.key
        columns = [_as(f'"{key[0] if len(key) == 1 else "_key"}"', _TEXT, "item"), _as('"_scope"', _TEXT, "scope")]
        for column, (type, sources) in _ITEM.items():
            held = next((by_source[source] for source in sources if source in by_source), None)
            if held is not None:
                self._has.add(f"items.{column}")
            columns.append(_as(f'"{held}"' if held else _absent("_op", type), type, column))
        return _select(pin.stream, columns, f"{pin.stream}/current") + " WHERE \"_op\" = 'upsert'"


_ITEMS = {"stream": _TEXT, "item": _TEXT, "scope": _TEXT, **{column: type for column, (type, _) in _ITEM.items()}}


def _select(stream: str, columns: Sequence[str], table: str) -> str:
    return f"SELECT '{stream}' AS stream, {', '.join(columns)}\nFROM \"{table}\""


def _whole(shape: Mapping[str, str], table: str) -> str:
    columns = [_as(f'"{name}"', type, name) for name, type in shape.items()]
    return f'SELECT {", ".join(columns)}\nFROM "{table}"'


def _at(when: datetime) -> str:
    return _as(f"'{when.isoformat()}'", _AT, "read_at")


def _union(parts: Sequence[str], shape: Mapping[str, str]) -> str:
    return " UNION ALL\n".join(parts) or _nothing(shape)


def _as(value: str, type: str, name: str) -> str:
    return f"arrow_cast({value}, '{type}') AS \"{name}\""


def _absent(certain: str, type: str) -> str:
    """Null in every row, in a way that no optimizer sees: a filter on a column that is plainly null is lost on its way into a Delta scan
    (deltalake 1.6.6), and every row passes. ``certain`` is a text column that is there."""
    some = {_TEXT: "''", _FLAG: "false", _INT: "0", _AT: "0"}[type]
    return f"CASE WHEN \"{certain}\" = '\u2205' THEN {some} END"


def _nothing(shape: Mapping[str, str]) -> str:
    """A view without rows, in its shape."""
    return f"SELECT {', '.join(_as('NULL', type, name) for name, type in shape.items())} WHERE false"


def open_tables(project: Project, system: str) -> Tables:
    """All published streams of a system.

    Raises FixConfiguration for a system the project does not have, AnswerIsNo when nothing of it was ever published.
    """
    if system not in project.file.systems:
        raise FixConfiguration("project.unknown_system", system=system, known=", ".join(sorted(project.file.systems)))
    warehouse = Warehouse(project.root)
    own = sorted((contract for contract in project.contracts.values() if contract.system == system), key=lambda one: one.stream)
    pins = [Pin(contract, pin) for contract in own if (pin := snapshot(warehouse, contract.stream)) is not None]
    if not pins:
        raise AnswerIsNo("access.nothing_published", system=system)
    return Tables(system, pins, known_roster(warehouse, system), warehouse.open("agreement", system), known_versions(warehouse, system))
