"""Whether a replay reads its held rows alone, or everything: what a source can be asked, and what moved meanwhile, decide."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from connectors.capabilities import Rereads
from connectors.protocol import Connector, Page, Reject, Stream
from pipelines.landing.memory import Memory
from pipelines.pull.outcome import Request


@dataclass(frozen=True)
class Again:
    """``rows`` are held, and ``pages`` bring what became of them and nothing else."""

    rows: tuple[Reject, ...]
    pages: Iterator[Page]


def again(request: Request, connector: Connector, stream: Stream, memory: Memory, *, moved: bool) -> Again | None:
    """The held rows of a replay, to be read alone.

    None for any other pull, and where only a whole reading serves: the connector knows no other way for this stream, or rights or settings
    ``moved``, which concerns rows that nobody asked for. Of a whole reading, too, only what differs lands.
    """
    rows = tuple(memory.waiting[key] for key in request.replay if key in memory.waiting)
    if not rows or moved or not isinstance(connector, Rereads):
        return None
    pages = connector.reread(stream, rows)
    return None if pages is None else Again(rows, pages)
