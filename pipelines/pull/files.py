"""Files behind changed rows: fetched once, kept under their hash, listed in the stream's content table."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any

from connectors.errors import AddressUnknown, BrokenReply, FileRefused, NoContent
from connectors.keys import key_text
from connectors.protocol import Blob, Connector, Stream
from expectations.contract import ContentSpec, Contract
from pipelines.landing.warehouse import Warehouse
from pipelines.pull.outcome import Progress, Report

if TYPE_CHECKING:
    import pyarrow as pa

OK = "ok"
#: The row is whole: what it stands for has no bytes of its own.
NO_CONTENT = "no_content"


def content_schema() -> pa.Schema:
    """``_key`` (row key and ref), ``key`` (the row's key), ``ref``, ``name``, ``media_type``, ``size`` in bytes, ``sha256``, ``status``."""
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
        ]
    )


def _blobs(spec: ContentSpec, row: Mapping[str, Any]) -> Iterator[Blob]:
    if spec.kind == "file":
        yield Blob(str(row[spec.ref]), str(row.get(spec.name) or ""), str(row.get(spec.media_type) or ""), row.get(spec.size))
        return
    for item in row.get(spec.ref) or ():
        yield Blob(str(item["ref"]), str(item.get("name") or ""), str(item.get("media_type") or ""), item.get("size"))


def fetch_files(
    connector: Connector,
    stream: Stream,
    contract: Contract,
    rows: Sequence[Mapping[str, Any]],
    warehouse: Warehouse,
    report: Report,
    folder: Path,
) -> pa.Table:
    """Download the files of these rows, one at a time through ``folder``: a file is never whole in memory.

    A file over the cap, gone, broken or refused by the source is listed with that status, its reason and no hash. What refuses the
    credentials (AccessRefused) refuses every file, and is raised.
    """
    import pyarrow as pa

    spec = contract.content
    if spec is None:
        raise ValueError(f"{contract.stream} has no content block")
    found: list[dict[str, Any]] = []
    for number, row in enumerate(rows, start=1):
        key = key_text([row[name] for name in contract.key])
        for blob in _blobs(spec, row):
            status, digest, size = OK, None, blob.size
            if blob.size is not None and blob.size > spec.max_bytes:
                status = "too_large"
            else:
                try:
                    kept = _download(connector, stream, blob, spec.max_bytes, folder / "file")
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
                        warehouse.put_blob(folder / "file", digest)
            found.append(
                {
                    "_key": f"{key}#{blob.ref}",
                    "key": key,
                    "ref": blob.ref,
                    "name": blob.name,
                    "media_type": blob.media_type,
                    "size": size,
                    "sha256": digest,
                    "status": status,
                }
            )
        report(Progress(stream.id, "files", number, len(rows)))
    return pa.Table.from_pylist(found, schema=content_schema())


def _download(connector: Connector, stream: Stream, blob: Blob, cap: int, to: Path) -> tuple[str, int] | None:
    """SHA-256 and size of the file, whose bytes are at ``to`` then; None when it is larger than ``cap``, whatever size it was said to have."""
    digest, size = hashlib.sha256(), 0
    with to.open("wb") as file:
        for chunk in connector.blob(stream, blob):
            size += len(chunk)
            if size > cap:
                return None
            digest.update(chunk)
            file.write(chunk)
    return digest.hexdigest(), size
