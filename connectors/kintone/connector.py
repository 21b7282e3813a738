"""The kintone connector: answers the protocol by handing each verb to the module that knows it."""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import replace
from datetime import datetime

import httpx
import pyarrow as pa

from connectors.access import Access, Scope
from connectors.capabilities import Deployed, Preview
from connectors.errors import AccessRefused, AddressUnknown, BrokenReply, FixConfiguration, SourceError
from connectors.kintone.access import read_access, read_view, resolve_scopes
from connectors.kintone.address import deployed_of, resolve
from connectors.kintone.client import Client
from connectors.kintone.comments import Counted, comments_schema, count_comments, pull_comments
from connectors.kintone.config import Config, SourceSpec, source_spec
from connectors.kintone.discover import discover
from connectors.kintone.examine import examine
from connectors.kintone.facets import with_facets
from connectors.kintone.preview import read_preview
from connectors.kintone.pull import pull
from connectors.kintone.reader import Reader, own_condition
from connectors.kintone.reread import numbers_of, reread
from connectors.kintone.run import Run, begin
from connectors.kintone.schema import revision_now, schema_of
from connectors.kintone.seek import Range
from connectors.kintone.tables import pull_table, table_schema
from connectors.messages import Said, told
from connectors.protocol import SOURCE_VERSION, Blob, Column, Cursor, Health, Known, Offer, Page, Reject, Schema, Stream, Window
from connectors.readings import Readings
from connectors.transport import TransportOptions

_CHUNK = 256 * 1024


class KintoneConnector:
    """One kintone domain.

    An app is looked up once a run: ``describe`` begins one, and ``watermark``, ``count``, ``access`` and the one ``pull`` that follows use
    what it found. Outside a run every verb looks the app up anew, so that a renumbered app is found under its code.
    """

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
        self._runs: dict[str, tuple[Stream, Run]] = {}
        self._clock: datetime | None = None
        self._counted: dict[str, Counted] = {}

    @property
    def readings(self) -> Readings:
        return self._client.readings

    @property
    def endpoint(self) -> str:
        return self._client.transport.endpoint

    @property
    def sandbox(self) -> bool:
        return self._client.transport.sandbox

    def check(self) -> Health:
        """Who answers, whether the login may list apps and read the directory, and what reading each configured app takes.

        Tokens alone can't be proved without an app's number; where none is configured the probe says so.
        """
        client = self._client
        probes: list[tuple[str, bool, str]] = []

        def probe(name: str, ask: Callable[[], str]) -> None:
            try:
                probes.append((name, True, ask()))
            except SourceError as error:
                probes.append((name, False, Said(error.say, error.code, error.exit_code)))

        def reach() -> str:
            return told("kintone.probe.answers", now=f"{client.now():%Y-%m-%dT%H:%M:%SZ}")

        probe(told("kintone.probe.reach"), reach)
        reached = probes[0][1]
        if reached and client.has_person:
            probe(told("kintone.probe.login"), lambda: told("kintone.probe.apps", count=sum(1 for _ in client.apps())))
            probe(
                told("kintone.probe.directory"),
                lambda: told("kintone.probe.groups", count=sum(1 for _ in client.directory("groups", "groups"))),
            )
        elif reached:
            probes.append((told("kintone.probe.login"), True, told("kintone.probe.no_login")))
        for number in self._config.apps if reached else ():
            probe(told("kintone.probe.number", app=number), lambda number=number: self.examine(self._bare(number)))
        if reached and client.has_tokens and not self._config.apps:
            given = told("kintone.probe.tokens_given", count=len(self._config.auth.api_tokens))
            probes.append((told("kintone.probe.tokens"), True, given))
        transport = client.transport
        return Health(all(ok for _, ok, _ in probes), transport.endpoint, transport.sandbox, tuple(probes))

    def examine(self, stream: Stream) -> Said:
        """What a person should know of a stream's app before it is pulled: number, space, revision, rights, records, calls against the
        budget. Raises what a pull would raise."""
        return examine(self._client, stream, self._config.guest_space, workers=self._config.concurrency)

    def discover(self) -> Iterator[Offer]:
        return discover(self._client, self._config)

    def describe(self, stream: Stream) -> Schema:
        self._client.transport.server_time = None
        run = begin(self._client, stream, self._config.guest_space)
        self._runs[stream.id] = stream, run
        self._counted.pop(stream.id, None)
        self._clock = self._client.transport.server_time
        moved = run.memory.revision != run.form.revision
        return _shown(run.spec, with_facets(self._client, run.app, run.form, schema_of(run.app, run.form), moved=moved))

    def deployed(self, stream: Stream) -> Deployed | None:
        """Who last pressed "Update app", and when.

        Page: https://kintone.dev/en/docs/kintone/rest-api/apps/get-app/ (modifier, modifiedAt)
        """
        app = self._run(stream).app
        return deployed_of(self._client.get("app", {"id": app.id}, guest_space=app.guest_space, app=app.id))

    def preview(self, stream: Stream) -> Preview:
        """The stream as it is and as it will be once the app's owner presses "Update app"."""
        run = self._run(stream)
        seen = read_preview(self._client, run.app)
        return replace(seen, live=_shown(run.spec, seen.live), coming=_shown(run.spec, seen.coming))

    def glimpse(self, stream: Stream) -> str:
        """Revision of the settings and number of records, of parts their records': two counted calls. A mere save moves neither."""
        spec = source_spec(stream.id, stream.source)
        app = resolve(self._client, spec, stream=stream.id, guest_space=self._config.guest_space)
        records = self._client.total(app.id, own_condition(stream, spec), app.guest_space)
        return f"{revision_now(self._client, app)}:{records}"

    def count(self, stream: Stream) -> int:
        run = self._run(stream)
        if run.spec.table:
            return sum(batch.num_rows for batch in self.keys(stream))
        if run.spec.part:
            found = self._counted[stream.id] = count_comments(self._client, stream, run)
            return found.comments
        return Reader(self._client, stream, run).count(Range(0))

    def pull(self, stream: Stream, window: Window, cursor: Cursor | None = None, known: Known | None = None) -> Iterator[Page]:
        run = self._run(stream)
        self._runs.pop(stream.id, None)
        workers, counted = self._config.concurrency, self._counted.pop(stream.id, None)
        if run.spec.table:
            pages = pull_table(self._client, stream, run, run.spec.table, window, cursor, known, workers=workers)
        elif run.spec.part:
            pages = pull_comments(self._client, stream, run, window, cursor, known, counted=counted)
        else:
            pages = _read(self._client, stream, run, window, cursor, known, workers)
        yield from self._doubting(run, pages)

    def reread(self, stream: Stream, rows: Sequence[Reject]) -> Iterator[Page] | None:
        """Records by their numbers, a hundred a call. Of a record's parts kintone counts none, so only a whole reading balances them: None."""
        run = self._run(stream)
        numbers = numbers_of(rows)
        if run.spec.table or run.spec.part or numbers is None:
            return None
        self._runs.pop(stream.id, None)
        return self._doubting(run, reread(self._client, stream, run, numbers))

    def keys(self, stream: Stream) -> Iterator[pa.RecordBatch]:
        run = begin(self._client, stream, self._config.guest_space)
        if not run.spec.table and not run.spec.part:
            yield from Reader(self._client, stream, run).keys()
            return
        workers = self._config.concurrency
        pages = (
            pull_table(self._client, stream, run, run.spec.table, Window(), None, None, workers=workers)
            if run.spec.table
            else pull_comments(self._client, stream, run, Window(), None, None)
        )
        for page in pages:
            found = page.rows.select([*stream.key, SOURCE_VERSION])
            yield found
            # A record whose parts can't be told stands here as it is held: by its own number and no part's.
            held = [json.loads(one.key)[0] for one in page.rejects]
            if held:
                rows = [{stream.key[0]: number} for number in held]
                yield pa.RecordBatch.from_pylist(rows, schema=found.schema)

    def access(self, stream: Stream) -> Access:
        run = self._run(stream)
        columns = () if run.spec.part else stream.columns
        return read_access(self._client, run.app, run.form, columns, system=stream.system, login=self._login(), table=run.spec.table)

    def view_now(self, stream: Stream) -> str:
        run = self._run(stream)
        return read_view(self._client, run.app, run.form, login=self._login())

    def scopes(self, stream: Stream, ids: Collection[str]) -> tuple[Scope, ...]:
        run = self._run(stream)
        columns = () if run.spec.part else stream.columns
        return resolve_scopes(self._client, run.app, run.form, columns, ids, system=stream.system, table=run.spec.table)

    def blob(self, stream: Stream, blob: Blob) -> Iterator[bytes]:
        """The attachment whose ``fileKey`` is ``blob.ref``. The key must come from a record read; upload keys are others and soon dead.

        Raises BrokenReply at the end when it is not as long as its record says: a file may be of any media type, so that a page of
        maintenance sent with a good status looks like one.
        """
        spec = source_spec(stream.id, stream.source)
        app, came = spec.app_code or str(spec.app_id), 0
        with self._client.file(blob.ref, spec.guest_space or self._config.guest_space, app) as response:
            for chunk in response.iter_bytes(_CHUNK):
                came += len(chunk)
                yield chunk
        if blob.size is not None and came != blob.size:
            raise BrokenReply("kintone.file_size", host=self._client.host, app=app, name=blob.name, promised=blob.size, found=came)

    def watermark(self) -> datetime:
        """The domain's clock, at its full minute. Right after ``describe`` that is the time its last reply carried: before any record was read.

        Update times carry no seconds. Held against a watermark that did, a record saved later in the same minute would look as if the
        pull before had missed it.
        """
        clock, self._clock = self._clock, None
        return (self._client.now() if clock is None else clock).replace(second=0, microsecond=0)

    def close(self) -> None:
        self._client.close()

    def _login(self) -> str:
        """The user as whom records are read; empty where tokens read them, ``?`` where a bearer token says not whose it is."""
        login = self._config.auth.password
        return "" if self._client.has_tokens else "?" if login is None else login.name

    def _run(self, stream: Stream) -> Run:
        """The run that ``describe`` began with the same address, or else a new one."""
        told_then, run = self._runs.get(stream.id, (None, None))
        if told_then is not None and run is not None and (told_then.source, told_then.options) == (stream.source, stream.options):
            return run
        return begin(self._client, stream, self._config.guest_space)

    def _doubting(self, run: Run, pages: Iterator[Page]) -> Iterator[Page]:
        """The pages; where they speak against a form that was believed unasked, the next run asks for it."""

        def doubt() -> None:
            if run.believed:
                self._client.doubts.add(run.app.id, self._client.transport.server_time or self._client.now())

        try:
            for page in pages:
                if page.rejects:
                    doubt()
                yield page
        except (BrokenReply, FixConfiguration, AddressUnknown, AccessRefused):
            doubt()
            raise

    def _bare(self, number: int) -> Stream:
        """A configured app as a stream of nothing but its records' numbers."""
        return Stream(self.system, f"app-{number}", {"app_id": number}, ("$id",), (Column("$id", "$id", pa.int64()),))


def _read(
    client: Client, stream: Stream, run: Run, window: Window, cursor: Cursor | None, known: Known | None, workers: int
) -> Iterator[Page]:
    """The app's records. Raises what making their reader raises with the first page, as every other way of reading does."""
    yield from pull(Reader(client, stream, run), run, window, cursor, known, workers=workers)


def _shown(spec: SourceSpec, schema: Schema) -> Schema:
    """The app's schema as the stream shows it: whole, or the rows of one table, or the comments."""
    if spec.table:
        return table_schema(schema, spec.table)
    return comments_schema(schema) if spec.part else schema
