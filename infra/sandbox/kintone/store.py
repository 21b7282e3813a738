"""One app: its form, its records, and the JSON bytes of each record, made once and kept until the record or the form changes."""

from __future__ import annotations

from array import array
from bisect import bisect_left, insort
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from datetime import UTC, datetime
from typing import Any

import msgspec

from infra.sandbox.kintone.bulk import BulkRecords, Rows
from infra.sandbox.kintone.directory import GROUP_NAMES, NAMES, ORGANISATION_NAMES, REGISTER
from infra.sandbox.kintone.forms import LIST_TYPES, Field

_encode = msgspec.json.encode
#: An entry of the time index: minutes since 1970 above, the id in the lower bits.
ID_BITS = 32
Row = tuple[int, dict[str, Any]]


def _minutes(stamp: str | None) -> int:
    return int(datetime.fromisoformat(stamp).timestamp()) // 60 if stamp else 0


def _drop(entries: array[int], entry: int) -> None:
    place = bisect_left(entries, entry)
    if place < len(entries) and entries[place] == entry:
        del entries[place]


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
        #: What other parts of the server know the app by, whatever its id and code are now.
        self.key = code
        self.name = name
        self.description = description
        self.fields = fields
        self.created = created
        self.modified = created
        self.owner = owner
        self.revision = 7
        self.process = Process((), (), enabled=False)
        self.title = ""
        self.space: int | None = None
        #: Whether the app is in a guest space; ``members`` are the users of a private or guest space, None where everybody is let in.
        self.guest_space = False
        self.members: frozenset[str] | None = None
        #: Digits, decimal places and rounding mode of numbers.
        self.precision = ("16", "4", "HALF_EVEN")
        self.comments_on = True
        self.views: dict[str, dict[str, Any]] = {}
        #: Told of every save outside bulk operations: event name, record, who.
        self.tell: Callable[[str, App, Record, str], None] | None = None
        self.app_acl: list[dict[str, Any]] = []
        self.record_acl: list[dict[str, Any]] = []
        self.field_acl: list[dict[str, Any]] = []
        self.records: dict[int, Record] | BulkRecords = {}
        self.ids: array[int] = array("q")
        self.deleted: list[int] = []
        self.next_id = 1
        self.next_row = 1
        #: Counts every change of form or rights, so that what was compiled from them is made anew.
        self.shape = 0
        #: Counts every change of a record.
        self.version = 0
        #: Keys of fields that were removed: a later field must not find their values.
        self.retired: set[str] = set()
        self.record_number = ""
        self._times: array[int] | None = None
        self._windows: dict[tuple[int, int], array[int]] = {}
        self._renderers: dict[tuple[frozenset[str] | None, frozenset[str]], Callable[[Iterable[int]], list[bytes]]] = {}
        self._by_code: dict[str, tuple[Field, Field | None]] = {}
        self.writers: list[tuple[str, bytes, Callable[[Record], bytes]]] = []
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
        self.writers = [
            (one.code, _encode(one.code) + b":", self._writer(one)) for one in self.fields if one.enabled and one.reference is None
        ]
        self.record_number = next((one.code for one in self.fields if one.type == "RECORD_NUMBER"), "")
        self._renderers = {}
        for record in self.records.own.values() if isinstance(self.records, BulkRecords) else self.records.values():
            record.body = None

    def key_of(self, code: str) -> str:
        """The key under which records hold this field's value."""
        return self._by_code[code][0].key

    def find(self, code: str) -> tuple[Field, Field | None] | None:
        """The field with this code and the table it is in, if any."""
        return self._by_code.get(code)

    def of_type(self, kind: str) -> Field:
        """The one field of a system type."""
        return next(one for one in self.fields if one.type == kind)

    # --- records --------------------------------------------------------------------------------------------------------

    def fill_bulk(self, rows: Rows) -> None:
        """Give an empty app the base records of a bulk app."""
        self.records = BulkRecords(rows, Record)
        self.ids = array("q", range(1, rows.count + 1))
        self._times = array("q", (rows.minute(number) << ID_BITS | number for number in self.ids))
        self.next_id = rows.count + 1

    def add(self, values: dict[str, Any], *, revision: int = 1) -> Record:
        """Store a new record under the next id. ``values`` must hold the system fields already."""
        return self.insert(self.next_id, values, revision)

    def insert(self, number: int, values: dict[str, Any], revision: int) -> Record:
        """Store a record under an id of its own; later ids go on after the highest."""
        record = Record(number, values, revision)
        self.records[number] = record
        if self.ids and number < self.ids[-1]:
            insort(self.ids, number)
        else:
            self.ids.append(number)
        self.next_id = max(self.next_id, number + 1)
        self._timed(record, None)
        return record

    def changed(self, record: Record, *, by: str, at: datetime, steps: int = 1) -> None:
        """Count a save of a record: revision, modifier, time."""
        before = record.values.get("更新日時")
        record.revision += steps
        record.values["更新者"] = by
        record.values["更新日時"] = minute(at)
        record.body = None
        self.records[record.id] = record
        self._timed(record, before)

    def remove(self, number: int) -> None:
        before = self.records[number].values.get("更新日時")
        del self.records[number]
        del self.ids[bisect_left(self.ids, number)]
        self.deleted.append(number)
        self.version += 1
        self._windows.clear()
        if self._times is not None:
            _drop(self._times, _minutes(before) << ID_BITS | number)

    def _timed(self, record: Record, before: str | None) -> None:
        """Keep the index of update times true after a save; ``before`` is the time until now."""
        self.version += 1
        self._windows.clear()
        if self._times is not None:
            if before is not None:
                _drop(self._times, _minutes(before) << ID_BITS | record.id)
            insort(self._times, _minutes(record.values.get("更新日時")) << ID_BITS | record.id)

    def saved_between(self, first: int, last: int) -> Sequence[int]:
        """Ids, upwards, of the records last saved in these minutes (since 1970, both included). Found by index and kept until a save."""
        if self._times is None:
            self._times = array(
                "q", sorted(_minutes(self.records[number].values.get("更新日時")) << ID_BITS | number for number in self.ids)
            )
        times = self._times
        low, high = bisect_left(times, max(first, 0) << ID_BITS), bisect_left(times, (last + 1) << ID_BITS)
        if low == 0 and high == len(times):
            return self.ids
        if (low, high) not in self._windows:
            if len(self._windows) >= 8:
                self._windows.clear()
            mask = (1 << ID_BITS) - 1
            self._windows[low, high] = array("q", sorted(entry & mask for entry in times[low:high]))
        return self._windows[low, high]

    def last_saved(self) -> str | None:
        """The newest update time of a record."""
        self.saved_between(0, 0)
        if not self._times:
            return None
        return minute(datetime.fromtimestamp((self._times[-1] >> ID_BITS) * 60, UTC))

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
            parts = [head + write(record) for _, head, write in self.writers]
            tail = b',"$id":{"type":"__ID__","value":"%d"},"$revision":{"type":"__REVISION__","value":"%d"}}' % (record.id, record.revision)
            record.body = b"{" + b",".join(parts) + tail
        return record.body

    def part(self, record: Record, wanted: frozenset[str] | None, hidden: Iterable[str]) -> bytes:
        """The record as JSON with the wanted codes (None: all) that are not hidden."""
        hide = frozenset(hidden)
        if wanted is None and not hide:
            return self.body(record)
        parts = [head + write(record) for code, head, write in self.writers if (wanted is None or code in wanted) and code not in hide]
        if wanted is None or "$id" in wanted:
            parts.append(b'"$id":{"type":"__ID__","value":"%d"}' % record.id)
        if wanted is None or "$revision" in wanted:
            parts.append(b'"$revision":{"type":"__REVISION__","value":"%d"}' % record.revision)
        return b"{" + b",".join(parts) + b"}"

    def rendered(self, ids: Iterable[int], wanted: frozenset[str] | None, hidden: frozenset[str]) -> list[bytes]:
        """The records of these ids as JSON; what was removed meanwhile is left out."""
        records = self.records
        if not isinstance(records, BulkRecords):
            return [self.part(record, wanted, hidden) for number in ids if (record := records.get(number)) is not None]
        at = (wanted, hidden)
        if at not in self._renderers:
            if len(self._renderers) >= 32:
                self._renderers.clear()
            self._renderers[at] = records.rows.writer(self, wanted, hidden)
        write, own = self._renderers[at], records.own
        if records.untouched:
            return write(ids)
        there = [number for number in ids if number in records]
        if not any(number in own for number in there):
            return write(there)
        return [self.part(own[number], wanted, hidden) if number in own else write((number,))[0] for number in there]

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
        _entities[at] = _encode({"code": REGISTER.shown(code) if names is NAMES else code, "name": names.get(code, code)})
    return _entities[at]


def forget_names() -> None:
    """After a change of the directory: names on the wire are made anew."""
    _entities.clear()
