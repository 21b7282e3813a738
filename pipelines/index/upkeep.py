"""Which stored versions an index still needs, and the vacuum that keeps to it."""

from __future__ import annotations

from datetime import datetime, timedelta

from pipelines.index.releases import candidates, production_history
from pipelines.index.retention import retain
from pipelines.landing.upkeep import Vacuumed, compact, vacuum
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project


def named(project: Project, stream: str, since: datetime) -> dict[str, set[int]]:
    """By table, the versions of a stream that went into a release that was ever promoted, or into a candidate built since then."""
    found: dict[str, set[int]] = {}
    for index in project.file.indexes:
        promoted = {position.release for position in production_history(project.root, index)}
        for manifest in candidates(project.root, index):
            if stream in manifest.inputs and (manifest.number in promoted or manifest.created_at >= since):
                for table, version in manifest.inputs[stream].tables.items():
                    found.setdefault(table, set()).add(version)
    return found


def tidy(project: Project, stream: str, at: datetime, days: int) -> Vacuumed:
    """Vacuum the tables of a stream; what the last ``days`` days or a release needs stays."""
    return vacuum(Warehouse(project.root), stream, at, days, named(project, stream, at - timedelta(days=days)))


def keep_up(project: Project, system: str, at: datetime, days: int) -> dict[str, int]:
    """Compact and vacuum every published stream of a system, and let old builds of the indexes it feeds go.

    Returns how many tables were written anew, how many files are gone, and how many builds lost their chunks.
    """
    warehouse = Warehouse(project.root)
    streams = [stream for stream in project.contracts if stream.partition("/")[0] == system and warehouse.published(stream) is not None]
    compacted = deleted = 0
    for stream in streams:
        compacted += len(compact(Warehouse(project.root), stream, at).tables)
        deleted += sum(tidy(project, stream, at, days).deleted.values())
    dropped = 0
    for index, spec in project.file.indexes.items():
        if any(stream.partition("/")[0] == system for stream in spec.streams):
            dropped += len(retain(project.root, index, at - timedelta(days=days)).dropped)
    return {"streams": len(streams), "compacted": compacted, "files_deleted": deleted, "builds_dropped": dropped}
