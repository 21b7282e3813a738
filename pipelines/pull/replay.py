"""Held rows read anew: after the contract or the source was mended, exactly these rows come again, by a pull like any other."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from connectors.errors import AnswerIsNo
from connectors.protocol import Connector
from pipelines.clock import Clock
from pipelines.landing.memory import Memory
from pipelines.landing.quarantine import held_now, history
from pipelines.landing.storing import storing
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.pull.outcome import Report, Request, Result, silent
from pipelines.pull.run import pull


@dataclass(frozen=True)
class Replayed:
    """What became of the rows that were asked for: ``landed`` are live again, ``gone`` are not at the source any more, ``held`` still do not
    fit. ``newly`` were live and are held now: a source that can't be asked for single rows is read whole. ``result`` is that of the pull, None where nothing was held any more and so nothing was asked of the source."""

    stream: str
    asked: tuple[str, ...]
    landed: tuple[str, ...] = ()
    gone: tuple[str, ...] = ()
    held: tuple[str, ...] = ()
    newly: tuple[str, ...] = ()
    result: Result | None = None


def replay(
    project: Project, stream: str, keys: Sequence[str], clock: Clock, report: Report = silent, connector: Connector | None = None
) -> Replayed:
    """Read the held rows with these ``keys`` anew, or all that are held where none is given. What no longer is held is left alone.

    Raises AnswerIsNo for a key that neither is held nor was, and FixConfiguration for a stream that is none.
    """
    project.contract(stream)
    warehouse = Warehouse(project.root)
    with storing(project.root):
        known = history(warehouse, stream)
    waiting = {row.key for row in known if row.left_at is None}
    unknown = sorted(set(keys) - {row.key for row in known})
    if unknown:
        raise AnswerIsNo("quarantine.not_held", stream=stream, key=unknown[0])
    asked = tuple(sorted(waiting.intersection(keys) if keys else waiting))
    if not asked:
        return Replayed(stream, ())
    result = pull(project, Request(stream, replay=asked), clock, report, connector)
    if not result.succeeded:
        return Replayed(stream, asked, held=asked, result=result)
    with storing(project.root):
        record, still = warehouse.published(stream), {row.key for row in held_now(warehouse, stream)}
        live = Memory(warehouse, project.contract(stream).told(), record).of(asked)
    left = [key for key in asked if key not in still]
    return Replayed(
        stream,
        asked,
        landed=tuple(key for key in left if key in live),
        gone=tuple(key for key in left if key not in live),
        held=tuple(key for key in asked if key in still),
        newly=tuple(sorted(still - waiting)),
        result=result,
    )
