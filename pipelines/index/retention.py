"""Which builds of an index keep their chunks, and the clearing away of the others. Manifests stay: what was once released can always be told."""

from __future__ import annotations

import itertools
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

from pipelines.clock import WallClock
from pipelines.index.refresh import state_path
from pipelines.index.releases import Manifest, candidates, generation_uri, open_objects, production_history, undo_stack
from pipelines.index.store.engine import connect
from pipelines.index.store.generation import tag_of

#: A table that no candidate names may be one that is being built: it is left alone for so long.
_UNDER_WAY = timedelta(days=2)
#: LanceDB compacts before it cleans, and refuses all of it when by then a tagged version has come of age.
_SLACK = timedelta(hours=6)


@dataclass(frozen=True)
class Retained:
    """Numbers of the builds that keep their chunks and of those that lost them now; whole tables dropped."""

    kept: tuple[int, ...]
    dropped: tuple[int, ...]
    tables: tuple[str, ...]


def kept(root: str, index: str, since: datetime) -> set[int]:
    """The builds that are needed: the newest, those built since, those in production at any time since, the present one and the one before it."""
    made, history = candidates(root, index), production_history(root, index)
    found = {manifest.number for manifest in made if manifest.created_at >= since}
    found |= {manifest.number for manifest in made[-1:]}
    # A position is in force until the next one is taken.
    found |= {position.release for position, after in itertools.pairwise(history) if after.at >= since}
    found |= {position.release for position in history[-1:]}
    # Going back undoes the last promotion that was not undone yet.
    return found | set(undo_stack(history)[-2:])


def retain(root: str, index: str, since: datetime) -> Retained:
    """Untag what is no longer needed, clean what no tag holds, drop tables of which nothing is needed. May be killed and run again at any step.

    LanceDB refuses to clean anything while a tagged version is old enough to go, so tags go first, and nothing younger than the oldest kept
    version of a table is cleaned.
    """
    made = candidates(root, index)
    needed = kept(root, index, since)
    by_table: dict[str, list[Manifest]] = defaultdict(list)
    for manifest in made:
        if manifest.version:
            by_table[manifest.table].append(manifest)
    dropped: list[int] = []
    gone: list[str] = []
    database = connect(generation_uri(root, index))
    newest = made[-1].number if made else 0
    for name in _table_names(database):
        table = database.open_table(name)
        wanted = [manifest for manifest in by_table[name] if manifest.number in needed]
        if not wanted:
            if by_table[name] or _age(table) > _UNDER_WAY:
                database.drop_table(name)
                gone.append(name)
                dropped += [manifest.number for manifest in by_table[name]]
            continue
        tags: Mapping[str, Any] = table.tags.list()
        stay = {tag_of(manifest.number, manifest.version) for manifest in wanted}
        for tag in sorted(tags):
            # A build that is under way holds the number after the newest.
            if tag not in stay and int(tag.split("-")[1]) <= newest:
                table.tags.delete(tag)
        dropped += [
            manifest.number for manifest in by_table[name] if manifest not in wanted and tag_of(manifest.number, manifest.version) in tags
        ]
        _clean(table, min(manifest.version for manifest in wanted))
    for manifest in made:
        if manifest.number not in needed:
            _drop_state(root, manifest, {one.content_hash for one in made if one.number in needed})
    return Retained(tuple(sorted(needed)), tuple(sorted(dropped)), tuple(gone))


def _table_names(database: Any) -> list[str]:
    found: list[str] = []
    token: str | None = None
    while True:
        page = list(database.table_names(page_token=token, limit=100))
        found += page
        if len(page) < 100:
            return sorted(found)
        token = page[-1]


def _clean(table: Any, oldest: int) -> None:
    """Take away versions below ``oldest``. Ages are by the machine's clock, for LanceDB stamps its versions with it."""
    stamps = {int(found["version"]): found["timestamp"] for found in table.list_versions()}
    if min(stamps) < oldest and oldest in stamps:
        age = WallClock().now() - _utc(stamps[oldest])
        table.optimize(cleanup_older_than=age + _SLACK)


def _age(table: Any) -> timedelta:
    return WallClock().now() - max(_utc(found["timestamp"]) for found in table.list_versions())


def _utc(stamp: datetime) -> datetime:
    """LanceDB hands instants over as local time without a zone."""
    return stamp.astimezone(UTC)


def _drop_state(root: str, manifest: Manifest, needed: set[str]) -> None:
    import obstore

    if manifest.content_hash not in needed:
        path = state_path(manifest.index, manifest.content_hash)
        store = open_objects(root)
        if any(str(meta["path"]) == path for chunk in obstore.list(store, prefix=path.rpartition("/")[0]) for meta in chunk):
            obstore.delete(store, path)
