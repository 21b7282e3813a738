"""The deny overlay: what is deleted or narrower *today*, asked for every chunk before it leaves. It is never rolled back with a release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from connectors.access import UNRESOLVED, column_scope
from connectors.protocol import SCOPE
from pipelines.index.chunks import Chunk, principals_of
from pipelines.index.documents import FILE_MARK, file_suffix, key_of, refs_of, row_id, top_column

if TYPE_CHECKING:
    import pyarrow as pa

Denial = Literal["deleted", "scope", "field"]


@dataclass(frozen=True)
class NewestAccess:
    """A stream's newest published access: live ``rows`` (key columns or ``_key``, and ``_scope``), the scopes table, restricted columns.

    For a stream with files also ``content`` (``key, ref, sha256``) and ``refs``, the column of ``rows`` that names a row's files.
    """

    stream: str
    key: tuple[str, ...]
    rows: pa.Table
    scopes: pa.Table
    restricted: Mapping[str, str] = field(default_factory=dict[str, str])
    content: pa.Table | None = None
    refs: str = ""


@dataclass(frozen=True)
class Overlay:
    """Newest access as of ``read_at`` (aware UTC).

    ``live`` gives each live row's scope today (``<stream>#<key>`` → scope): a row that is not in it is deleted. ``scopes`` gives each
    resolved scope's principals and ``restricted`` the narrower scopes of a column (as ``Access`` gives them), both by stream. ``files`` are the ids of the file
    documents whose row names the file today and whose bytes we hold: any other file was taken off its row. What is not known is denied.
    """

    read_at: datetime
    live: Mapping[str, str]
    scopes: Mapping[str, Mapping[str, frozenset[str]]]
    restricted: Mapping[str, Mapping[str, frozenset[str]]]
    files: frozenset[str] = frozenset()

    def denial(self, chunk: Chunk, principals: frozenset[str]) -> Denial | None:
        """Why these principals may not read the chunk today; None when they may. ``principals`` are those of the chunk's own stream."""
        scope = self.live.get(chunk.row)
        if scope is None:
            return "deleted"
        # A key may hold any text, so the mark is looked for behind the row's id only.
        if chunk.document.removeprefix(chunk.row).startswith(FILE_MARK) and chunk.document not in self.files:
            return "deleted"
        scopes = self.scopes.get(chunk.stream, {})
        if principals.isdisjoint(scopes.get(scope, frozenset())):
            return "scope"
        guarded = self.restricted.get(chunk.stream, {})
        # A column may have been restricted after the release was built: its text then stands in the common chunk.
        for column in chunk.columns:
            for narrow in guarded.get(column, frozenset()):
                if principals.isdisjoint(scopes.get(column_scope(narrow, scope), frozenset())):
                    return "field"
        return None

    def allows(self, chunk: Chunk, principals: frozenset[str]) -> bool:
        """Both the chunk's own lists, as built, and today's access let these principals (of the chunk's own stream) read it."""
        built = not principals.isdisjoint(chunk.acl) and not principals.isdisjoint(chunk.field_acl)
        return built and self.denial(chunk, principals) is None


def overlay_of(streams: Iterable[NewestAccess], read_at: datetime) -> Overlay:
    """The overlay from the newest published tables of every stream of an index."""
    live: dict[str, str] = {}
    scopes: dict[str, dict[str, frozenset[str]]] = {}
    restricted: dict[str, dict[str, frozenset[str]]] = {}
    files: set[str] = set()
    for stream in streams:
        names = dict.fromkeys(("_key", *stream.key, SCOPE, stream.refs))
        wanted = [name for name in names if name in stream.rows.schema.names]
        held = _held(stream.content)
        for batch in stream.rows.select(wanted).to_batches(max_chunksize=10_000):
            for values in batch.to_pylist():
                key = key_of(values, stream.key)
                row = row_id(stream.stream, key)
                live[row] = values[SCOPE] or UNRESOLVED
                # The content table keeps what rows named once: only what a row names now is its file.
                files.update(row + file_suffix(ref) for ref in refs_of(values.get(stream.refs)) & held.get(key, frozenset()))
        scopes[stream.stream] = {name: frozenset(found) for name, found in principals_of(stream.scopes.to_pylist()).items()}
        columns: dict[str, frozenset[str]] = {}
        for name, scope in stream.restricted.items():
            columns[top_column(name)] = columns.get(top_column(name), frozenset()) | {scope or UNRESOLVED}
        restricted[stream.stream] = columns
    return Overlay(read_at, live, scopes, restricted, frozenset(files))


def _held(content: pa.Table | None) -> Mapping[str, frozenset[str]]:
    """By row key, the references whose bytes we hold as of today. A file that could not be fetched again (gone, too large) is not held."""
    held: dict[str, set[str]] = {}
    for file in [] if content is None else content.select(["key", "ref", "sha256"]).to_pylist():
        if file["sha256"]:
            held.setdefault(str(file["key"]), set()).add(str(file["ref"]))
    return {key: frozenset(refs) for key, refs in held.items()}
