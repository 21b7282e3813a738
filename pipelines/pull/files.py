"""Files behind changed rows: fetched once, several at a time where the connector bears it, kept under their hash, listed in the content table."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Collection, Iterator, Mapping, Sequence
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.capabilities import FetchesAtOnce, TellsContent
from connectors.errors import AddressUnknown, BrokenReply, FileRefused, NoContent
from connectors.keys import key_text
from connectors.protocol import Blob, Connector, Stream
from expectations.contract import ContentSpec, Contract
from pipelines.landing.warehouse import Warehouse
from pipelines.pull.at_once import in_order
from pipelines.pull.outcome import Progress, Report

if TYPE_CHECKING:
    import pyarrow as pa

OK = "ok"
#: The row is whole: what it stands for has no bytes of its own.
NO_CONTENT = "no_content"


def content_schema() -> pa.Schema:
    """``_key`` (row key and ref), ``key`` (the row's key), ``ref``, ``name``, ``media_type``, ``size`` in bytes, ``sha256``, ``status``, ``version``
    (what the row said of its bytes when they were fetched; null where nothing does)."""
    import pyarrow as pa

    return pa.schema(
        [
            ("_key", pa.string()),
            ("key", pa.string()),
            ("ref", pa.string()),
            ("name", pa.string()),
            ("media_type", pa.string()),
            ("size", pa.int64()),
            ("sha256", pa.string()),
            ("status", pa.string()),
            ("version", pa.string()),
        ]
    )


@dataclass(frozen=True)
class _Wanted:
    """One file: of which row it is, by number and key; and what its row says of its bytes, None where it says nothing."""

    row: int
    key: str
    blob: Blob
    version: str | None

    @property
    def id(self) -> str:
        return f"{self.key}#{self.blob.ref}"


def fetch_files(
    connector: Connector,
    stream: Stream,
    contract: Contract,
    rows: Sequence[Mapping[str, Any]],
    warehouse: Warehouse,
    report: Report,
    folder: Path,
) -> pa.Table:
    """Download the files of these rows through ``folder``: a file is never whole in memory. What is listed stands in the order of the rows.

    A connector that ``FetchesAtOnce`` is asked from several threads. A file over the cap, gone, broken or refused by the source is listed with
    that status, its reason and no hash. What refuses the credentials (AccessRefused) refuses every file; that, and whatever else ends the
    pull, is raised: of several such errors the one of the first file.

    Bytes that were fetched for the same version are those we hold, and nobody is asked for them; such a file is listed only where something
    else is said of it now.
    """
    import pyarrow as pa

    spec = contract.content
    if spec is None:
        raise ValueError(f"{contract.stream} has no content block")
    wanted = list(_wanted(spec, contract.key, rows, _version_columns(connector, stream, contract)))
    held = _held(warehouse, stream, [one.id for one in wanted if one.version is not None])
    fetching = _Fetching(connector, stream, spec, warehouse, folder, held)
    workers = connector.file_workers if isinstance(connector, FetchesAtOnce) else 1
    found: list[dict[str, Any]] = []
    with closing(in_order(wanted, fetching.one, workers, fetching.stop)) as entries:
        for one, entry in entries:
            if entry != held.get(one.id):
                found.append(entry)
            report(Progress(stream.id, "files", one.row, len(rows)))
    return pa.Table.from_pylist(found, schema=content_schema())


def _version_columns(connector: Connector, stream: Stream, contract: Contract) -> tuple[str, ...]:
    """The columns that say whether bytes are others: the contract's, else those its connector knows, if the contract has them all."""
    spec = contract.content
    if spec is None or spec.version:
        return spec.version if spec is not None else ()
    names = {field.source: field.name for field in contract.fields}
    sources = connector.content_version(stream) if isinstance(connector, TellsContent) and spec.kind == "file" else ()
    return tuple(names[source] for source in sources) if all(source in names for source in sources) else ()


def _held(warehouse: Warehouse, stream: Stream, ids: Collection[str]) -> dict[str, dict[str, Any]]:
    """Of these files the entries whose bytes we hold and know the version of, as they were published."""
    import pyarrow as pa
    import pyarrow.compute as pc

    record = warehouse.published(stream.id) if ids else None
    version = record.tables.get("content") if record is not None else None
    table = warehouse.open("content", stream.id, version) if version is not None else None
    names = content_schema().names
    if table is None or not set(names) <= set(pa.schema(table.schema().to_arrow()).names):
        return {}
    wanted = pa.array(sorted(ids), pa.string())
    found: dict[str, dict[str, Any]] = {}
    for batch in table.to_pyarrow_dataset().to_batches(columns=names):
        whole = pc.and_(pc.equal(batch.column("status"), OK), pc.is_in(batch.column("_key"), value_set=wanted))
        found.update((row["_key"], row) for row in batch.filter(whole).to_pylist())
    return found


def _wanted(spec: ContentSpec, key: Sequence[str], rows: Sequence[Mapping[str, Any]], version: Sequence[str]) -> Iterator[_Wanted]:
    for number, row in enumerate(rows, start=1):
        for blob, about in _blobs(spec, row):
            said = [about.get(name) for name in version]
            yield _Wanted(
                number, key_text([row[name] for name in key]), blob, None if not said or None in said else key_text(said)
            )  # fmt: skip


def _blobs(spec: ContentSpec, row: Mapping[str, Any]) -> Iterator[tuple[Blob, Mapping[str, Any]]]:
    """The files of a row, each with what is said about it: the row itself, or its element in the list."""
    if spec.kind == "file":
        yield Blob(str(row[spec.ref]), str(row.get(spec.name) or ""), str(row.get(spec.media_type) or ""), row.get(spec.size)), row
        return
    for item in row.get(spec.ref) or ():
        yield Blob(str(item["ref"]), str(item.get("name") or ""), str(item.get("media_type") or ""), item.get("size")), item


class _Stopped(Exception):
    """Another file ended the pull: nobody asks for this one any more."""


class _Fetching:
    """What every worker does with one file. Nothing it keeps shows before the content table that names it is published."""

    def __init__(
        self,
        connector: Connector,
        stream: Stream,
        spec: ContentSpec,
        warehouse: Warehouse,
        folder: Path,
        held: Mapping[str, Mapping[str, Any]],
    ) -> None:
        self._connector, self._stream, self._spec = connector, stream, spec
        self._warehouse, self._folder, self._held = warehouse, folder, held
        self.stop = threading.Event()

    def one(self, wanted: _Wanted) -> dict[str, Any]:
        """The file's entry in the content table; its bytes are kept."""
        if self.stop.is_set():
            raise _Stopped
        blob, cap = wanted.blob, self._spec.max_bytes
        status, digest, size = OK, None, blob.size
        held = self._held.get(wanted.id)
        if size is not None and size > cap:
            status = "too_large"
        elif held is not None and held["version"] == wanted.version:
            digest, size = held["sha256"], held["size"]
        else:
            to = self._folder / f"file-{threading.get_ident()}"
            try:
                kept = self._download(blob, cap, to)
            except NoContent:
                status = NO_CONTENT
            except AddressUnknown:
                status = "gone"
            except FileRefused as error:
                status = f"refused: {error.code}"
            except BrokenReply as error:
                status = f"broken: {error.code}"
            else:
                if kept is None:
                    status = "too_large"
                else:
                    digest, size = kept
                    self._warehouse.put_blob(to, digest)
        return {
            "_key": wanted.id,
            "key": wanted.key,
            "ref": blob.ref,
            "name": blob.name,
            "media_type": blob.media_type,
            "size": size,
            "sha256": digest,
            "status": status,
            "version": wanted.version,
        }

    def _download(self, blob: Blob, cap: int, to: Path) -> tuple[str, int] | None:
        """SHA-256 and size of the file, whose bytes are at ``to`` then; None when it is larger than ``cap``, whatever size it was said to
        have."""
        digest, size = hashlib.sha256(), 0
        with to.open("wb") as file:
            for chunk in self._connector.blob(self._stream, blob):
                if self.stop.is_set():
                    raise _Stopped
                size += len(chunk)
                if size > cap:
                    return None
                digest.update(chunk)
                file.write(chunk)
        return digest.hexdigest(), size
