"""Files behind changed rows: fetched once, kept under their hash, listed in the stream's content table."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from connectors.errors import AddressUnknown, BrokenReply
from connectors.protocol import Blob, Connector, Stream
from expectations.contract import ContentSpec, Contract
from pipelines.landing.rows import key_text
from pipelines.landing.warehouse import Warehouse
from pipelines.pull.outcome import Progress, Report

if TYPE_CHECKING:
    import pyarrow as pa


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
    connector: Connector, stream: Stream, contract: Contract, rows: Sequence[Mapping[str, Any]], warehouse: Warehouse, report: Report
) -> pa.Table:
    """Download the files of these rows. A file over the cap or refused by the source is listed with that status and no hash."""
    import pyarrow as pa

    spec = contract.content
    if spec is None:
        raise ValueError(f"{contract.stream} has no content block")
    found: list[dict[str, Any]] = []
    for number, row in enumerate(rows, start=1):
        key = key_text([row[name] for name in contract.key])
        for blob in _blobs(spec, row):
            status, digest, size = "ok", None, blob.size
            if blob.size is not None and blob.size > spec.max_bytes:
                status = "too_large"
            else:
                try:
                    content = _read(connector, stream, blob, spec.max_bytes)
                except AddressUnknown:
                    status = "gone"
                except BrokenReply as error:
                    status = f"broken: {error.code}"
                else:
                    if content is None:
                        status = "too_large"
                    else:
                        digest, size = warehouse.put_blob(content), len(content)
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


def _read(connector: Connector, stream: Stream, blob: Blob, cap: int) -> bytes | None:
    parts: list[bytes] = []
    size = 0
    for chunk in connector.blob(stream, blob):
        size += len(chunk)
        if size > cap:
            return None
        parts.append(chunk)
    return b"".join(parts)
