"""What an operator is told of held rows: which there are in a project, how long, and of one row what may be shown."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime

from connectors.errors import AnswerIsNo
from expectations.quarantine import HeldRow, Told, detail_of, told_of
from pipelines.landing.quarantine import held_now, history, overdue
from pipelines.landing.storing import storing
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project


@dataclass(frozen=True)
class Listed:
    """One holding: for how many whole ``days`` it is or was held, and whether it is held for longer than the project remembers."""

    stream: str
    row: HeldRow
    days: int
    overdue: bool


@dataclass(frozen=True)
class Shown:
    """The newest holding of a row, what of it may be shown, where each fault lies, and the holdings before it, the newest first."""

    newest: Listed
    told: Told
    details: tuple[str, ...]
    before: tuple[HeldRow, ...]


def listed(project: Project, now: datetime, stream: str | None = None) -> tuple[Listed, ...]:
    """The rows that are held now, of one stream or of all, those held longest first within each. Raises FixConfiguration for a stream that
    is none.
    """
    streams = [project.contract(stream).stream] if stream is not None else sorted(project.contracts)
    warehouse = Warehouse(project.root)
    with storing(project.root):
        return tuple(one for name in streams for one in _listed(project, now, name, held_now(warehouse, name)))


def shown_row(project: Project, now: datetime, stream: str, key: str) -> Shown:
    """One row by its key, held now or before. Raises AnswerIsNo when it never was, as far as is remembered."""
    contract = project.contract(stream)
    with storing(project.root):
        found = [row for row in history(Warehouse(project.root), stream) if row.key == key]
    if not found:
        raise AnswerIsNo("quarantine.not_held", stream=stream, key=key)
    newest, *before = sorted(found, key=lambda row: (row.left_at is None, row.since), reverse=True)
    (one,) = _listed(project, now, stream, (newest,))
    details = tuple(detail_of(fault, contract) for fault in newest.faults)
    return Shown(one, told_of(newest, contract), details, tuple(before))


def _listed(project: Project, now: datetime, stream: str, rows: tuple[HeldRow, ...]) -> tuple[Listed, ...]:
    late = set(overdue(rows, now, project.file.quarantine.remembers))
    return tuple(Listed(stream, row, max(0, ((row.left_at or now) - row.since).days), row in late) for row in rows)
