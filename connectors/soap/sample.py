"""How many digits the numbers of a stream have, seen in one small page: for fields whose contract does not say."""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import pyarrow as pa

from connectors.protocol import Column, Stream, Window
from connectors.soap.asking import Asker
from connectors.soap.client import SoapClient
from connectors.soap.config import SourceSpec
from connectors.soap.decode import RawRow, Sink

_ROWS = 100
_NUMBER = re.compile(r"[+-]?(?=\.?[0-9])([0-9]*)(?:\.([0-9]*))?")
#: So many more digits than were seen: amounts grow, and the first rows are the oldest.
_ROOM_BEFORE, _ROOM_AFTER = 4, 2
_MOST = 38


@dataclass(frozen=True)
class Digits:
    """The most digits that were seen before and after the point, zeros that mean nothing left out."""

    whole: int = 0
    fraction: int = 0

    @property
    def roomy(self) -> str:
        """A decimal type that holds them and some more; digits before the point go first where both do not fit."""
        whole = min(_MOST, self.whole + _ROOM_BEFORE)
        fraction = min(_MOST - whole, self.fraction + _ROOM_AFTER if self.fraction else 0)
        return f"decimal128({whole + fraction}, {fraction})"

    def with_number(self, number: re.Match[str]) -> Digits:
        return Digits(max(self.whole, len(number[1].lstrip("0"))), max(self.fraction, len((number[2] or "").rstrip("0"))))


def digits_of(client: SoapClient, stream: Stream, spec: SourceSpec, sources: Sequence[str]) -> Mapping[str, Digits]:
    """One request for a page of at most a hundred rows. A field without a number in it is left out. Raises what a pull raises."""
    page = min(_ROWS, spec.paging.page)
    small = spec.model_copy(update={"paging": spec.paging.model_copy(update={"page": page}), "total": None, "chunks": None})
    columns = tuple(Column(source, source, pa.string()) for source in sources)
    ask = Asker(client, Stream(stream.system, stream.name, stream.source, (), columns), small, Window(), {}).ask()
    found: dict[str, Digits] = {}

    def take(rows: Sequence[RawRow]) -> None:
        for row in rows:
            for source in sources:
                text = row[ask.plan.slots[source]]
                if isinstance(text, str) and (number := _NUMBER.fullmatch(text.strip())) is not None:
                    found[source] = found.get(source, Digits()).with_number(number)

    def receiver() -> Sink:
        found.clear()
        return take

    client.call(
        ask.operation,
        ask.arguments,
        ask.plan,
        receiver,
        ok=ask.ok,
        message=ask.message,
        row_count=spec.row_count,
        faults=spec.faults,
        headers=ask.headers,
        body=ask.body,
    )
    return found
