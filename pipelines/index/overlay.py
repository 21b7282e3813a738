"""The deny overlay: what is deleted or narrower *today*, asked for every chunk before it leaves. It is never rolled back with a release."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Literal

from connectors.protocol import SCOPE, UNRESOLVED
from pipelines.index.chunks import Chunk, principals_of
from pipelines.index.documents import key_of, row_id, top_column

if TYPE_CHECKING:
    import pyarrow as pa

Denial = Literal["deleted", "scope", "field"]


@dataclass(frozen=True)
class NewestAccess:
    """A stream's newest published access: live ``rows`` (key columns or ``_key``, and ``_scope``), the scopes table, restricted columns."""

    stream: str
    key: tuple[str, ...]
    rows: pa.Table
    scopes: pa.Table
    restricted: Mapping[str, str] = field(default_factory=dict[str, str])


@dataclass(frozen=True)
class Overlay:
    """Newest access as of ``read_at`` (aware UTC).

    ``live`` gives each live row's scope today (``<stream>#<key>`` → scope): a row that is not in it is deleted. ``scopes`` gives each
    resolved scope's principals and ``restricted`` the narrower scopes of a column, both by stream. What is not known is denied.
    """

    read_at: datetime
    live: Mapping[str, str]
    scopes: Mapping[str, Mapping[str, frozenset[str]]]
    restricted: Mapping[str, Mapping[str, frozenset[str]]]

    def denial(self, chunk: Chunk, principals: frozenset[str]) -> Denial | None:
        """Why these principals may not read the chunk today; None when they may."""
        scope = self.live.get(chunk.row)
        if scope is None:
            return "deleted"
        scopes = self.scopes.get(chunk.stream, {})
        if principals.isdisjoint(scopes.get(scope, frozenset())):
            return "scope"
        guarded = self.restricted.get(chunk.stream, {})
        # A column may have been restricted after the release was built: its text then stands in the common chunk.
        for column in chunk.columns:
            for narrow in guarded.get(column, frozenset()):
                if principals.isdisjoint(scopes.get(narrow, frozenset())):
                    return "field"
        return None

    def allows(self, chunk: Chunk, principals: frozenset[str]) -> bool:
        """Both the chunk's own lists, as built, and today's access let these principals read it."""
        built = not principals.isdisjoint(chunk.acl) and not principals.isdisjoint(chunk.field_acl)
        return built and self.denial(chunk, principals) is None


def overlay_of(streams: Iterable[NewestAccess], read_at: datetime) -> Overlay:
    """The overlay from the newest published tables of every stream of an index."""
    live: dict[str, str] = {}
    scopes: dict[str, dict[str, frozenset[str]]] = {}
    restricted: dict[str, dict[str, frozenset[str]]] = {}
    for stream in streams:
        wanted = [name for name in ("_key", *stream.key, SCOPE) if name in stream.rows.schema.names]
        for batch in stream.rows.select(wanted).to_batches(max_chunksize=10_000):
            for values in batch.to_pylist():
                live[row_id(stream.stream, key_of(values, stream.key))] = values[SCOPE] or UNRESOLVED
        scopes[stream.stream] = {name: frozenset(found) for name, found in principals_of(stream.scopes.to_pylist()).items()}
        columns: dict[str, frozenset[str]] = {}
        for name, scope in stream.restricted.items():
            columns[top_column(name)] = columns.get(top_column(name), frozenset()) | {scope or UNRESOLVED}
        restricted[stream.stream] = columns
    return Overlay(read_at, live, scopes, restricted)
