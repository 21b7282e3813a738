"""Offers and a connector that gives them, shaped as the three vendors really shape theirs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pyarrow as pa

from connectors.access import Access, Scope
from connectors.errors import FortnightError
from connectors.protocol import Blob, Cursor, Health, LiveField, Offer, Page, Schema, Stream, Window
from pipelines.project import Project, ProjectFile, load

INSTANT = pa.timestamp("us", "UTC")
PERSON = pa.struct([("code", pa.string()), ("name", pa.string())])
FILES = pa.list_(pa.struct([("fileKey", pa.string()), ("name", pa.string()), ("contentType", pa.string()), ("size", pa.int64())]))
LINE = pa.struct([("id", pa.int64()), ("製品コード", pa.string()), ("数量", pa.decimal128(16, 4))])
FINGERPRINT = "sha256:" + "a" * 64


def field(
    source: str,
    kind: pa.DataType | None = None,
    vendor: str = "SINGLE_LINE_TEXT",
    *,
    label: str = "",
    required: bool = False,
    **facets: Any,
) -> LiveField:
    return LiveField(source, label or source, kind or pa.string(), vendor, required, facets)


def offer(name: str, title: str, fields: tuple[LiveField, ...], *, key: tuple[str, ...] = ("$id",), **changes: Any) -> Offer:
    source = changes.pop("source", {"app_code": name.upper(), "app_id": 42})
    cursor, rows, notes = changes.pop("cursor", "更新日時"), changes.pop("rows", 20_000), changes.pop("notes", ())
    assert not changes
    return Offer(name, title, source, Schema(fields, FINGERPRINT, "117", {}), key, cursor, rows, notes)


def orders() -> Offer:
    return offer(
        "orders", "受注",
        (
            field("$id", pa.int64(), "__ID__", label="レコードID", required=True),
            field("作成者", PERSON, "CREATOR"),
            field("更新日時", INSTANT, "UPDATED_TIME"),
            field("受注番号", required=True, unique=True),
            field("金額（税込）", pa.decimal128(16, 4), "NUMBER", unit="円"),
            field("受注区分", vendor="DROP_DOWN", options=("標準", "特注: A, B", "#予備品")),
            LiveField(
                "明細", "明細", pa.list_(LINE), "SUBTABLE",
                children=(
                    LiveField("id", "行ID", pa.int64(), "__ROW_ID__", True),
                    LiveField("製品コード", "製品コード", pa.string(), "SINGLE_LINE_TEXT"),
                    LiveField("数量", "数量", pa.decimal128(16, 4), "NUMBER"),
                ),
            ),
        ),
        notes=("full load: about 44 API calls for 20,000 records",),
    )  # fmt: skip


def defects() -> Offer:
    return offer(
        "defects", "品質不具合",
        (
            field("$id", pa.int64(), "__ID__", required=True), field("更新日時", INSTANT, "UPDATED_TIME"),
            field("不具合番号", required=True, unique=True), field("件名", required=True), field("現象", vendor="MULTI_LINE_TEXT"),
            field("回答", vendor="RICH_TEXT"), field("添付ファイル", FILES, "FILE"),
        ),
        rows=120,
    )  # fmt: skip


def library() -> Offer:
    names = ("item_id", "name", "path", "media_type", "web_url")
    fields = (
        *(field(name, vendor="text", required=name == "item_id") for name in names),
        field("size", pa.int64(), "number"),
        field("modified_at", INSTANT),
    )
    source = {"site": "/sites/quality", "kind": "library", "name": "製品マニュアル", "id": "b!1"}
    return offer("quality-library-1", "製品マニュアル", fields, key=("item_id",), source=source, cursor="modified_at", rows=88)


class FakeConnector:
    """Gives the offers it was made with; ``describe`` answers what its offer says. Errors given are raised where they are named."""

    kind = "fake"

    def __init__(
        self, offers: tuple[Offer, ...], *, errors: Mapping[str, FortnightError] | None = None, scopes: tuple[Scope, ...] = ()
    ) -> None:
        self.offers, self.errors, self.scopes, self.closed = offers, dict(errors or {}), scopes, False
        #: Parts of an address that lead to the object, where not all of them do.
        self.by: tuple[str, ...] = ()

    def _maybe(self, verb: str) -> None:
        if verb in self.errors:
            raise self.errors[verb]

    def check(self) -> Health:
        self._maybe("check")
        return Health(True, "https://kintone.example", False, (("login", True, "may see 2 apps"),))

    def discover(self) -> Iterator[Offer]:
        self._maybe("discover")
        yield from self.offers
        self._maybe("discover_last")

    def describe(self, stream: Stream) -> Schema:
        self._maybe("describe")
        return next(one.schema for one in self.offers if all(stream.source.get(name) == one.source[name] for name in self.by or one.source))

    def access(self, stream: Stream) -> Access:
        self._maybe("access")
        return Access(self.scopes, (), ())

    def count(self, stream: Stream) -> int:
        raise AssertionError("mapping counts nothing")

    def pull(self, stream: Stream, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        raise AssertionError("mapping pulls nothing")

    def keys(self, stream: Stream) -> Iterator[pa.RecordBatch]:
        raise AssertionError("mapping reads no keys")

    def blob(self, stream: Stream, blob: Blob) -> Iterator[bytes]:
        raise AssertionError("mapping fetches no file")

    def watermark(self) -> Any:
        raise AssertionError("mapping needs no watermark")

    def close(self) -> None:
        self.closed = True


def project(folder: Path, *systems: str) -> Project:
    """A project with these systems, all said to be kintone, and whatever contracts lie in its folder."""
    entries = "\n".join(f"  {name}: {{kind: kintone, base_url: 'https://example.cybozu.example'}}" for name in systems or ("kintone",))
    (folder / "project.yaml").write_text(f"name: test\nenvironment: sandbox\nsystems:\n{entries}\n", encoding="utf-8")
    found = load(folder)
    assert isinstance(found.file, ProjectFile)
    return found
