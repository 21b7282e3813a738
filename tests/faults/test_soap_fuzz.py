"""Mutated SOAP replies against the reference model: the connector ends in exactly the model's rows and rejects, or in a named error."""

from __future__ import annotations

import io
import json
import math
import signal
import struct
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import datetime
from decimal import Decimal
from functools import lru_cache
from pathlib import Path
from typing import Any

import httpx
import pytest
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from soaking import rounds

sys.path.insert(0, str(Path(__file__).resolve().parent))

from lxml import etree
from soap_contracts import URL, Fuzzed, contracts
from soap_oracle import SOMETHING, Failure, Rows, Shape, Unsure, judge, tree
from soap_replies_damaged import damaged_replies, encoded, replies

from connectors import errors
from connectors.errors import FortnightError
from connectors.protocol import Note, Reject, Window
from connectors.soap.asking import scalar_paths
from connectors.soap.bundle import fetch
from connectors.soap.components import Contract
from connectors.soap.config import Config, source_spec
from connectors.soap.connector import SoapConnector
from connectors.soap.decode import IncompleteXml, NotSoap, decode
from connectors.soap.plan import compile_plan
from connectors.soap.raw import RawRow
from connectors.soap.values import Rules, Where, batch
from connectors.soap.wsdl import read
from connectors.soap.xmltree import BrokenXml, UnsafeXml
from connectors.transport import TransportOptions

_BROKEN = (BrokenXml, UnsafeXml, NotSoap, IncompleteXml)
#: No example works for more than a few milliseconds; one that takes this long hangs.
_HANGS = 120


@dataclass(frozen=True)
class Came:
    """What a reader gave: rows as Python values, rejects as the key's text and the column that is blamed."""

    rows: list[dict[str, Any]]
    rejects: list[Reject]
    told: Mapping[tuple[str, str], int] = field(default_factory=dict[tuple[str, str], int])


@contextmanager
def watched() -> Iterator[None]:
    """A guard against hanging for ever, where the platform has one: never a measure of speed."""

    def hang(*_: object) -> None:
        raise AssertionError(f"still reading after {_HANGS} seconds")

    if not hasattr(signal, "SIGALRM"):
        yield
        return
    before = signal.signal(signal.SIGALRM, hang)
    signal.alarm(_HANGS)
    try:
        yield
    finally:
        signal.alarm(0)
        signal.signal(signal.SIGALRM, before)


def pulled(fuzzed: Fuzzed, content: bytes) -> Came | FortnightError:
    """The reply by a whole pull: contract, transport, decoder, judgement, types, stage. Any exception beside the named ones fails the test."""

    def serve(request: httpx.Request) -> httpx.Response:
        answer = fuzzed.wsdl.encode() if request.method == "GET" else content
        return httpx.Response(200, content=answer, headers={"Content-Type": "text/xml"})

    connector = SoapConnector("erp", Config(wsdl=URL), TransportOptions(attempts=1), httpx.MockTransport(serve))
    try:
        pages = list(connector.pull(fuzzed.stream, Window()))
    except FortnightError as error:
        return error
    finally:
        connector.close()
    assert sum(page.source_rows for page in pages) == sum(page.rows.num_rows + len(page.rejects) for page in pages)
    names = [column.name for column in fuzzed.stream.columns]
    return Came(
        [row for page in pages for row in page.rows.select(names).to_pylist()],
        [reject for page in pages for reject in page.rejects],
        told(note for page in pages for note in page.notes),
    )


def told(notes: Iterable[Note]) -> dict[tuple[str, str], int]:
    """The notes of a pull as the reference model has them: of an unknown element by its name alone, wherever it stands."""
    found = Counter[tuple[str, str]]()
    for note in notes:
        what, _, name = note.what.partition(" ")
        found[("unknown", name.rpartition("}")[2]) if what == "element.unknown" else (what, note.column)] += note.count
    return dict(found)


def as_trees(rows: Sequence[Mapping[str, Any]], shape: Shape) -> list[dict[str, Any]]:
    """The rows with each text of XML and JSON as what it says."""
    ways = {one.column: _xml if one.xml else _json for one in shape.fields if one.xml or one.json}
    return [{name: ways[name](value) if name in ways and value is not None else value for name, value in row.items()} for row in rows]


def _xml(text: str) -> Any:
    return tree(etree.fromstring(f"<x>{text}</x>"))


def _json(text: str) -> Any:
    return _comparable(json.loads(text))


def _comparable(inside: dict[str, Any]) -> dict[str, Any]:
    """Of what the contract does not know, only that it came, and how often."""
    return {
        key: value and _comparable(value)
        if key == "Deep"
        else value
        if key in ("A", "B", "#text") or key.startswith("@")
        else [SOMETHING] * len(value)
        for key, value in inside.items()
    }


@lru_cache(maxsize=1)
def _contract(wsdl: str) -> Contract:
    return read(fetch(URL, lambda _: (wsdl.encode(), "text/xml")))


def decoded(fuzzed: Fuzzed, content: bytes, **how: Any) -> Came | None:
    """The reply by the decoder alone; None when it is refused. What is said around the rows is not judged."""
    contract = _contract(fuzzed.wsdl)
    spec = source_spec(fuzzed.stream.id, fuzzed.stream.source)
    plan = compile_plan(contract, contract.operations["Read"], rows=spec.rows, columns=fuzzed.stream.columns, scalars=scalar_paths(spec))
    rules = Rules(spec.timezone, frozenset(spec.null_values), spec.empty_as_null)
    came = Came([], [])

    def sink(block: Sequence[RawRow]) -> None:
        where = Where("Read", spec.rows, len(came.rows) + len(came.rejects) + 1)
        good, bad = batch(plan.cells, block, rules, where, key=("code",), versions=[""] * len(block), scope="", checks=plan.checks)
        came.rows.extend(good.select([column.name for column in fuzzed.stream.columns]).to_pylist())
        came.rejects.extend(bad)

    try:
        decode(io.BytesIO(content), plan, sink, **how)
    except _BROKEN:
        return None
    return came


def plain(value: Any) -> Any:
    """A value that equals another one only if a reader would say so: 1 is not True, NaN is NaN, 0.0 is not -0.0, instants have a zone."""
    if isinstance(value, dict):
        return {key: plain(one) for key, one in value.items()}
    if isinstance(value, list):
        return [plain(one) for one in value]
    if isinstance(value, float):
        return "NaN" if math.isnan(value) else ("float", struct.pack("<d", value))
    if isinstance(value, datetime):
        return value.replace(tzinfo=None) - (value.utcoffset() or datetime.resolution * 0), value.tzinfo is not None
    if isinstance(value, Decimal | int) and not isinstance(value, bool):
        return "number", Decimal(value)
    return type(value).__name__, value


def agree(expected: Rows | Failure | Unsure, came: Came | FortnightError, shape: Shape) -> None:
    """Fails unless the connector ended as the model says."""
    if isinstance(expected, Unsure):
        return
    if isinstance(expected, Failure):
        assert isinstance(came, FortnightError), f"rows came out of a reply that is refused: {expected.why}"
        assert isinstance(came, getattr(errors, expected.error)), f"{came!r} instead of {expected}"
        return
    if isinstance(came, FortnightError):
        assert expected.odd, f"{came!r} for a good reply"
        return
    assert plain(as_trees(came.rows, shape)) == [plain(dict(row)) for row in expected.rows]
    assert len(came.rejects) == len(expected.rejected), came.rejects
    for reject, wanted in zip(came.rejects, expected.rejected, strict=True):
        assert reject.column in wanted.columns, (reject, wanted)
    assert expected.odd or came.told == expected.told, (came.told, expected.told)


def holds(fuzzed: Fuzzed, content: bytes, head: int, chunk: int) -> None:
    """The property, for one contract and one reply."""
    with watched():
        came = pulled(fuzzed, content)
        agree(judge(content, fuzzed.shape), came, fuzzed.shape)
        by_events = decoded(fuzzed, content, arrays=False, head=head, chunk=chunk)
        by_arrays = decoded(fuzzed, content, arrays=True, head=head, chunk=chunk)
    assert plain(_bare(by_events)) == plain(_bare(by_arrays))
    if isinstance(came, Came):
        assert plain(_bare(came)) == plain(_bare(by_events))


def _bare(came: Came | None) -> Any:
    return None if came is None else [came.rows, [[one.key, one.column, one.reason, one.raw] for one in came.rejects]]


@st.composite
def cases(draw: st.DrawFn, damaged: bool) -> tuple[Fuzzed, bytes, int, int]:
    fuzzed = draw(contracts())
    content = draw(damaged_replies(fuzzed.shape)) if damaged else encoded(draw(replies(fuzzed.shape)))
    return fuzzed, content, draw(st.integers(1, 2000)), draw(st.integers(1, 2000))


_unhurried = settings(deadline=None, suppress_health_check=list(HealthCheck))


@given(cases(damaged=False))
@settings(_unhurried, max_examples=100)
def test_a_reply_that_is_whole_gives_exactly_the_rows_and_rejects_of_the_reference_model(case: tuple[Fuzzed, bytes, int, int]) -> None:
    holds(*case)


@given(cases(damaged=True))
@settings(_unhurried, max_examples=200)
def test_a_damaged_reply_gives_the_rows_of_the_reference_model_or_a_named_error(case: tuple[Fuzzed, bytes, int, int]) -> None:
    holds(*case)


def test_what_is_generated_is_neither_all_good_nor_all_bad() -> None:
    """Fuzzing proves nothing where every reply is refused: of the damaged ones many are still read, with rows that are right and wrong."""
    seen = {"rows": 0, "rejects": 0, "refused": 0}

    @settings(_unhurried, max_examples=300, phases=[Phase.generate], database=None)
    @given(cases(damaged=True))
    def look(case: tuple[Fuzzed, bytes, int, int]) -> None:
        said = judge(case[1], case[0].shape)
        if isinstance(said, Rows):
            seen["rows"] += bool(said.rows)
            seen["rejects"] += bool(said.rejected)
        seen["refused"] += isinstance(said, Failure)

    look()
    assert all(count >= 5 for count in seen.values()), seen


@pytest.mark.soak
def test_thousands_of_damaged_replies_give_the_rows_of_the_reference_model_or_a_named_error() -> None:
    settings(_unhurried, max_examples=rounds(20_000))(given(cases(damaged=True))(holds_case))()


def holds_case(case: tuple[Fuzzed, bytes, int, int]) -> None:
    holds(*case)
