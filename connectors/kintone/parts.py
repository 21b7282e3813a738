"""What streams of a record's parts share: the parents they are read with, and which parts are gone when a parent is read again.

A part (a row of a sub-table, a comment) has no life of its own: it comes with its record and goes with it. So when a record was read,
every part that we hold of it and that did not come is gone; and so are all parts of a record that is gone.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from typing import Any, cast

import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import FixConfiguration
from connectors.kintone.reader import Reader
from connectors.kintone.seek import Range
from connectors.pages import empty, gone
from connectors.protocol import Column, Cursor, Known, LiveField, Page, Stream, Window

#: The source code of the column that holds the parent's record id.
RECORD = "$id"
#: The column of it that parents are read with. No column of a contract has white space in its name.
RECORD_ID = "record id"
_PARENT, _PART = "parent", "part"


@dataclass(frozen=True)
class Keys:
    """The two key columns of a stream of parts, as the contract names them: the record's id and the part's."""

    record: Column
    part: Column


def keys_of(stream: Stream, part: str) -> Keys:
    """Raises FixConfiguration unless the contract's key is the record's id and the part's id (source code ``part``), in this order."""
    by_name = {column.name: column for column in stream.columns}
    key = [by_name[name] for name in stream.key]
    if [column.source for column in key] != [RECORD, part]:
        raise FixConfiguration("kintone.part_key", stream=stream.id, wanted=f"{RECORD}, {part}")
    return Keys(key[0], key[1])


def parents(stream: Stream, *columns: Column) -> Stream:
    """The stream of the records themselves, with their id and these columns."""
    record = Column(RECORD_ID, RECORD, pa.int64(), True)
    source = {name: value for name, value in stream.source.items() if name not in ("part", "table")}
    return replace(stream, source=source, key=(RECORD_ID,), columns=(record, *columns))


def fingerprint_of(fields: Iterable[LiveField]) -> str:
    """``sha256:…`` over what readers of the parts depend on. The rest of the app may change without the parts being read anew."""
    lines = sorted(
        [one.source, one.vendor_type, str(one.type), str(one.facets.get("format", "")), str(one.facets.get("options", ""))]
        for one in fields
    )
    return "sha256:" + hashlib.sha256(json.dumps(lines, ensure_ascii=False).encode()).hexdigest()


def held_key(record: str) -> str:
    """The quarantine key of a record whose parts can't be told: the key of a part that does not exist."""
    return json.dumps([int(record), None], separators=(",", ":"))


@dataclass
class Tally:
    """What one pull of parts saw: records read, parts that came (sixteen bytes each). ``above`` is the highest record id known before."""

    above: int
    read: list[pa.Array] = field(default_factory=list[pa.Array])
    spans: list[tuple[int, int]] = field(default_factory=list[tuple[int, int]])
    new: int = 0
    came: list[pa.Table] = field(default_factory=list[pa.Table])
    held: set[str] = field(default_factory=set[str])

    def take(self, records: pa.Array, of: pa.Array, parts: pa.Array) -> pa.Table | None:
        """Note a page: ``records`` that were read, and each part with the record it is ``of``.

        Where a record was read before in this pull (it changed meanwhile), returns its parts that came then and not now.
        """
        now = pa.table({_PARENT: of, _PART: parts})
        stale: pa.Table | None = None
        if len(records):
            low, high = cast("tuple[int, int]", tuple(pc.min_max(records).as_py().values()))
            if any(one <= high and low <= other for one, other in self.spans):
                stale = self._replaced(records, now)
            self.spans.append((low, high))
        self.read.append(records)
        self.new += cast("int", pc.sum(pc.greater(records, self.above)).as_py() or 0)
        self.came.append(now)
        return stale

    def _replaced(self, records: pa.Array, now: pa.Table) -> pa.Table | None:
        before = self.seen
        ours = pc.is_in(before[_PARENT], value_set=records)
        stale = before.filter(ours).join(now, [_PARENT, _PART], join_type="left anti").select([_PARENT, _PART])
        self.came = [before.filter(pc.invert(ours))]
        return stale if stale.num_rows else None

    @property
    def seen(self) -> pa.Table:
        """Every part that came, once."""
        nothing = pa.schema([(_PARENT, pa.int64()), (_PART, pa.int64())]).empty_table()
        return pa.concat_tables([nothing, *self.came]).group_by([_PARENT, _PART]).aggregate([])


def settled(
    reader: Reader,
    stream: Stream,
    keys: Keys,
    tally: Tally,
    cursor: Cursor,
    known: Known | None,
    window: Window,
    *,
    records: int | None,
    before: int | None,
) -> Iterator[Page]:
    """The last pages of a pull: parts that are gone, and the count.

    kintone counts records and never parts. After a full window the total is what came. After a window with ``since``, given ``known``, it is
    what came and, of the records that did not come, what we hold; without ``known`` there is no total. ``records`` is how many records the
    source has now, ``before`` how many it had at the last pull: where that leaves room for a deleted record, all ids are listed.
    """
    seen = tally.seen
    if window.since is None or window.until is not None or known is None:
        yield empty(stream.columns, cursor, seen.num_rows + len(tally.held) if window.full else None)
        return
    rows = known.rows()
    ours = pa.table({_PARENT: rows[keys.record.name].cast(pa.int64()), _PART: rows[keys.part.name].cast(pa.int64())})
    touched = pa.concat_arrays([pa.array([], pa.int64()), *tally.read])
    again = pc.is_in(ours[_PARENT], value_set=touched)
    if records is None or before is None or before + tally.new != records:
        living = pa.array([id for ids, _ in reader.listing(Range(0)) for id in ids], pa.int64())
        again = pc.or_(again, pc.invert(pc.is_in(ours[_PARENT], value_set=living)))
    left = ours.filter(pc.invert(again))
    # What stood for a record that was held before and is held again goes on standing for it.
    still = pa.array([int(json.loads(key)[0]) for key in tally.held], pa.int64())
    over = pc.and_(again, pc.invert(pc.and_(pc.is_null(ours[_PART]), pc.is_in(ours[_PARENT], value_set=still))))
    vanished = ours.filter(over).join(seen, [_PARENT, _PART], join_type="left anti")
    total = left.num_rows + seen.num_rows + len(tally.held)
    if vanished.num_rows:
        yield from gone(stream.columns, named(keys, vanished), cursor, total)
    yield empty(stream.columns, cursor, total)


def named(keys: Keys, found: pa.Table) -> pa.Table:
    """Pairs of record and part under the contract's names."""
    return found.select([_PARENT, _PART]).rename_columns([keys.record.name, keys.part.name])


def with_records(cursor: Cursor, records: int | None, more: Mapping[str, Any] | None = None) -> Cursor:
    """The records' own cursor that also remembers how many there were."""
    return Cursor({**cursor.state, "records": records, **(more or {})})
