"""The books of a day by ids: what the source lists, what our current table holds, and what the newest candidates were made of."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from datetime import datetime

from connectors.errors import AnswerIsNo, CannotSay
from connectors.messages import Said, joined, told
from connectors.protocol import Connector
from expectations.balance import IdBooks, Ids, Missing, balance_ids, missing
from pipelines.clock import Clock
from pipelines.index.documents import row_id
from pipelines.index.releases import Manifest, newest_candidate, open_release
from pipelines.landing.memory import Memory
from pipelines.landing.provenance import strays, vouch, vouch_rows
from pipelines.landing.rows import KEY, keys_of
from pipelines.landing.snapshot import Snapshot, snapshot
from pipelines.landing.storing import storing
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.pull.outcome import Check


@dataclass(frozen=True)
class InIndex:
    """The newest candidate of an index: rows of the stream in it that were not in what it was made of, and how many of those gave no text."""

    index: str
    candidate: int
    rows: int
    foreign: Missing
    textless: int


@dataclass(frozen=True)
class Books:
    """``ids`` compares source and current table, ``indexes`` what was built of it. ``wrong`` is what nothing of ours vouches for, in words."""

    stream: str
    at: datetime
    published: int
    ids: IdBooks
    indexes: tuple[InIndex, ...] = ()
    wrong: tuple[str, ...] = field(default=())

    @property
    def balanced(self) -> bool:
        return self.ids.balanced and not self.wrong and not any(one.foreign.count for one in self.indexes)


def books(
    project: Project, stream: str, clock: Clock, connector: Connector | None = None, settle: Callable[[], object] | None = None
) -> Books:
    """Compare the ids of one stream. Rows come and go between a pull and this: where something differs, ``settle`` (a pull) runs and both sides
    are read once more, and what differs then is said.

    Raises AnswerIsNo where nothing was published, and what the source raises.
    """
    contract = project.contract(stream)
    own = connector is None
    opened = connector or project.connect(contract.system)
    try:
        with storing(project.root):
            found, pin = _compared(project, stream, opened)
            if settle is not None and found.verified and not found.balanced:
                settle()
                found, pin = _compared(project, stream, opened)
            indexes = tuple(one for index in project.file.indexes if (one := _in_index(project, index, stream)) is not None)
            return Books(stream, clock.now(), pin.record.number, found, indexes, tuple(whole(pin)))
    finally:
        if own:
            opened.close()


def whole(pin: Snapshot) -> Iterator[str]:
    """What of a stream's tables nothing of ours vouches for: records, rows and files, each in a sentence."""
    warehouse, record = pin.warehouse, pin.record
    try:
        warehouse.untouched(pin.stream)
    except AnswerIsNo as error:
        yield Said(error.say, error.code)
    try:
        vouch(warehouse.store, record, lambda table: warehouse.folder(table, pin.stream))
        rows = pin.read("current", [KEY, "_pull_id"])
        if rows is not None:
            vouch_rows(warehouse.store, record, rows)
    except AnswerIsNo as error:
        yield Said(error.say, error.code)
    for table in warehouse.tables(pin.stream):
        for place, at in strays(warehouse.store, warehouse.folder(table, pin.stream)):
            yield told("landing.stray_file", place=place, at=at)


def books_check(found: Books) -> Check:
    """Fails where an id is lost, left over, or in an index without having been in its rows; warns where the source can't list its rows."""
    ids = found.ids
    rows = [{"where": "source", "id": one, "what": "not landed", "verdict": "FAIL"} for one in ids.lost.ids]
    rows += [{"where": "current", "id": one, "what": "gone at the source", "verdict": "FAIL"} for one in ids.left.ids]
    for index in found.indexes:
        rows += [
            {"where": f"{index.index}/{index.candidate}", "id": one, "what": "in no input", "verdict": "FAIL"} for one in index.foreign.ids
        ]
    rows += [{"where": "storage", "id": "", "what": one, "verdict": "FAIL"} for one in found.wrong]
    numbers = {
        "ours": float(ids.ours.count),
        "quarantined": float(ids.quarantined),
        "lost": float(ids.lost.count),
        "left": float(ids.left.count),
        "indexed": float(sum(one.rows for one in found.indexes)),
        "wrong": float(len(found.wrong) + sum(one.foreign.count for one in found.indexes)),
    }
    facts = {"stream": found.stream, "held": ids.quarantined, "ours": ids.ours.count, "lost": ids.lost.count, "left": ids.left.count}
    if ids.source is None:
        summary = told("check.books_unverified", **facts)
    else:
        numbers["source"] = float(ids.source.count)
        summary = told("check.books", source=ids.source.count, **facts)
    if found.wrong:
        summary = told("check.books_wrong", summary=summary, what=joined(found.wrong, "; "))
    severity = "critical" if ids.verified or rows else "warning"
    return Check("books", found.balanced, severity, summary, tuple(rows), numbers)


def _compared(project: Project, stream: str, connector: Connector) -> tuple[IdBooks, Snapshot]:
    contract = project.contract(stream)
    warehouse = Warehouse(project.root)
    pin = snapshot(warehouse, stream)
    if pin is None:
        raise AnswerIsNo("tables.nothing_published", stream=stream)
    told_stream = contract.told()
    memory = Memory(warehouse, told_stream, pin.record)

    def source() -> Iterator[str]:
        for batch in connector.keys(told_stream):
            yield from keys_of(batch, contract.key)

    def live() -> Iterator[str]:
        return memory.keys()

    try:
        return balance_ids(source, live, sorted(memory.waiting)), pin
    except CannotSay:
        return balance_ids(None, live, sorted(memory.waiting)), pin


def _in_index(project: Project, index: str, stream: str) -> InIndex | None:
    """None where the stream is not in the index, or no candidate was built."""
    manifest = newest_candidate(project.root, index) if stream in project.index(index).streams else None
    if manifest is None or stream not in manifest.inputs:
        return None
    keys = set(_input(project, manifest, stream))
    inside = Ids(row_id(stream, key) for key in keys)
    rows = open_release(project.root, manifest).rows(stream)
    return InIndex(index, manifest.number, len(rows), missing(lambda: rows, inside), len(keys) - len(rows))


def _input(project: Project, manifest: Manifest, stream: str) -> Iterator[str]:
    """The keys of the rows that a candidate was made of."""
    warehouse = Warehouse(project.root)
    record = warehouse.published(stream)
    assert record is not None  # it was built of one
    then = record.model_copy(update={"tables": manifest.inputs[stream].tables})
    return Memory(warehouse, project.contract(stream).told(), then).keys()
