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
    "versions": {"item_id": _TEXT, "versions": _INT, "bytes": _INT},
}  # fmt: skip
#: View → the table of a stream it is made of.
_SOURCES = {
    "scope_readings": "scopes", "members": "members", "accounts": "accounts", "grant_readings": "grants", "group_names": "principals",
    "versions": "versions",
}  # fmt: skip
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
_BUILT = ("scopes", "firsts", "grants", "holds", "own", "people", "names", "acls", "above", "audience", "crowds", "rights")


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

    def __init__(self, system: str, pins: Sequence[Pin]) -> None:
        from deltalake import QueryBuilder

        self.system = system
        self.pins = tuple(pins)
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
        self._view("items", " UNION ALL\n".join(filter(None, (self._items(pin) for pin in self.pins))) or _nothing(_ITEMS))
        for view, shape in _SHAPES.items():
            parts = [part for pin in self.pins if (part := self._part(view, pin, shape))]
            self._view(view, " UNION ALL\n".join(parts) or _nothing({"stream": _TEXT, "read_at": _AT, **shape}))
        for name in _BUILT:
            text = resources.files("pipelines.reports.access").joinpath("views", f"{name}.sql").read_text(encoding="utf-8").strip()
            self.views[name] = text
            self._session.execute(text).read_all()

    def _view(self, name: str, body: str) -> None:
        self.views[name] = f"CREATE VIEW {name} AS\n{body}"
        self._session.execute(self.views[name]).read_all()

    def _open(self, pin: Pin, table: str) -> DeltaTable | None:
        version = pin.snapshot.record.tables.get(table)
        if version is None:
            return None
        found = pin.snapshot.warehouse.open(table, pin.snapshot.stream, version)
        if found is None:
            place = pin.snapshot.warehouse.uri(table, pin.snapshot.stream)
            raise AnswerIsNo("landing.table_lost", table=place, version=version)
        self._session.register(f"{pin.stream}/{table}", found)
        return found

    def _part(self, view: str, pin: Pin, shape: Mapping[str, str]) -> str:
        """One stream's share of a view."""
        table = _SOURCES[view]
        found = self._open(pin, table)
        if found is None:
            return ""
        known = {field.name for field in found.schema().fields}
        self._has |= {table, *(f"{table}.{column}" for column in shape if column in known)}
        certain = next(iter(shape))
        columns = [_as(f'"{column}"' if column in known else _absent(certain, type), type, column) for column, type in shape.items()]
        read_at = _as(f"'{pin.read_at.isoformat()}'", _AT, "read_at")
        return _select(pin, [read_at, *columns], table)

    def _items(self, pin: Pin) -> str:
        """The live rows of one stream under the names of ``items``; which column is which, the contract says."""
        if self._open(pin, "current") is None:
            return ""
        by_source = {field.source: field.name for field in pin.contract.fields}
        key = pin.contract.key
        columns = [_as(f'"{key[0] if len(key) == 1 else "_key"}"', _TEXT, "item"), _as('"_scope"', _TEXT, "scope")]
        for column, (type, sources) in _ITEM.items():
            held = next((by_source[source] for source in sources if source in by_source), None)
            if held is not None:
                self._has.add(f"items.{column}")
            columns.append(_as(f'"{held}"' if held else _absent("_op", type), type, column))
        return _select(pin, columns, "current") + " WHERE \"_op\" = 'upsert'"


_ITEMS = {"stream": _TEXT, "item": _TEXT, "scope": _TEXT, **{column: type for column, (type, _) in _ITEM.items()}}


def _select(pin: Pin, columns: Sequence[str], table: str) -> str:
    return f"SELECT '{pin.stream}' AS stream, {', '.join(columns)}\nFROM \"{pin.stream}/{table}\""


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
    return Tables(system, pins)
