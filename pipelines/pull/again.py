"""Whether a replay reads its held rows alone, or everything: what a source can be asked, and what moved meanwhile, decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING

from connectors.capabilities import Rereads
from connectors.protocol import Connector, Page, Reject, Stream
from expectations.contract import Contract
from pipelines.landing.memory import Memory
from pipelines.pull.outcome import Request

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Again:
    """``rows`` are held, and ``pages`` bring what became of them and nothing else."""

    rows: tuple[Reject, ...]
    pages: Iterator[Page]


def again(request: Request, contract: Contract, connector: Connector, stream: Stream, memory: Memory, *, moved: bool) -> Again | None:
    """The held rows of a replay, to be read alone.

    None for any other pull, and where only a whole reading serves: the connector knows no other way for this stream, or rights or settings
    ``moved``, or the contract has other columns than the rows that are live, which concerns rows that nobody asked for. Of a whole reading,
    too, only what differs lands.
    """
    rows = tuple(memory.waiting[key] for key in request.replay if key in memory.waiting)
    if not rows or moved or not isinstance(connector, Rereads) or not _same_columns(contract, memory):
        return None
    pages = connector.reread(stream, rows)
    return None if pages is None else Again(rows, pages)


def _same_columns(contract: Contract, memory: Memory) -> bool:
    """Whether the live rows' columns were filled from the same fields. Their types may be wider now: that changes no value."""
    live = memory.columns()
    if live is None:
        return False
    # Columns that an older contract had stay in the table, and are nobody's concern.
    return {_shape(field) for field in contract.arrow_schema()} <= {_shape(field) for field in live}


def _shape(field: pa.Field) -> tuple[str, str, str]:
    source = (field.metadata or {}).get(b"source", b"").decode()
    return field.name, source, "/".join(_inner(field.type))


def _inner(type: pa.DataType) -> Iterator[str]:
    """The names inside of a nested type."""
    import pyarrow as pa

    if pa.types.is_list(type) or pa.types.is_large_list(type):
        yield from _inner(type.value_type)
    elif pa.types.is_struct(type):
        for number in range(type.num_fields):
            yield type.field(number).name
            yield from _inner(type.field(number).type)
