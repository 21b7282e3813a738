"""What the largest files of a system take with all their versions, asked now and then and apart from its streams."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import TYPE_CHECKING

from connectors.capabilities import WeighsVersions, Weight
from connectors.errors import AnswerIsNo
from connectors.protocol import Connector
from pipelines.clock import Clock
from pipelines.landing.snapshot import Snapshot, snapshot
from pipelines.landing.storing import storing
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.pull.apart import apart, publish_apart

if TYPE_CHECKING:
    import pyarrow as pa

LARGEST = 1000
_SIZE = "size"


@dataclass(frozen=True)
class Weighed:
    """How many files were asked for, of how many the source told, and what they take: with their old versions and without."""

    system: str
    at: datetime
    published: int
    asked: int
    files: int
    versions: int
    bytes: int
    current_bytes: int


def weigh(project: Project, system: str, clock: Clock, connector: Connector | None = None, largest: int = LARGEST) -> Weighed:
    """Ask for the versions of the ``largest`` files of all streams that have a size, and publish what they take.

    Raises AnswerIsNo for a system that keeps no versions, or of which no such stream was published, and what the source raises.
    """
    own = connector is None
    opened = connector or project.connect(system)
    try:
        if not isinstance(opened, WeighsVersions):
            raise AnswerIsNo("versions.none_kept", system=system, kind=opened.kind)
        warehouse, name, at = Warehouse(project.root), apart(system, "versions"), clock.now()
        with storing(project.root), warehouse.writing(name):
            warehouse.discard_unpublished(name)
            files = _largest(warehouse, project, system, largest)
            found: list[tuple[str, Weight]] = []
            for stream in sorted({stream for stream, _ in files}):
                keys = [key for of, key in files if of == stream]
                found += [(stream, weight) for weight in opened.weigh(project.contract(stream).told(), keys)]
            counts = {"asked": len(files), "files": len(found), "bytes": sum(weight.bytes for _, weight in found)}
            number = publish_apart(warehouse, name, snapshot(warehouse, name), at, {"versions": _table(found)}, counts=counts)
        now = sum(files[stream, weight.key] for stream, weight in found)
        versions = sum(weight.versions for _, weight in found)
        return Weighed(system, at, number, len(files), len(found), versions, counts["bytes"], now)
    finally:
        if own:
            opened.close()


def known_versions(warehouse: Warehouse, system: str) -> Snapshot | None:
    """What was last published of a system's versions (stream, item_id, versions, bytes); None where nothing was."""
    return snapshot(warehouse, apart(system, "versions"))


def _largest(warehouse: Warehouse, project: Project, system: str, most: int) -> dict[tuple[str, str], int]:
    """Size by stream and row key of the largest files. Only a stream whose contract keeps the source's ``size`` has any."""
    import pyarrow.compute as pc

    found: list[tuple[int, str, str]] = []
    seen = False
    for stream, contract in project.contracts.items():
        size = next((field.name for field in contract.fields if field.source == _SIZE), None)
        rows = warehouse.current(stream) if stream.partition("/")[0] == system and size is not None else None
        if rows is None or size is None:
            continue
        seen = True
        top = rows.take(pc.select_k_unstable(rows, min(most, rows.num_rows), [(size, "descending")])) if rows.num_rows else rows
        found += [(row[size] or 0, stream, row["_key"]) for row in top.select(["_key", size]).to_pylist()]
    if not seen:
        raise AnswerIsNo("versions.nothing_pulled", system=system)
    return {(stream, key): size for size, stream, key in sorted(found, reverse=True)[:most]}


def _table(found: list[tuple[str, Weight]]) -> pa.Table:
    import pyarrow as pa

    return pa.table(
        {
            "stream": pa.array([stream for stream, _ in found], pa.string()),
            "item_id": pa.array([weight.key for _, weight in found], pa.string()),
            "versions": pa.array([weight.versions for _, weight in found], pa.int64()),
            "bytes": pa.array([weight.bytes for _, weight in found], pa.int64()),
        }
    )
