"""The requests of one pull, in turn: which operation, with what arguments and headers, and how the answer to each is read."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, cast

from connectors.errors import BrokenReply, FixConfiguration
from connectors.protocol import Stream, Window
from connectors.soap.aside import Aside
from connectors.soap.client import SoapClient
from connectors.soap.components import Contract, Operation, UnknownPath
from connectors.soap.config import SourceSpec
from connectors.soap.decode import Reply, Sink
from connectors.soap.headers import filled
from connectors.soap.paging import Handle, Pager
from connectors.soap.pairs import divided
from connectors.soap.plan import compile_plan
from connectors.soap.raw import texts_of
from connectors.soap.request import merged
from connectors.soap.schema import chosen, operation, with_rows
from connectors.soap.sources import ChangedHandles, Header, Ok
from connectors.soap.steps import Plan
from connectors.soap.template import placed, values_of
from connectors.soap.windows import bound, windowed
from connectors.soap.xmltree import local


def _wall() -> datetime:
    # A server is asked for its data as of its own, real time, not the simulated one.
    return datetime.now(UTC)  # noqa: TID251


@dataclass(frozen=True)
class Ask:
    """One request: which operation, with what, and how its answer is read."""

    operation: Operation
    arguments: Mapping[str, Any]
    body: str | None
    plan: Plan
    ok: Ok | None
    message: str | None
    headers: tuple[Header, ...]


class Asker:
    """Makes the requests of one pull, in turn. ``now`` is where the instant comes from that all pages are asked for as of."""

    def __init__(
        self,
        client: SoapClient,
        stream: Stream,
        spec: SourceSpec,
        window: Window,
        state: Mapping[str, Any],
        now: Callable[[], datetime] = _wall,
    ) -> None:
        self._client, self._stream, self._spec, self._window = client, stream, spec, window
        contract, first = chosen(client.contract(), spec, client.config.wsdl, stream.id)
        cursor_column = next((column for column in stream.columns if column.name == stream.cursor), None)
        self.version = cursor_column.source if cursor_column else spec.paging.by_row
        self._first = first, self._plan(contract, first, spec.rows)
        self._more = self._first
        if (more := spec.paging.more) is not None:
            found, rows = operation(contract, more.operation, client.config.wsdl), more.rows or spec.rows
            if spec.row_type:
                contract, found = with_rows(contract, found, rows, spec.row_type, stream.id)
            self._more = found, self._plan(contract, found, rows)
        self._given = windowed(contract, first, spec, window, stream.id)
        self.pager = Pager(spec, state, self._handles, state.get("now") or self._as_of(now))
        self._many = _many(contract, first, spec.paging.request) if spec.paging.kind == "handles" and spec.body is None else True

    def _as_of(self, now: Callable[[], datetime]) -> str | None:
        """The instant for ``{now}``; never before the window's end, or rows changed in between would be in no window."""
        spec = self._spec
        more = spec.paging.more.body if spec.paging.more else None
        if not any("{now" in str(text) for text in (spec.body, more, spec.arguments, [one.values for one in spec.headers])):
            return None
        instant = max(filter(None, (now(), self._window.until)))
        return instant.astimezone(UTC).replace(tzinfo=None).isoformat(timespec="milliseconds") + "Z"

    def ask(self) -> Ask:
        spec, more = self._spec, self._spec.paging.more if self.pager.following else None
        body = more.body if more else spec.body
        called, plan = self._more if more else self._first
        ok = more.ok if more and more.ok else spec.ok
        given = self._given if not more or body is not None else {}
        places = values_of(self._arguments(self._given, True))
        headers = filled(spec.headers, places, called.name)
        return Ask(called, self._arguments(given, body is not None), body, plan, ok, spec.message, headers)

    def answer(self, ask: Ask, sink: Callable[[], Sink], aside: Aside | None = None) -> Reply:
        """The whole, good reply to a request. Raises what ``SoapClient.call`` raises."""
        return self._client.call(
            ask.operation,
            ask.arguments,
            ask.plan,
            sink,
            ok=ask.ok,
            message=ask.message,
            row_count=self._spec.row_count,
            faults=self._spec.faults,
            headers=ask.headers,
            body=ask.body,
            aside=aside,
        )

    def _arguments(self, given: Mapping[str, Any], template: bool) -> dict[str, Any]:
        start, end = self.pager.range
        chunks = self._spec.chunks
        if template:
            ends = {key: value for key, value in (("from", start), ("to", end), ("now", self.pager.now)) if value is not None}
            return self.pager.arguments({**given, **ends}, template)
        if chunks is not None:
            form = chunks.first if start is None else chunks.last if end is None else chunks.criteria
            criteria = form.replace("{from}", start or "").replace("{to}", end or "")
            known = self._spec.filter
            given = {**given, known.element: [*given.get(known.element, []), {known.field: chunks.field, known.criteria: criteria}]}
        if self.pager.now is not None:
            given = placed(given, "now", self.pager.now)
        made = self.pager.arguments(given, template)
        return made if self._many else _single(made, self._spec.paging.request)

    def _plan(self, contract: Contract, called: Operation, rows: str) -> Plan:
        spec = self._spec
        extra = filter(None, (spec.paging.by_row, self.version))
        scalars = (
            [path for path in scalar_paths(spec) if is_there(contract, called, path)]
            if called.name != spec.operation
            else scalar_paths(spec)
        )
        return compile_plan(contract, called, rows=rows, columns=self._stream.columns, extra=extra, scalars=scalars, readings=spec.read)

    def _handles(self) -> list[Handle]:
        listing, spec, contract = self._spec.paging.handles, self._spec, self._client.contract()
        assert listing is not None
        changed = listing.changed if not self._window.full else None
        called = operation(contract, changed.operation if changed else listing.operation, self._client.config.wsdl)
        source = changed.source if changed and changed.source is not None else listing.source
        ok = listing.ok if not changed or (listing.ok and all(is_there(contract, called, path) for path in listing.ok.paths)) else None
        rows = changed.rows if changed and changed.rows else listing.rows
        parts = (source,) if isinstance(source, str) else source
        plan = compile_plan(contract, called, rows=rows, extra=parts, scalars=ok.paths if ok else ())
        found: list[tuple[str, ...]] = []

        def receiver() -> Sink:
            found.clear()
            return lambda block: found.extend(zip(*(texts_of(block, plan.slots[part]) for part in parts), strict=True))

        # Of the constant arguments, those that this operation has too.
        shared = {local(child.name) for child in contract.children(called.input)} & spec.arguments.keys()
        since = self._since(contract, called, changed) if changed else {}
        given = {**{name: spec.arguments[name] for name in shared}, **changed.arguments, **since} if changed else spec.arguments
        self._client.call(called, given, plan, receiver, ok=ok, faults=spec.faults, headers=self._headers(called))
        if not all(map(all, found)):
            raise BrokenReply("soap.bookmark_missing", operation=called.name, source=", ".join(parts))
        return [one[0] for one in found] if isinstance(source, str) else list(found)

    def _since(self, contract: Contract, called: Operation, changed: ChangedHandles) -> dict[str, Any]:
        """What the list of changed handles is asked with: the window's bounds, each in the form of its element."""
        at: dict[str, str] = {}
        for path, instant, up in ((changed.request, self._window.since, False), (changed.until_request, self._window.until, True)):
            if not path or instant is None:
                continue
            stated = self._spec.changed_since.type if self._spec.changed_since else None
            try:
                kind = stated or contract.simple(contract.walk(called.input, path)[-1].type).builtin
            except UnknownPath as error:
                where, why = "paging.handles.changed", f"the request of {called.name} has no {error.step}"
                raise FixConfiguration("soap.source_invalid", stream=self._stream.id, where=where, why=why) from error
            at[path] = bound(instant, kind, self._spec, up=up)
        return merged({}, at)

    def _headers(self, called: Operation) -> tuple[Header, ...]:
        return filled(self._spec.headers, {"size": str(self._spec.paging.page), "now": self.pager.now}, called.name)


def _many(contract: Contract, called: Operation, path: str) -> bool:
    """Whether the request's element at the path may come more than once."""
    try:
        return contract.walk(called.input, path)[-1].many
    except UnknownPath:
        return True


def _single(arguments: dict[str, Any], path: str) -> dict[str, Any]:
    """The arguments with the one handle of a slice, where its element takes no list."""
    step, _, rest = path.partition("/")
    inner = arguments.get(step)
    if rest and isinstance(inner, Mapping):
        return {**arguments, step: _single(dict(cast("Mapping[str, Any]", inner)), rest)}
    return {**arguments, step: inner[0]} if isinstance(inner, list) and len(cast("list[Any]", inner)) == 1 else arguments


def is_there(contract: Contract, called: Operation, path: str) -> bool:
    try:
        contract.walk(called.output, divided(path)[0])
    except UnknownPath:
        return False
    return True


def scalar_paths(spec: SourceSpec) -> list[str]:
    """The paths outside of the rows that a reply of this stream is judged by."""
    paging = spec.paging
    token = paging.from_ if paging.kind in ("token", "query_more") else None
    stated = (*(spec.ok.paths if spec.ok else ()), spec.message, spec.row_count, spec.total, token, paging.end.path if paging.end else None)
    return list(dict.fromkeys(path for path in stated if path))
