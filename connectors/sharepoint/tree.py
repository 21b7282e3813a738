"""A library's tree as the last pull left it: who lies in which folder, and under which scope. It is the connector's memory (``Page.kept``).

Graph's delta tells a folder's rename or deletion only for the folder; what lay in it must be known from before. The tree is held by
columns: only folders, which are few, are looked at one by one.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any, NamedTuple, Self

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from connectors.access import UNRESOLVED

KINDS = ("file", "folder", "package")
_COLUMNS = ("parent", "name", "list_item", "own", "scope", "kind")
#: Of what is kept. ``name`` is a folder's or a package's, as a file's stands in its row; the root's ``parent`` and ``name`` are empty.
#: ``own`` is the scope of its own role assignments, empty where it inherits, ``unresolved`` where that is not known; ``scope`` is the one
#: that holds for it.
SCHEMA = pa.schema([(name, pa.string()) for name in ("_key", "_op", *_COLUMNS)])
_REPEATING = frozenset({"parent", "own", "scope", "kind"})
_CODED = pa.dictionary(pa.int32(), pa.string())
_TABLE = pa.schema([(name, _CODED if name in _REPEATING else pa.string()) for name in ("_key", *_COLUMNS)])
#: So many items are kept in one slice.
_SLICE = 10_000

Mask = np.ndarray[Any, np.dtype[np.bool_]]
Places = np.ndarray[Any, np.dtype[np.int64]]


class Folder(NamedTuple):
    """What holds others, packages among them."""

    parent: str
    name: str
    own: str
    list_item: str
    kind: str


class Tree:
    """Items by columns: ``_key``, and those of ``SCHEMA``."""

    def __init__(self, table: pa.Table) -> None:
        self.table = table

    def __len__(self) -> int:
        return self.table.num_rows

    @property
    def keys(self) -> pa.Array:
        return self._column("_key")

    @property
    def scopes(self) -> pa.DictionaryArray:
        return self._coded("scope")

    @cached_property
    def is_row(self) -> Mask:
        """Files, and packages such as OneNote notebooks, which are one thing to their readers."""
        return self._each("kind", lambda kind: kind != "folder")

    @cached_property
    def rows(self) -> int:
        return int(self.is_row.sum())

    @cached_property
    def folders(self) -> Mapping[str, Folder]:
        part = self.table.filter(pa.array(self._each("kind", lambda kind: kind != "file")))
        columns = (part.column(name).cast(pa.string()).to_pylist() for name in Folder._fields)
        return dict(zip(part.column("_key").to_pylist(), map(Folder._make, zip(*columns, strict=True)), strict=True))

    @cached_property
    def paths(self) -> Paths:
        """Folder paths as the tree stands."""
        return Paths(self.folders)

    @cached_property
    def parents_of_rows(self) -> Sequence[str]:
        """The folders that rows lie in."""
        return pc.unique(self._coded("parent").filter(pa.array(self.is_row))).to_pylist()

    @cached_property
    def in_its_place(self) -> Mask:
        """Whether an item's path is known."""
        found = self._each("parent", lambda parent: self.paths.of(parent) is not None)
        lost = [id for id in self.folders if self.paths.of(id) is None]
        # A package in a folder is looked up like a folder; the root lies in none.
        holds = ~self._each("kind", lambda kind: kind == "file")
        return np.where(holds, ~self.among(lost), found)

    @classmethod
    def load(cls, kept: pa.Table | None) -> Self:
        """The tree that was kept; the empty one where none was."""
        if kept is None:
            return cls(_TABLE.empty_table())
        return cls(_table({name: _whole(kept.column(name).cast(pa.string())) for name in _TABLE.names}))

    @classmethod
    def fresh(cls, heads: pa.Table) -> Self:
        """Items as a feed names them, by ``_key``, ``parent``, ``name``, ``list_item`` and ``kind`` (a number): which scope holds for them is
        not known yet."""
        found = {name: _whole(heads.column(name)) for name in ("_key", "parent", "name", "list_item")}
        kinds = pa.DictionaryArray.from_arrays(_whole(heads.column("kind")).cast(pa.int32()), pa.array(KINDS))
        nothing = {name: _same(value, heads.num_rows) for name, value in (("own", ""), ("scope", UNRESOLVED))}
        return cls(_table({**found, **nothing, "kind": kinds}))

    def chosen(self, which: Mask) -> Tree:
        """Only these items."""
        return self if which.all() else Tree(self.table.filter(pa.array(which)))

    def taken(self, places: Places) -> Tree:
        """The items at these places."""
        return Tree(self.table.take(pa.array(places)))

    def find(self, keys: pa.Array) -> Places:
        """Where the items with these keys stand, which are all there."""
        return pc.index_in(keys, self.keys).to_numpy().astype(np.int64)

    def among(self, keys: Collection[str] | pa.Array) -> Mask:
        """Whether each item is one of these."""
        return _mask(pc.is_in(self.keys, keys if isinstance(keys, pa.Array) else pa.array(list(keys), pa.string())))

    def texts(self, column: str) -> Iterator[str]:
        """The values of a column, never all of them as objects at once."""
        for batch in self.table.select([column]).to_batches(max_chunksize=_SLICE):
            yield from batch.column(0).cast(pa.string()).to_pylist()

    def first(self, count: int) -> Tree:
        return Tree(self.table.slice(0, count))

    def after(self, count: int) -> Tree:
        return Tree(self.table.slice(count))

    def with_own_of(self, before: Tree) -> Tree:
        """The same, with the own scopes that were known of these items."""
        found = before._column("own").cast(pa.string()).take(pc.index_in(self.keys, before.keys))
        return self._with(own=found.fill_null(""))

    def followed_by(self, more: Tree) -> Tree:
        if not len(self):
            return more
        return Tree(pa.concat_tables([self.table, more.table]).combine_chunks())

    def settled(self, own: Sequence[str] | None, default: str) -> Tree:
        """Every item with its scope: the nearest own one above it, itself included, else ``default``. ``own`` are the own scopes now, None
        where they are those it has."""
        top = self._each("parent", lambda parent: not parent)
        owns = self._column("own").cast(pa.string()) if own is None else pa.array(own, pa.string())
        owns = pc.if_else(pa.array(top), "", owns)
        with_own = self._with(own=owns)
        above = _Above(with_own.folders, default)
        inherited = _mapped(self._coded("parent"), lambda parent: above.of(parent) if parent else default)
        return with_own._with(scope=pc.if_else(pc.equal(owns, ""), inherited, owns))

    def moved(self, before: Tree, stayed: Places) -> Tree:
        """Of the rows that stand here first, as they stood at the places ``stayed`` before: those whose path or scope is another."""
        here, was = self.first(len(stayed)), before.taken(stayed)
        elsewhere = here._each("parent", lambda parent: before.paths.of(parent) != self.paths.of(parent))
        scope = pc.not_equal(here.scopes.cast(pa.string()), was.scopes.cast(pa.string()))
        return here.chosen(here.is_row & (elsewhere | _mask(scope)))

    def folders_at(self, places: Places) -> pa.DictionaryArray:
        """The paths of the folders in which the items at these places lie."""
        coded = self._coded("parent")
        paths = pa.array([self.paths.of(parent) for parent in coded.dictionary.to_pylist()], pa.string())
        return pa.DictionaryArray.from_arrays(coded.indices.take(pa.array(places)), paths)

    def kept(self, before: Tree, *, anew: bool) -> Iterator[pa.RecordBatch]:
        """What to keep, in slices: everything ``anew``, else what differs from ``before``."""
        if anew:
            yield from self._slices("upsert", least=1)
            return
        gone = before.chosen(~before.among(self.keys))
        nulls = {name: pa.nulls(len(gone), pa.string()) for name in _COLUMNS}
        yield from Tree(_table({"_key": gone.keys, **nulls}))._slices("delete")
        yield from self.chosen(~self._same_as(before))._slices("upsert")

    def _same_as(self, before: Tree) -> Mask:
        at = pc.index_in(self.keys, before.keys)
        same = np.ones(len(self), np.bool_)
        for name in _COLUMNS:
            was = before._column(name).cast(pa.string()).take(at)
            same &= _mask(pc.equal(self._column(name).cast(pa.string()), was).fill_null(False))
        return same

    def _slices(self, op: str, least: int = 0) -> Iterator[pa.RecordBatch]:
        for at in range(0, len(self) or least, _SLICE):
            part = self.table.slice(at, _SLICE)
            columns = {name: _whole(part.column(name).cast(pa.string())) for name in _TABLE.names}
            columns["_op"] = pa.array([op] * part.num_rows, pa.string())
            yield pa.record_batch([columns[name] for name in SCHEMA.names], schema=SCHEMA)

    def _each(self, column: str, holds: Callable[[str], bool]) -> Mask:
        """Whether something holds for each item, asked once for each value of a column whose values repeat."""
        coded = self._coded(column)
        values = np.array([holds(value) for value in coded.dictionary.to_pylist()], np.bool_)
        return values[coded.indices.to_numpy()] if len(coded) else np.zeros(0, np.bool_)

    def _with(self, **columns: pa.Array) -> Tree:
        return Tree(_table({name: columns[name] if name in columns else self._column(name) for name in _TABLE.names}))

    def _column(self, name: str) -> pa.Array:
        return _whole(self.table.column(name))

    def _coded(self, name: str) -> pa.DictionaryArray:
        return self._column(name)


class Paths:
    """Folder paths, each worked out once. The root's path is empty, and every other one starts with a slash."""

    def __init__(self, folders: Mapping[str, Folder]) -> None:
        self._folders = folders
        self._known: dict[str, str | None] = {}

    def of(self, folder: str) -> str | None:
        """The path of a folder, or None where it or a folder above it is not in the tree."""
        chain: list[str] = []
        at = folder
        while at not in self._known:
            held = self._folders.get(at)
            if held is None or at in chain:
                self._known[at] = None
                break
            if not held.parent:
                self._known[at] = ""
                break
            chain.append(at)
            at = held.parent
        path = self._known[at]
        for below in reversed(chain):
            path = None if path is None else f"{path}/{self._folders[below].name}"
            self._known[below] = path
        return path


class _Above:
    """The scope that holds for a folder, each worked out once."""

    def __init__(self, folders: Mapping[str, Folder], default: str) -> None:
        self._folders, self._default = folders, default
        self._known: dict[str, str] = {}

    def of(self, folder: str) -> str:
        chain: list[str] = []
        at = folder
        while at not in self._known:
            held = self._folders.get(at)
            if held is None or at in chain:
                self._known[at] = UNRESOLVED
            elif held.own:
                self._known[at] = held.own
            elif not held.parent:
                self._known[at] = self._default
            else:
                chain.append(at)
                at = held.parent
        self._known.update(dict.fromkeys(chain, self._known[at]))
        return self._known[folder]


def _whole(column: pa.ChunkedArray) -> pa.Array:
    return column.chunk(0) if column.num_chunks == 1 else column.combine_chunks()


def _table(columns: Mapping[str, pa.Array]) -> pa.Table:
    arrays = [
        columns[name].dictionary_encode() if name in _REPEATING and not pa.types.is_dictionary(columns[name].type) else columns[name]
        for name in _TABLE.names
    ]
    return pa.table(arrays, schema=_TABLE)


def _mapped(coded: pa.DictionaryArray, of: Callable[[str], str | None]) -> pa.Array:
    return pa.array([of(value) for value in coded.dictionary.to_pylist()], pa.string()).take(coded.indices)


def _same(value: str, times: int) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(np.zeros(times, np.int32)), pa.array([value]))


def _mask(array: pa.Array) -> Mask:
    return array.to_numpy(zero_copy_only=False)
