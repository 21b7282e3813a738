"""The kintone connector: answers the protocol by handing each verb to the module that knows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from datetime import datetime

import httpx
import pyarrow as pa

from connectors.errors import SourceError
from connectors.kintone import pull as reading
from connectors.kintone.access import read_access
from connectors.kintone.address import App, resolve
from connectors.kintone.client import Client
from connectors.kintone.config import Config, SourceSpec, source_spec
from connectors.kintone.discover import discover
from connectors.kintone.schema import read_form, schema_of
from connectors.protocol import Access, Blob, Cursor, Health, Offer, Page, Schema, Stream, Window
from connectors.transport import TransportOptions

_CHUNK = 256 * 1024


class KintoneConnector:
    """One kintone domain. An app is looked up anew for every call, so that a renumbered app is found under its code."""

    kind = "kintone"

    def __init__(
        self,
        system: str,
        config: Config,
        options: TransportOptions,
        *,
        handler: httpx.BaseTransport | None = None,
        sleep: Callable[[float], None] = time.sleep,
    ) -> None:
        """``handler`` and ``sleep`` replace sockets and waiting in tests."""
        self.system = system
        self._config = config
        self._client = Client(config, options, handler=handler, sleep=sleep)

    @property
    def endpoint(self) -> str:
        return self._client.transport.endpoint

    @property
    def sandbox(self) -> bool:
        return self._client.transport.sandbox

    def check(self) -> Health:
        """Who answers, whether the login may list apps and read the directory, and which of its apps the tokens open.

        Tokens alone can't be proved without an app id; then the probe names the ids configured, or says that there are none.
        """
        client = self._client
        probes: list[tuple[str, bool, str]] = []

        def probe(name: str, ask: Callable[[], str]) -> None:
            try:
                probes.append((name, True, ask()))
            except SourceError as error:
                probes.append((name, False, error.say()))

        def reach() -> str:
            return f"kintone answers; its clock says {client.now():%Y-%m-%dT%H:%M:%SZ}"

        probe("reach", reach)
        reached = probes[0][1]
        if reached and client.has_person:
            probe("login", lambda: f"may see {sum(1 for _ in client.apps())} apps")
            probe("directory", lambda: f"{sum(1 for _ in client.directory('groups', 'groups'))} groups can be read")
        elif reached:
            probes.append(("login", True, "none configured: apps are found by id only and access stays unresolved"))
        if reached and client.has_tokens:
            for number in self._config.apps:
                probe(f"token for app {number}", lambda number=number: self._opens(number))
            if not self._config.apps:
                probes.append(("tokens", True, f"{len(self._config.auth.api_tokens)} given; each is proved when its app is read"))
        transport = client.transport
        return Health(all(ok for _, ok, _ in probes), transport.endpoint, transport.sandbox, tuple(probes))

    def discover(self) -> Iterator[Offer]:
        return discover(self._client, self._config)

    def describe(self, stream: Stream) -> Schema:
        app, _ = self._app(stream)
        return schema_of(app, read_form(self._client, app))

    def count(self, stream: Stream) -> int:
        app, spec = self._app(stream)
        return reading.count(self._client, stream, spec, app)

    def pull(self, stream: Stream, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        app, spec = self._app(stream)
        yield from reading.pull(self._client, stream, spec, app, window, cursor)

    def keys(self, stream: Stream) -> Iterator[pa.RecordBatch]:
        app, spec = self._app(stream)
        yield from reading.keys(self._client, stream, spec, app)

    def access(self, stream: Stream) -> Access:
        app, _ = self._app(stream)
        return read_access(self._client, app, read_form(self._client, app), stream.columns, system=stream.system)

    def blob(self, stream: Stream, blob: Blob) -> Iterator[bytes]:
        """The attachment whose ``fileKey`` is ``blob.ref``. The key must come from a record read; upload keys are others and soon dead."""
        spec = source_spec(stream.id, stream.source)
        with self._client.file(blob.ref, spec.guest_space or self._config.guest_space, spec.app_code or str(spec.app_id)) as response:
            yield from response.iter_bytes(_CHUNK)

    def watermark(self) -> datetime:
        return self._client.now()

    def close(self) -> None:
        self._client.close()

    def _app(self, stream: Stream) -> tuple[App, SourceSpec]:
        spec = source_spec(stream.id, stream.source)
        return resolve(self._client, spec, stream=stream.id, guest_space=self._config.guest_space), spec

    def _opens(self, number: int) -> str:
        reply = self._client.get("app", {"id": number}, guest_space=self._config.guest_space, app=str(number))
        return f"opens {reply.get('name')} ({reply.get('code') or 'no app code'})"
