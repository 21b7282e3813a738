"""Finds out whether a server obeys its filters: some take them, answer OK, and give everything or nothing whatever they say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any, Literal, cast

from connectors.errors import SourceError
from connectors.protocol import Stream, Window
from connectors.soap.asking import Asker
from connectors.soap.client import SoapClient
from connectors.soap.components import Contract, Operation, UnknownPath
from connectors.soap.config import SourceSpec
from connectors.soap.schema import operation
from connectors.soap.template import names, optional

#: No row was changed after the one, every row was after the other; both fit the date types of all servers that were met.
_NEVER = datetime(2100, 1, 1, tzinfo=UTC)
_ALWAYS = datetime(1990, 1, 1, tzinfo=UTC)

Verdict = Literal["obeyed", "ignored", "matches_nothing", "unknown"]


@dataclass(frozen=True)
class Finding:
    """Rows of one small page: without the filter, changed since long ago, changed since a day to come."""

    verdict: Verdict
    whole: int
    past: int
    future: int


def probe_filter(client: SoapClient, stream: Stream, spec: SourceSpec) -> Finding:
    """Three small requests. Where there are no rows at all nothing can be told. Raises what a pull raises."""
    small = _small(spec)
    whole = _rows(client, stream, small, Window())
    future = _rows(client, stream, small, Window(since=_NEVER)) if whole else 0
    past = _rows(client, stream, small, Window(since=_ALWAYS)) if whole and not future else whole
    verdict: Verdict = "unknown" if not whole else "ignored" if future else "obeyed" if past else "matches_nothing"
    return Finding(verdict, whole, past, future)


@dataclass(frozen=True)
class ArgumentFinding:
    """Rows of one small page with a declared argument, and without it. ``name`` is its path in the request.

    ``needed``: without it the server answers with an error. ``changes_nothing`` is said only where one reply holds all rows. It may be in order: every row may be what is asked for.
    """

    name: str
    with_it: int
    without: int
    verdict: Literal["matches_nothing", "changes_nothing", "narrows", "needed"]


def probe_arguments(client: SoapClient, stream: Stream, spec: SourceSpec) -> tuple[ArgumentFinding, ...]:
    """Each of the contract's constant arguments that a request may go without, tried with it and without it: one small request each, and
    one more. Where a request holds no such argument, nothing is sent. Raises what a pull raises.
    """
    contract = client.contract()
    small = _small(spec)
    tried = tuple(_left_out(contract, operation(contract, spec.operation, client.config.wsdl), spec))
    if not tried:
        return ()
    with_it = _rows(client, stream, small, Window())
    found: list[ArgumentFinding] = []
    for name, others in tried:
        try:
            without = _rows(client, stream, small.model_copy(update={"arguments": others}), Window())
        except SourceError:
            # It answered with the argument a moment ago: it needs this one, whatever its WSDL says.
            found.append(ArgumentFinding(name, with_it, 0, "needed"))
            continue
        whole = spec.paging.kind == "none" and with_it == without > 0
        verdict: Literal["matches_nothing", "changes_nothing", "narrows"] = (
            "matches_nothing" if without and not with_it else "changes_nothing" if whole else "narrows"
        )
        found.append(ArgumentFinding(name, with_it, without, verdict))
    return tuple(found)


def probe_page(client: SoapClient, stream: Stream, spec: SourceSpec) -> int | None:
    """The rows of one small page: proof that the server takes the credentials and the request. None, and nothing is sent, where a page
    can't be kept small. Raises what a pull raises.
    """
    sized = spec.paging.size if spec.body is None else "size" in names(spec.body)
    if not sized or spec.paging.kind == "handles":
        return None
    return _rows(client, stream, _small(spec), Window())


def _small(spec: SourceSpec) -> SourceSpec:
    return spec.model_copy(update={"paging": spec.paging.model_copy(update={"page": 2}), "total": None, "chunks": None})


def _left_out(contract: Contract, called: Operation, spec: SourceSpec) -> Iterator[tuple[str, Mapping[str, Any]]]:
    """Each argument that may be left out, with the arguments that then are left."""
    if spec.body is not None:
        for name in sorted(optional(spec.body) & spec.arguments.keys()):
            yield name, _without(spec.arguments, name)
        return
    for path in _paths(spec.arguments):
        try:
            last = contract.walk(called.input, path)[-1]
        except UnknownPath:
            continue
        # Of encoded values any may be absent (SOAP 1.1 §5.1).
        if last.minimum == 0 or last.nillable or called.use == "encoded":
            yield path, _without(spec.arguments, path)


def _paths(arguments: Mapping[str, Any]) -> Iterator[str]:
    for name, value in arguments.items():
        if isinstance(value, Mapping):
            yield from (f"{name}/{path}" for path in _paths(cast("Mapping[str, Any]", value)))
        else:
            yield name


def _without(arguments: Mapping[str, Any], path: str) -> dict[str, Any]:
    step, _, rest = path.partition("/")
    if not rest:
        return {name: value for name, value in arguments.items() if name != step}
    return {**arguments, step: _without(cast("Mapping[str, Any]", arguments[step]), rest)}


def _rows(client: SoapClient, stream: Stream, spec: SourceSpec, window: Window) -> int:
    bare = Stream(stream.system, stream.name, stream.source, (), ())
    asker = Asker(client, bare, spec, window, {})
    return asker.answer(asker.ask(), lambda: lambda _: None).rows
