"""One app: its form, its records, and the JSON bytes of each record, made once and kept until the record or the form changes."""

from __future__ import annotations

from bisect import bisect_left, insort
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from infra.sandbox.kintone.directory import GROUP_NAMES, NAMES, ORGANISATION_NAMES
from infra.sandbox.kintone.forms import LIST_TYPES, Field

_encode = msgspec.json.encode
Row = tuple[int, dict[str, Any]]


def minute(at: datetime) -> str:
    """A time as records carry it: UTC, seconds cut off."""
    return at.astimezone(UTC).isoformat()[:16] + ":00Z"


class Record:
    """One record. ``values`` is keyed by the fields' keys; people and groups are stored by code, tables as (row id, values)."""

    __slots__ = ("body", "id", "revision", "values")

    def __init__(self, number: int, values: dict[str, Any], revision: int = 1) -> None:
        self.id = number
        self.revision = revision
        self.values = values
        self.body: bytes | None = None


@dataclass
class Process:
    """Process management: states in order, and actions as (name, from, to)."""

    states: tuple[str, ...]
    actions: tuple[tuple[str, str, str], ...]
    enabled: bool = True


class App:
    """An app with its settings, rights and records. Callers hold the domain's lock."""

    def __init__(self, number: int, code: str, name: str, description: str, fields: list[Field], *, created: datetime, owner: str) -> None:
        self.id = number
        self.code = code
        self.name = name
        self.description = description
        self.fields = fields
        self.created = created
        self.modified = created
        self.owner = owner
        self.revision = 7
        self.process = Process((), (), enabled=False)
        self.title = ""
        self.app_acl: list[dict[str, Any]] = []
        self.record_acl: list[dict[str, Any]] = []
        self.field_acl: list[dict[str, Any]] = []
        self.records: dict[int, Record] = {}
        self.ids: list[int] = []
        self.deleted: list[int] = []
        self.next_id = 1
        self.next_row = 1
        #: Counts every change of form or rights, so that what was compiled from them is made anew.
        self.shape = 0
        self._by_code: dict[str, tuple[Field, Field | None]] = {}
        self._writers: list[tuple[str, bytes, Callable[[Record], bytes]]] = []
        self.form_changed(None)

    # --- form -----------------------------------------------------------------------------------------------------------

    def form_changed(self, at: datetime | None) -> None:
        """Forget everything made from the form; with a time, count it as a deployed change of settings."""
        self.shape += 1
        if at is not None:
            self.revision += 1
            self.modified = at
        self._by_code = {}
        for one in self.fields:
            self._by_code[one.code] = (one, None)
            for cell in one.inner:
                self._by_code[cell.code] = (cell, one)
        self._writers = [(one.code, _encode(one.code) + b":", self._writer(one)) for one in self.fields if one.enabled]
        for record in self.records.values():
            record.body = None

    def find(self, code: str) -> tuple[Field, Field | None] | None:
        """The field with this code and the table it is in, if any."""
        return self._by_code.get(code)

    def of_type(self, kind: str) -> Field:
        """The one field of a system type."""
        return next(one for one in self.fields if one.type == kind)

    # --- records --------------------------------------------------------------------------------------------------------

    def add(self, values: dict[str, Any], *, revision: int = 1) -> Record:
        """Store a new record under the next id. ``values`` must hold the system fields already."""
        record = Record(self.next_id, values, revision)
        self.next_id += 1
        self.records[record.id] = record
        self.ids.append(record.id)
        return record

    def insert(self, number: int, values: dict[str, Any], revision: int) -> None:
        """Store a record of the base data under an id of its own; later ids go on after the highest."""
        self.records[number] = Record(number, values, revision)
        if self.ids and number < self.ids[-1]:
            insort(self.ids, number)
        else:
            self.ids.append(number)
        self.next_id = max(self.next_id, number + 1)

    def changed(self, record: Record, *, by: str, at: datetime, steps: int = 1) -> None:
        """Count a save of a record: revision, modifier, time."""
        record.revision += steps
        record.values["更新者"] = by
        record.values["更新日時"] = minute(at)
        record.body = None

    def remove(self, number: int) -> None:
        del self.records[number]
        del self.ids[bisect_left(self.ids, number)]
        self.deleted.append(number)

    def row(self, values: dict[str, Any]) -> Row:
        """A table row under a fresh row id."""
        self.next_row += 1
        return (self.next_row, values)

    def fill(self, values: dict[str, Any]) -> dict[str, Any]:
        """Compute the CALC fields, those in rows first."""
        for one in self.fields:
            for cell in one.inner:
                if cell.compute is not None:
                    for _, row in values.get(one.key, ()):
                        row[cell.key] = cell.compute(row)
        for one in self.fields:
            if one.compute is not None:
                values[one.key] = one.compute(values)
        return values

    # --- JSON -----------------------------------------------------------------------------------------------------------

    def body(self, record: Record) -> bytes:
        """The record as JSON with every field."""
        if record.body is None:
            parts = [head + write(record) for _, head, write in self._writers]
            tail = b',"$id":{"type":"__ID__","value":"%d"},"$revision":{"type":"__REVISION__","value":"%d"}}' % (record.id, record.revision)
            record.body = b"{" + b",".join(parts) + tail
        return record.body

    def part(self, record: Record, wanted: frozenset[str] | None, hidden: Iterable[str]) -> bytes:
        """The record as JSON with the wanted codes (None: all) that are not hidden."""
        hide = frozenset(hidden)
        if wanted is None and not hide:
            return self.body(record)
        parts = [head + write(record) for code, head, write in self._writers if (wanted is None or code in wanted) and code not in hide]
        if wanted is None or "$id" in wanted:
            parts.append(b'"$id":{"type":"__ID__","value":"%d"}' % record.id)
        if wanted is None or "$revision" in wanted:
            parts.append(b'"$revision":{"type":"__REVISION__","value":"%d"}' % record.revision)
        return b"{" + b",".join(parts) + b"}"

    def _writer(self, one: Field) -> Callable[[Record], bytes]:
        head = b'{"type":"%s","value":' % one.type.encode()
        if one.type == "RECORD_NUMBER":
            prefix = f"{self.code}-" if self.code else ""
            return lambda record: head + _encode(f"{prefix}{record.id}") + b"}"
        value = _value_writer(one)
        return lambda record: head + value(record.values) + b"}"


@dataclass(frozen=True)
class StoredFile:
    """An attachment: the app and record it hangs on, and its bytes, made on demand."""

    app_code: str
    name: str
    content_type: str
    size: int
    load: Callable[[], bytes] = field(repr=False)


_NAMES_OF = {
    "USER_SELECT": NAMES,
    "STATUS_ASSIGNEE": NAMES,
    "ORGANIZATION_SELECT": ORGANISATION_NAMES,
    "GROUP_SELECT": GROUP_NAMES,
}


def _value_writer(one: Field) -> Callable[[dict[str, Any]], bytes]:
    key = one.key
    unset: Any = [] if one.type in LIST_TYPES else None
    if one.type in ("CREATOR", "MODIFIER"):
        return lambda values: _entity(values[key], NAMES)
    names = _NAMES_OF.get(one.type)
    if names is not None:
        return lambda values: b"[" + b",".join([_entity(code, names) for code in values.get(key, ())]) + b"]"
    if one.type != "SUBTABLE":
        return lambda values: _encode(values.get(key, unset))
    cells = [(_encode(cell.code) + b':{"type":"%s","value":' % cell.type.encode(), _value_writer(cell)) for cell in one.inner]

    def table(values: dict[str, Any]) -> bytes:
        rows = [
            b'{"id":"%d","value":{' % number + b",".join([head + write(row) + b"}" for head, write in cells]) + b"}}"
            for number, row in values.get(key, ())
        ]
        return b"[" + b",".join(rows) + b"]"

    return table


_entities: dict[tuple[str, int], bytes] = {}


def _entity(code: str, names: dict[str, str]) -> bytes:
    at = (code, id(names))
    if at not in _entities:
        _entities[at] = _encode({"code": code, "name": names.get(code, code)})
    return _entities[at]
