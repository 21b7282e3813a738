"""Rows and their files become documents: one text under one scope each, with the columns it came from. Reads nothing but what it is handed."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from decimal import Decimal
from functools import cache
from string import Formatter
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from connectors.access import UNRESOLVED, column_scope
from connectors.protocol import SCOPE, SOURCE_VERSION
from pipelines.index.blocks import Block
from pipelines.index.formats import format_of
from pipelines.index.parse import Parser, Unparsed

if TYPE_CHECKING:
    import pyarrow as pa

_KEY, _ROW_HASH, _PULL_ID = "_key", "_row_hash", "_pull_id"
FILE_MARK = "#file:"


@dataclass(frozen=True)
class BodyColumn:
    """A column of the document's text. ``html`` says it holds HTML; ``columns`` are the labels of a sub-table's columns, by name. Where a number
    has a ``unit`` it stands behind each value; the labels of a sub-table's columns hold theirs.
    """

    name: str
    label: str
    html: bool = False
    unit: str = ""
    columns: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class DocumentShape:
    """How a stream's row becomes a document.

    ``files`` joins the row's files by key; ``refs`` names the column that says which of them are the row's today (a string, or a list of
    structs with ``ref``), so that a replaced attachment is not read again. ``timezone`` is how instants are written out; ``changed`` names the
    column with the instant of the row's last change at the source, "" where there is none. ``template`` is text with ``{column}`` in it, each
    line a paragraph before the body; a line of which no column has a value is left out. ``above`` names the column with what stands before
    the title of a row that is a part of another: that one's title.
    """

    key: tuple[str, ...]
    title: str
    body: tuple[BodyColumn, ...] = ()
    url: str = ""
    files: bool = False
    refs: str = ""
    kind: str = "record"
    timezone: str = "Asia/Tokyo"
    changed: str = ""
    template: str = ""
    above: str = ""


@dataclass(frozen=True)
class Document:
    """One text to be cut into chunks.

    ``id`` is the row's id (``<stream>#<key>``) with a suffix for a file (``#file:…``) or a restricted part (``#part:…``); ``row`` is the row's
    id alone. Who reads it must be in ``scope`` and, where ``narrow`` is given, in that scope too. ``columns`` are the columns its text,
    title and address come from. ``blocks`` each stand under the title. ``media`` is the format a reader would name (``pdf``, ``docx``,
    ``record``); ``changed_at`` the instant of the last change at the source as ISO 8601 in UTC, "" where the source does not say.
    """

    id: str
    row: str
    stream: str
    title: str
    url: str
    kind: str
    scope: str
    narrow: str
    columns: tuple[str, ...]
    version: str
    row_hash: str
    pull_id: str
    blocks: tuple[Block, ...]
    media: str = ""
    changed_at: str = ""


@dataclass(frozen=True)
class Skipped:
    """A file, a field or a named part of a file that is not in the index, and why: ``code`` as ``index.unparsed.<code>`` in the catalogue."""

    document: str
    stream: str
    name: str
    code: str
    detail: str


@dataclass(frozen=True)
class _Row:
    """A row being made into documents."""

    id: str
    stream: str
    values: Mapping[str, Any]
    scope: str
    changed_at: str

    def document(
        self, suffix: str, title: str, url: str, kind: str, narrow: str, columns: Sequence[str], blocks: Sequence[Block], media: str = ""
    ) -> Document:
        values = self.values
        return Document(
            id=self.id + suffix,
            row=self.id,
            stream=self.stream,
            title=title,
            url=url,
            kind=kind,
            scope=self.scope,
            narrow=narrow,
            columns=tuple(dict.fromkeys(columns)),
            version=str(values.get(SOURCE_VERSION) or ""),
            row_hash=str(values.get(_ROW_HASH) or ""),
            pull_id=str(values.get(_PULL_ID) or ""),
            blocks=tuple(blocks),
            media=media or kind,
            changed_at=self.changed_at,
        )


def row_id(stream: str, key: str) -> str:
    """The id by which index, overlay and audit know a row."""
    return f"{stream}#{key}"


def key_of(values: Mapping[str, Any], key: Sequence[str]) -> str:
    """The row's key as text: ``_key`` where landing wrote it, else the same rule (the bare value, or canonical JSON for several)."""
    if values.get(_KEY):
        return str(values[_KEY])
    parts = [values[name] for name in key]
    return str(parts[0]) if len(parts) == 1 else json.dumps(parts, ensure_ascii=False, separators=(",", ":"), default=str)


def file_suffix(ref: str) -> str:
    """What the id of a file's document carries behind its row's id."""
    return f"{FILE_MARK}{hashlib.sha256(ref.encode()).hexdigest()[:16]}"


def top_column(name: str) -> str:
    """A restricted name may point into a sub-table (``items.price``): the whole column is treated as restricted."""
    return name.split(".", 1)[0]


def documents(
    stream: str,
    shape: DocumentShape,
    rows: pa.Table,
    parser: Parser,
    *,
    content: pa.Table | None = None,
    read_blob: Callable[[str], bytes] | None = None,
    restricted: Mapping[str, str] | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Iterator[Document | Skipped]:
    """Documents of all rows, row by row: the record itself, one part for each narrower scope, one for each file.

    ``read_blob`` gets a SHA-256 from ``content`` and gives the bytes, which must hash to it. ``progress`` gets rows done and rows in all.
    """
    narrower: dict[str, list[str]] = {}
    for name, scope in (restricted or {}).items():
        narrower.setdefault(top_column(name), []).append(scope or UNRESOLVED)
    files = _by_key(content) if shape.files and content is not None else {}
    zone = ZoneInfo(shape.timezone)
    done = 0
    for batch in rows.to_batches(max_chunksize=1000):
        for values in batch.to_pylist():
            key = key_of(values, shape.key)
            row = _Row(row_id(stream, key), stream, values, values.get(SCOPE) or UNRESOLVED, _instant(values.get(shape.changed)))
            here = {name: [column_scope(scope, row.scope) for scope in scopes] for name, scopes in narrower.items()}
            yield from _of_row(row, shape, key, here, files.get(key, ()), read_blob, parser, zone)
            done += 1
            if progress:
                progress(done, rows.num_rows)


def _of_row(
    row: _Row,
    shape: DocumentShape,
    key: str,
    narrower: Mapping[str, Sequence[str]],
    files: Sequence[Mapping[str, Any]],
    read_blob: Callable[[str], bytes] | None,
    parser: Parser,
    zone: ZoneInfo,
) -> Iterator[Document | Skipped]:
    named = [] if shape.title in narrower else [shape.title]
    title = (_text(row.values.get(shape.title), zone) if named else "") or key
    if shape.above and (above := _text(row.values.get(shape.above), zone)):
        title = f"{above} {title}"
    url = ""
    if shape.url and shape.url not in narrower:
        url = str(row.values.get(shape.url) or "")
        named.append(shape.url)

    parts: dict[str, list[tuple[Sequence[str], Block]]] = {"": []}
    for names, line in _filled(shape.template, row.values, zone):
        parts.setdefault(_part(names, narrower), []).append((names, Block("paragraph", line)))
    body = shape.body
    shown = {column.name for column in body} | {name for names, _ in template_lines(shape.template) for name in names}
    if shape.title in narrower and shape.title not in shown:
        body = (BodyColumn(shape.title, shape.title), *body)
    for column in body:
        found = _column_blocks(column, row.values.get(column.name), parser, zone)
        if isinstance(found, Unparsed):
            yield Skipped(row.id, row.stream, column.name, found.code, found.detail)
            # A record without one of its fields would be half a document.
            return
        parts.setdefault(_part((column.name,), narrower), []).extend(((column.name,), block) for block in found)
    for part, pieces in parts.items():
        if pieces or (part == "" and not shape.files):
            suffix = "#part:" + hashlib.sha256(part.encode()).hexdigest()[:16] if part else ""
            yield row.document(
                suffix,
                title,
                url,
                shape.kind,
                part,
                [*named, *(name for names, _ in pieces for name in names)],
                [block for _, block in pieces],
            )
    if shape.files:
        narrow = _part((shape.refs,), narrower) if shape.refs else ""
        yield from _files(row, shape, title, url, narrow, named, files, read_blob, parser)


def _part(names: Sequence[str], narrower: Mapping[str, Sequence[str]]) -> str:
    """The narrower scope that these columns together stand under, "" for none. What two guard is shown to nobody: a chunk holds one."""
    scopes = {scope for name in names for scope in narrower.get(name, ())}
    return "" if not scopes else scopes.pop() if len(scopes) == 1 else UNRESOLVED


@cache
def template_lines(template: str) -> tuple[tuple[tuple[str, ...], str], ...]:
    """The lines of a template that hold text, each with the columns it names."""
    lines = [line.strip() for line in template.splitlines() if line.strip()]
    return tuple((tuple(name for _, name, _, _ in Formatter().parse(line) if name), line) for line in lines)


def _filled(template: str, values: Mapping[str, Any], zone: ZoneInfo) -> Iterator[tuple[tuple[str, ...], str]]:
    for names, line in template_lines(template):
        written = {name: _text(values.get(name), zone) for name in names}
        if not names or any(written.values()):
            yield names, line.format_map(written)


def _files(
    row: _Row,
    shape: DocumentShape,
    title: str,
    url: str,
    narrow: str,
    named: Sequence[str],
    files: Sequence[Mapping[str, Any]],
    read_blob: Callable[[str], bytes] | None,
    parser: Parser,
) -> Iterator[Document | Skipped]:
    wanted = refs_of(row.values.get(shape.refs)) if shape.refs else None
    if read_blob is None:
        raise ValueError(f"{row.stream} has files, but no way to read them was handed over")
    for file in files:
        if wanted is not None and str(file["ref"]) not in wanted:
            continue
        name, digest = str(file["name"] or ""), str(file["sha256"] or "")
        suffix = file_suffix(str(file["ref"]))
        if not digest:
            yield Skipped(row.id + suffix, row.stream, name, "not_fetched", str(file["status"]))
            continue
        data = read_blob(digest)
        if hashlib.sha256(data).hexdigest() != digest.removeprefix("sha256:"):
            yield Skipped(row.id + suffix, row.stream, name, "blob_damaged", "")
            continue
        found = parser.parse(name, str(file["media_type"] or ""), data)
        if isinstance(found, Unparsed):
            yield Skipped(row.id + suffix, row.stream, name, found.code, found.detail)
            continue
        shown = title if name in ("", title) or shape.kind == "file" else f"{title} / {name}"
        media = format_of(name, str(file["media_type"] or "")) or ""
        columns = [*named, *([shape.refs] if shape.refs else [])]
        yield row.document(suffix, shown, url, shape.kind, narrow, columns, found.blocks, media)
        yield from (Skipped(row.id + suffix, row.stream, name, left.code, left.detail) for left in found.left)


def refs_of(value: Any) -> set[str]:
    """The files a row names today, out of its reference column: one string, or a list of structs with ``ref``."""
    if value is None:
        return set()
    if isinstance(value, list):
        return {str(item["ref"]) for item in value}
    return {str(value)}


def _by_key(content: pa.Table) -> dict[str, list[dict[str, Any]]]:
    found: dict[str, list[dict[str, Any]]] = {}
    for file in sorted(content.to_pylist(), key=lambda item: (str(item["key"]), str(item["ref"]))):
        found.setdefault(str(file["key"]), []).append(file)
    return found


def _column_blocks(column: BodyColumn, value: Any, parser: Parser, zone: ZoneInfo) -> list[Block] | Unparsed:
    if value is None or value in ("", []):
        return []
    if isinstance(value, list) and all(isinstance(item, Mapping) for item in value):
        table = _sub_table(column, value, zone)
        return [Block("paragraph", f"{column.label}:"), table] if not table.empty else []
    if column.html:
        parsed = parser.parse("column.html", "text/html", str(value).encode())
        if isinstance(parsed, Unparsed):
            return [] if parsed.code == "no_text" else parsed
        return _labelled(column.label, parsed.blocks)
    text = _text(value, zone)
    unit = f" {column.unit}" if column.unit and isinstance(value, int | float | Decimal) else ""
    return [Block("paragraph", f"{column.label}: {text}{unit}")] if text else []


def _labelled(label: str, blocks: Sequence[Block]) -> list[Block]:
    if not label:
        return list(blocks)
    first, *rest = blocks
    if first.kind == "paragraph":
        return [Block("paragraph", f"{label}: {first.text}"), *rest]
    return [Block("paragraph", f"{label}:"), *blocks]


def _sub_table(column: BodyColumn, items: Sequence[Mapping[str, Any]], zone: ZoneInfo) -> Block:
    names = list(column.columns) or list(dict.fromkeys(name for item in items for name in item))
    header = tuple(column.columns.get(name, name) for name in names)
    rows = [tuple(_text(item.get(name), zone) for name in names) for item in items]
    return Block("table", rows=(header, *(row for row in rows if any(row)))) if any(any(row) for row in rows) else Block("table")


def _instant(value: Any) -> str:
    return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ") if isinstance(value, datetime) and value.tzinfo else ""


def _text(value: Any, zone: ZoneInfo) -> str:
    """A cell as a reader would write it: instants in the project's zone, decimals without trailing zeros."""
    if value is None:
        return ""
    if isinstance(value, bool):
        return "はい" if value else "いいえ"
    if isinstance(value, Decimal):
        return format(value.normalize(), "f")
    if isinstance(value, datetime):
        return (value.astimezone(zone) if value.tzinfo else value).strftime("%Y-%m-%d %H:%M")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, Mapping):
        return " ".join(text for item in value.values() if (text := _text(item, zone)))
    if isinstance(value, list):
        return "、".join(text for item in value if (text := _text(item, zone)))
    return str(value).replace("\x00", "").strip()
