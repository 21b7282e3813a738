"""The SOAP connector: satisfies ``protocol.Connector`` by handing each question to the module that answers it."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from datetime import UTC, datetime

import httpx
import pyarrow as pa
import pyarrow.compute as pc

from connectors.errors import AccessRefused, FixConfiguration, SourceError
from connectors.messages import Said, told
from connectors.protocol import Access, Blob, Cursor, Health, Known, Offer, Page, Schema, Scope, Stream, Window, unknown_scope
from connectors.soap import access as access_module
from connectors.soap import discover, files, pull, schema
from connectors.soap.client import SoapClient
from connectors.soap.config import Config, SourceSpec, source_spec
from connectors.transport import TransportOptions

#: A watermark that knows nothing: the next window starts here and reads everything again. Twice is better than never.
_KNOWS_NOTHING = datetime(1970, 1, 1, tzinfo=UTC)


class SoapConnector:
    """One SOAP endpoint under one system's name. ``handler`` replaces the sockets in tests."""

    kind = "soap"

    def __init__(self, system: str, config: Config, options: TransportOptions, handler: httpx.BaseTransport | None = None) -> None:
        self._system = system
        self._config = config
        self._client = SoapClient(config, options, handler)
        self._newest: dict[str, datetime] = {}

    @property
    def endpoint(self) -> str:
        return self._client.transport().endpoint

    @property
    def sandbox(self) -> bool:
        return self._client.sandbox

    def check(self) -> Health:
        """Reads the contract, and asks one counting operation where there is one: a WSDL is often readable without any right."""
        probes: list[tuple[str, bool, str]] = []
        try:
            contract = self._client.contract(refresh=True)
            listed = [one for one in discover.shapes(contract) if one.rows]
            probes.append(
                (told("soap.probe.contract"), True, told("soap.probe.operations", count=len(contract.operations), listed=len(listed)))
            )
            probes += [(told("soap.probe.operation", name=name), False, why) for name, why in sorted(contract.broken.items())]
            probes.append(self._credentials())
        except (SourceError, FixConfiguration) as error:
            refused = isinstance(error, AccessRefused)
            probes.append(
                (told("soap.probe.refused" if refused else "soap.probe.contract"), False, Said(error.say, error.code, error.exit_code))
            )
        transport = self._client.transport()
        # An operation nobody reads may be broken; it is shown and condemns nothing.
        good = all(passed for name, passed, _ in probes if not name.startswith("operation "))
        return Health(good, transport.endpoint, self._client.sandbox, tuple(probes))

    def _credentials(self) -> tuple[str, bool, str]:
        contract = self._client.contract()
        for name in sorted(contract.operations):
            source = discover.guess_source(contract, contract.operations[name])
            if source and "count" in source:
                spec = SourceSpec.model_validate(source)
                found = pull.count(self._client, spec)
                return told("soap.probe.credentials"), True, told("soap.probe.counted", operation=source["count"]["operation"], count=found)
        return told("soap.probe.credentials"), True, told("soap.probe.not_proven")

    def discover(self) -> Iterator[Offer]:
        return discover.offers(self._client, self._system)

    def describe(self, stream: Stream) -> Schema:
        spec = source_spec(stream.id, stream.source)
        contract = self._client.contract(refresh=True)
        chosen = schema.operation(contract, spec.operation, self._config.wsdl)
        if spec.files is not None:
            files.plan_of(contract, stream, spec.files, self._config.wsdl)
        return schema.describe(contract, stream, spec, self._config.wsdl, self._client.endpoint(chosen))

    def count(self, stream: Stream) -> int:
        """By the declared count operation; without one, by reading the key of every row."""
        spec = source_spec(stream.id, stream.source)
        if spec.count is not None:
            return pull.count(self._client, spec)
        return sum(batch.num_rows for batch in pull.keys(self._client, stream, spec))

    def pull(self, stream: Stream, window: Window, cursor: Cursor | None = None, known: Known | None = None) -> Iterator[Page]:
        spec = source_spec(stream.id, stream.source)
        scope = access_module.scope_of(self._system, spec)
        if cursor is not None and spec.paging.kind == "none" and "part" not in cursor.state:
            # The one reply was read whole before: a page without rows says so.
            yield Page(pa.RecordBatch.from_pylist([], schema=pull.page_schema(stream.columns)), cursor, 0)
            return
        for page in pull.pages(self._client, stream, spec, window, cursor, scope):
            self._remember(stream, window, page.rows)
            yield page
            # A page may be as large as an attachment: it is not held while the next one is made.
            del page

    def keys(self, stream: Stream) -> Iterator[pa.RecordBatch]:
        return pull.keys(self._client, stream, source_spec(stream.id, stream.source))

    def access(self, stream: Stream) -> Access:
        return access_module.access(self._client, stream, source_spec(stream.id, stream.source))

    def scopes(self, stream: Stream, ids: Collection[str]) -> tuple[Scope, ...]:
        """Every scope of this kind of system is named by ``access``: an id beyond those means nothing."""
        return tuple(unknown_scope(one) for one in ids)

    def blob(self, stream: Stream, blob: Blob) -> Iterator[bytes]:
        """``blob.ref`` is what the contract's ``files.argument`` is given."""
        return files.content(self._client, stream, source_spec(stream.id, stream.source), blob)

    def watermark(self) -> datetime:
        """The ``Date`` header of a fresh answer. Where a server sends none, the newest update time that this connector saw in every stream
        it pulled (the smallest of them: it stands on the source's own clock and is never too late), else 1970: read everything again.
        """
        self._client.contract(refresh=True)
        return self._client.server_time or min(self._newest.values(), default=_KNOWS_NOTHING)

    def close(self) -> None:
        self._client.close()

    def _remember(self, stream: Stream, window: Window, rows: pa.RecordBatch) -> None:
        if stream.cursor is None:
            return
        kind = rows.schema.field(stream.cursor).type
        newest = pc.max(rows.column(stream.cursor)).as_py() if pa.types.is_timestamp(kind) and kind.tz and rows.num_rows else None
        # A window without rows still proves that nothing before its start is unread.
        known = self._newest.get(stream.id, window.since or _KNOWS_NOTHING)
        self._newest[stream.id] = max(known, newest.astimezone(UTC)) if newest else known
