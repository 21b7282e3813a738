"""Copy on write: touched files of a Delta table written anew with their changed rows, in one commit that names what came and what went."""

from __future__ import annotations

import io
import json
import uuid
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from connectors.protocol import OP
from pipelines.landing.files import SIZE, DataFile, Files
from pipelines.landing.log import signed
from pipelines.landing.rows import KEY

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable
    from deltalake.transaction import AddAction
    from obstore.store import ObjectStore


def rewrite(
    store: ObjectStore, folder: str, table: DeltaTable, found: Files, rows: pa.Table, held: Mapping[str, Sequence[str]], by: str
) -> tuple[int, int]:
    """Put ``rows`` in the place of those with the same keys. ``held`` says by file which of these keys lie in it.

    A changed row stays with its file, so that files stay narrow; a new one goes to the smallest file that is not half full. Tombstones lie in
    files of their own: the log then tells how many rows are live. Returns how many files were written anew, and the bytes written.
    """
    import pyarrow as pa
    import pyarrow.compute as pc

    live, gone = _split(rows)
    touched = {file.path: file for file in found.all if held[file.path]}
    back = {path: _with(live, held[path]) for path, file in touched.items() if file.kind != "delete"}
    placed = pa.array([key for part in back.values() for key in part[KEY].to_pylist()], pa.string())
    new = live.filter(pc.invert(pc.is_in(live[KEY], value_set=placed)))
    home = _roomy(found.all, touched, tombs=False) if new.num_rows else None
    grave = _roomy(found.all, touched, tombs=True) if gone.num_rows else None
    touched |= {file.path: file for file in (home, grave) if file is not None}
    lying, groups = [gone], list[list[pa.Table]]()
    for path, file in touched.items():
        kept = found.read(file)
        kept = kept.filter(pc.invert(pc.is_in(kept[KEY], value_set=pa.array(list(held[path]), pa.string()))))
        stay, dead = _split(kept)
        lying.append(dead)
        groups.append([stay, *([back[path]] if path in back else []), *([new] if file is home else [])])
    if home is None:
        groups.append([new])
    added = [one for parts in (*groups, lying) for one in put_files(store, folder, pa.concat_tables(parts))]
    commit_files(table, added, touched.values(), rows.schema, by)
    return len(touched), sum(one.size for one in added)


def commit_files(
    table: DeltaTable, added: Sequence[AddAction], gone: Iterable[DataFile], schema: pa.Schema, by: str, *, news: bool = True
) -> None:
    """One commit that puts the added files in the place of those that are gone."""
    from deltalake import Schema
    from deltalake.transaction import RemoveAction

    at = max(one.modification_time for one in added)
    removed = [RemoveAction(file.path, news, at, size=file.size, partition_values={}) for file in gone]
    table.create_write_transaction([*added, *removed], "append", Schema.from_arrow(schema), commit_properties=signed(by))


def _split(rows: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Live rows and tombstones."""
    import pyarrow.compute as pc

    if OP not in rows.schema.names:
        return rows, rows.slice(0, 0)
    gone = pc.equal(rows[OP], "delete")
    return rows.filter(pc.invert(gone)), rows.filter(gone)


def _with(rows: pa.Table, keys: Sequence[str]) -> pa.Table:
    import pyarrow as pa
    import pyarrow.compute as pc

    return rows.filter(pc.is_in(rows[KEY], value_set=pa.array(list(keys), pa.string())))


def _roomy(all_files: Iterable[DataFile], touched: Mapping[str, DataFile], *, tombs: bool) -> DataFile | None:
    """The smallest file that is not half full, rather one that is written anyway."""
    room = [file for file in all_files if file.size < SIZE // 2 and (file.kind == "delete") == tombs]
    return min(room, key=lambda file: (file.path not in touched, file.size), default=None)


def put_files(store: ObjectStore, folder: str, rows: pa.Table, *, news: bool = True) -> Iterator[AddAction]:
    """The rows as files beside the table's others, sorted by key. Nobody sees them before a commit names them. Without ``news`` they are rows
    that the table held already."""
    import obstore
    import pyarrow.compute as pc
    import pyarrow.parquet as pq
    from deltalake.transaction import AddAction

    if not rows.num_rows:
        return
    rows = rows.take(pc.sort_indices(rows, [(KEY, "ascending")])).combine_chunks()
    # Files are told apart by these alone, and nobody asks for the least and the greatest of the others.
    told = [name for name in (KEY, OP) if name in rows.schema.names]
    step, start = rows.num_rows, 0
    while start < rows.num_rows:
        part = rows.slice(start, step)
        sink = io.BytesIO()
        pq.write_table(part, sink, compression="zstd", write_statistics=told)
        size = sink.tell()
        if size > 2 * SIZE and part.num_rows > 1:
            step = max(1, part.num_rows * SIZE // size)
            continue
        name = f"part-{uuid.uuid4()}.zstd.parquet"
        obstore.put(store, f"{folder}/{name}", sink.getvalue())
        # The time of the store, not of this machine.
        at = obstore.head(store, f"{folder}/{name}")["last_modified"]
        # Written as they are: Delta's library misreads characters beyond U+1FFFF (𠮷) where they come as a pair of escapes.
        yield AddAction(name, size, {}, int(at.timestamp() * 1000), news, json.dumps(_said(part, told), ensure_ascii=False))
        start += part.num_rows


def _said(rows: pa.Table, names: Sequence[str]) -> dict[str, Any]:
    """Delta's statistics of a file: how many rows, and the bounds of what files are told apart by."""
    import pyarrow.compute as pc

    bounds = {name: pc.min_max(rows[name]).as_py() for name in names}
    return {
        "numRecords": rows.num_rows,
        "minValues": {name: bounds[name]["min"] for name in names},
        "maxValues": {name: bounds[name]["max"] for name in names},
        "nullCount": {name: rows[name].null_count for name in names},
    }
