"""What is held of a stream already, asked by key: few keys are looked up in the current table, many are loaded once."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from connectors.protocol import OP, SCOPE, SOURCE_VERSION, Reject, Stream
from pipelines.landing.files import Files
from pipelines.landing.published import Published
from pipelines.landing.quarantine import held_now
from pipelines.landing.rows import KEY, ROW_HASH
from pipelines.landing.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa

#: From this many look-ups on, reading every key once is cheaper than filtering the table again.
LOOKUPS = 4


@dataclass(frozen=True)
class Held:
    """One live row as it was last published: hash of its values, its scope, the source's version of it."""

    row_hash: str
    scope: str
    version: str | None


class Memory:
    """The live rows and the quarantine of one stream as of a published record; empty before the first. Satisfies ``protocol.Known``."""

    def __init__(self, warehouse: Warehouse, stream: Stream, record: Published | None) -> None:
        self._warehouse, self._stream, self._record = warehouse, stream, record
        self._all: dict[str, Held] | None = None if record else {}
        self._lookups = 0

    @cached_property
    def live(self) -> int:
        """How many rows are live."""
        return self._record.counts.get("live", 0) if self._record else 0

    @cached_property
    def waiting(self) -> Mapping[str, Reject]:
        """The rows in quarantine, by key."""
        return {row.key: row.reject() for row in held_now(self._warehouse, self._stream.id)}

    @property
    def count(self) -> int:
        return self.live + len(self.waiting)

    def rows(self) -> pa.Table:
        """Key columns in the contract's types, and ``_source_version``; held rows last, without a version.

        A held key whose text does not fit its type stands as null: the source has it, and nothing more is known of it.
        """
        import pyarrow as pa

        types = {column.name: column.type for column in self._stream.columns}
        schema = pa.schema([*((name, types[name]) for name in self._stream.key), (SOURCE_VERSION, pa.string())])
        found = self._table([*self._stream.key, SOURCE_VERSION])
        live = schema.empty_table() if found is None else found.select(schema.names).cast(schema)
        held = [{name: _fitting(text, types[name]) for name, text in self._key_parts(key).items()} for key in self.waiting]
        return pa.concat_tables([live, pa.Table.from_pylist(held, schema=schema)])

    def columns(self) -> pa.Schema | None:
        """The columns of the live rows as they were published, with the source codes that filled them; None before the first."""
        import pyarrow as pa

        version = self._record.tables.get("current") if self._record else None
        found = self._warehouse.open("current", self._stream.id, version) if version is not None else None
        return None if found is None else pa.schema(found.schema().to_arrow())

    def kept(self) -> pa.Table | None:
        """The connector's own memory, as the record left it."""
        version = self._record.tables.get("memory") if self._record else None
        found = self._warehouse.open("memory", self._stream.id, version) if version is not None else None
        return None if found is None else found.to_pyarrow_table()

    def whole(self, keys: Collection[str]) -> pa.Table:
        """The live rows with these keys: ``_key``, the contract's columns in its types, ``_source_version``."""
        import pyarrow as pa

        schema = pa.schema(
            [(KEY, pa.string()), *((column.name, column.type) for column in self._stream.columns), (SOURCE_VERSION, pa.string())]
        )
        found = self._table(schema.names, keys) if keys else None
        return schema.empty_table() if found is None else found.cast(schema)

    def of(self, keys: Sequence[str]) -> Mapping[str, Held]:
        """Those of the keys that are live, as they are held."""
        if self._all is None:
            self._lookups += 1
            if self._lookups > LOOKUPS:
                self.load()
        if self._all is not None:
            return {key: self._all[key] for key in keys if key in self._all}
        found = self._table([KEY, ROW_HASH, SCOPE, SOURCE_VERSION], keys)
        return {} if found is None else dict(_held(found))

    def load(self) -> Mapping[str, Held]:
        """Every live row by key. About 250 bytes a row in memory."""
        if self._all is None:
            found = self._table([KEY, ROW_HASH, SCOPE, SOURCE_VERSION])
            self._all = {} if found is None else dict(_held(found))
        return self._all

    def keys(self) -> Iterator[str]:
        """The keys of all live rows, in no order."""
        found = self._table([KEY])
        for chunk in () if found is None else found[KEY].chunks:
            yield from chunk.to_pylist()

    def held_any(self, column: str, keys: Collection[str]) -> bool:
        """Whether any of these live rows holds a value in the column."""
        found = self._table([column], keys) if keys else None
        return found is not None and found.column(column).null_count < found.num_rows

    def scopes(self, without: Collection[str] = ()) -> set[str]:
        """The scopes that live rows point at, rows with the keys ``without`` left out."""
        import pyarrow as pa
        import pyarrow.compute as pc

        found = self._table([KEY, SCOPE])
        if found is None:
            return set()
        if without:
            found = found.filter(pc.invert(pc.is_in(found[KEY], value_set=pa.array(list(without), pa.string()))))
        return {scope for scope in found[SCOPE].unique().to_pylist() if scope}

    def _table(self, columns: list[str], keys: Collection[str] | None = None) -> pa.Table | None:
        """These columns of the live rows (of these keys: then only the files are read in which one of them may lie)."""
        import pyarrow as pa
        import pyarrow.compute as pc

        files = self._files
        if files is None:
            return None
        asked = None if keys is None else pa.array(sorted(keys), pa.string())
        wanted = list(dict.fromkeys([*columns, OP] if keys is None else [*columns, OP, KEY]))
        found = [files.schema.empty_table().select(columns)]
        for part in files.parts(wanted, None if keys is None else sorted(keys)):
            live = pc.equal(part[OP], "upsert")
            found.append(part.filter(live if asked is None else pc.and_(live, pc.is_in(part[KEY], value_set=asked))).select(columns))
        return pa.concat_tables(found)

    @cached_property
    def _files(self) -> Files | None:
        """What the record's version of ``current`` consists of: files that nothing changes, whatever is written meanwhile."""
        version = self._record.tables.get("current") if self._record else None
        table = self._warehouse.open("current", self._stream.id, version) if version is not None else None
        return None if table is None else Files(table)

    def _key_parts(self, key: str) -> dict[str, Any]:
        import json

        names = self._stream.key
        return dict(zip(names, [key] if len(names) == 1 else json.loads(key), strict=True))


def _held(table: pa.Table) -> Iterator[tuple[str, Held]]:
    # Few scopes and many rows: one string object for each scope.
    shared: dict[str, str] = {}
    for batch in table.to_batches():
        columns = (batch.column(name).to_pylist() for name in (KEY, ROW_HASH, SCOPE, SOURCE_VERSION))
        for key, row_hash, scope, version in zip(*columns, strict=True):
            yield key, Held(row_hash, shared.setdefault(scope or "", scope or ""), version)


def _fitting(value: Any, type: pa.DataType) -> Any:
    import pyarrow as pa

    try:
        return pa.scalar(str(value), pa.string()).cast(type).as_py()
    except pa.ArrowInvalid:
        return None
