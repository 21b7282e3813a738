"""Finds out whether a server obeys the filter by update time: some take it, answer OK, and give everything or nothing whatever it says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Literal

from connectors.protocol import Stream, Window
from connectors.soap.asking import Asker
from connectors.soap.client import SoapClient
from connectors.soap.config import SourceSpec

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
    small = spec.model_copy(update={"paging": spec.paging.model_copy(update={"page": 2}), "total": None, "chunks": None})
    whole = _rows(client, stream, small, Window())
    future = _rows(client, stream, small, Window(since=_NEVER)) if whole else 0
    past = _rows(client, stream, small, Window(since=_ALWAYS)) if whole and not future else whole
    verdict: Verdict = "unknown" if not whole else "ignored" if future else "obeyed" if past else "matches_nothing"
    return Finding(verdict, whole, past, future)


def _rows(client: SoapClient, stream: Stream, spec: SourceSpec, window: Window) -> int:
    bare = Stream(stream.system, stream.name, stream.source, (), ())
    asker = Asker(client, bare, spec, window, {})
    return asker.answer(asker.ask(), lambda: lambda _: None).rows
