"""The SOAP connector: satisfies ``protocol.Connector`` by handing each question to the module that answers it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import replace
from datetime import UTC, datetime

import httpx
import pyarrow as pa
import pyarrow.compute as pc

from connectors.access import Access, Scope, unknown_scope
from connectors.capabilities import OperationShape
from connectors.errors import CannotSay, FixConfiguration
from connectors.messages import Said
from connectors.pages import empty
from connectors.protocol import Blob, Cursor, Health, Known, Offer, Page, Schema, Stream, Window
from connectors.soap import access as access_module
from connectors.soap import discover, files, pull, schema
from connectors.soap.client import SoapClient
from connectors.soap.config import MAIN, Config, SourceSpec, source_spec
from connectors.soap.declared import contradicted, with_declared
from connectors.soap.examine import examine
from connectors.soap.identity import identify
from connectors.soap.services import Services
from connectors.soap.stirred import stirred
from connectors.soap.tables import row_stream, table_keys, table_pages, table_schema
from connectors.transport import TransportOptions

#: A watermark that knows nothing: the next window starts here and reads everything again. Twice is better than never.
_KNOWS_NOTHING = datetime(1970, 1, 1, tzinfo=UTC)


class SoapConnector:
    """The SOAP services of one system. ``handler`` replaces the sockets in tests."""

    kind = "soap"

    def __init__(self, system: str, config: Config, options: TransportOptions, handler: httpx.BaseTransport | None = None) -> None:
        self._system = system
        self._services = Services(config, options, handler)
        self.readings = options.readings
        self._newest: dict[str, datetime] = {}
        self._clock: datetime | None = None

    @property
    def endpoint(self) -> str:
        return self._services.endpoint

    @property
    def sandbox(self) -> bool:
        return self._services.sandbox

    def check(self) -> Health:
        good, probes = self._services.check()
        return Health(good, self.endpoint, self.sandbox, tuple(probes))

    def discover(self) -> Iterator[Offer]:
        for name, client in self._services.all():
            yield from discover.offers(client, self._system, name)

    def operations(self) -> tuple[OperationShape, ...]:
        return tuple(one for name, client in self._services.all() for one in discover.shapes(client.contract(), name))

    def describe(self, stream: Stream) -> Schema:
        spec, client = self._of(stream)
        # What the streams before it in a run showed of the time is no watermark of a stream that was not read yet.
        self._newest.clear()
        contract = self.readings.once(("contract", spec.service), lambda: client.contract(refresh=True))
        self._clock = self._services.server_time
        chosen = schema.operation(contract, spec.operation, client.config.wsdl)
        if spec.files is not None:
            files.plan_of(contract, stream, spec.files, client.config.wsdl)
        rows = row_stream(stream, spec.table) if spec.table and stream.columns else stream
        found = schema.describe(contract, rows, spec, client.config.wsdl, client.endpoint(chosen))
        found = with_declared(found, rows.columns, spec.read)
        return table_schema(found, spec.table, stream.id) if spec.table else found

    def identify(self, stream: Stream) -> Schema:
        """The address that the WSDL itself advertises, whether or not credentials may go there."""
        spec, client = self._of(stream)
        found = identify(client.contract(), spec)
        return replace(found, identity={**found.identity, "endpoint": client.config.endpoint}) if client.config.endpoint else found

    def examine(self, stream: Stream) -> Said:
        """What a pull would meet, and how long SOAP stays. Raises what a pull would raise."""
        spec, client = self._of(stream)
        return examine(client, row_stream(stream, spec.table) if spec.table else stream, spec)

    def count(self, stream: Stream) -> int:
        """By the declared count operation; without one, by reading the key of every row. Raises CannotSay where that may not be every row."""
        spec, client = self._of(stream)
        _must_list(stream, spec)
        if spec.table:
            # Counted as they are pulled: a row that can't be typed holds its items back and counts as one.
            return sum(page.source_rows for page in self.pull(stream, Window()))
        if spec.count is not None:
            return pull.count(client, spec)
        return sum(batch.num_rows for batch in pull.keys(client, stream, spec))

    def stirred(self, stream: Stream, since: datetime | None, cursor: Cursor | None) -> str | None:
        spec, client = self._of(stream)
        return stirred(client, row_stream(stream, spec.table) if spec.table else stream, spec, since)

    def pull(self, stream: Stream, window: Window, cursor: Cursor | None = None, known: Known | None = None) -> Iterator[Page]:
        spec, client = self._of(stream)
        scope = access_module.scope_of(self._system, spec)
        if cursor is not None and spec.paging.kind == "none" and "part" not in cursor.state:
            # The one reply was read whole before: a page without rows says so.
            yield empty(stream.columns, cursor, None)
            return
        rows = row_stream(stream, spec.table) if spec.table else stream
        pages = pull.pages(client, rows, spec, window, cursor, scope)
        for page in table_pages(stream, spec.table, pages, window, known) if spec.table else pages:
            self._remember(stream, window, page.rows)
            yield page
            # A page may be as large as an attachment: it is not held while the next one is made.
            del page

    def keys(self, stream: Stream) -> Iterator[pa.RecordBatch]:
        """The key of every row, by reading all of them. Raises CannotSay where that may not be every row."""
        spec, client = self._of(stream)
        _must_list(stream, spec)
        if not spec.table:
            return pull.keys(client, stream, spec)
        return table_keys(stream, spec.table, pull.pages(client, row_stream(stream, spec.table), spec, Window(), None, ""))

    def access(self, stream: Stream) -> Access:
        spec, client = self._of(stream)
        service = spec.service
        if spec.access is not None and spec.access.service is not None:
            service = MAIN if spec.access.service == "main" else spec.access.service
            client = self._services.client(service, stream=stream.id)
        return access_module.access(client, stream, spec, service)

    def scopes(self, stream: Stream, ids: Collection[str]) -> tuple[Scope, ...]:
        """Every scope of this kind of system is named by ``access``: an id beyond those means nothing."""
        return tuple(unknown_scope(one) for one in ids)

    def blob(self, stream: Stream, blob: Blob) -> Iterator[bytes]:
        """``blob.ref`` is what the contract's ``files.argument`` is given."""
        spec, client = self._of(stream)
        return files.content(client, stream, spec, blob)

    def watermark(self) -> datetime:
        """The ``Date`` header of a fresh answer; right after ``describe`` that of its documents, which came before any row. Where a server
        sends none, the newest update time that this connector saw in every stream it pulled since it last described one (the smallest of
        them: it stands on the source's own clock and is never too late), else 1970: read everything again.
        """
        clock, self._clock = self._clock, None
        if clock is not None:
            return clock
        for client in self._services.used():
            client.contract(refresh=True)
        return self._services.server_time or min(self._newest.values(), default=_KNOWS_NOTHING)

    def close(self) -> None:
        self._services.close()

    def _of(self, stream: Stream) -> tuple[SourceSpec, SoapClient]:
        """The stream's settings and the client of its service. Raises FixConfiguration for a declaration that its columns contradict."""
        spec = source_spec(stream.id, stream.source)
        if stream.columns and (wrong := contradicted(stream, spec.read, spec.paging.by_row)):
            raise FixConfiguration("soap.source_invalid", stream=stream.id, where=f"read.{wrong[0]}", why=wrong[1])
        return spec, self._services.client(spec.service, stream=stream.id)

    def _remember(self, stream: Stream, window: Window, rows: pa.RecordBatch) -> None:
        if stream.cursor is None:
            return
        kind = rows.schema.field(stream.cursor).type
        newest = pc.max(rows.column(stream.cursor)).as_py() if pa.types.is_timestamp(kind) and kind.tz and rows.num_rows else None
        # A window without rows still proves that nothing before its start is unread.
        known = self._newest.get(stream.id, window.since or _KNOWS_NOTHING)
        self._newest[stream.id] = max(known, newest.astimezone(UTC)) if newest else known


def _must_list(stream: Stream, spec: SourceSpec) -> None:
    if not spec.complete:
        raise CannotSay("soap.not_complete", stream=stream.id, operation=spec.operation)
