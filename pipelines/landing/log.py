"""Delta's log as it lies in the folder: who made which commit, and how ours say that they are ours."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from deltalake import CommitProperties
    from obstore.store import ObjectStore

#: Under this name a commit of ours holds the id of the pull (or of the upkeep) that made it.
SIGN = "fortnight"
#: What a version leaves in the log. The newest one's commit is never tidied away; a checkpoint of it may stand beside it.
_ENTRY = re.compile(r"(\d{20})\.(?:json|checkpoint\..*)")


@dataclass(frozen=True)
class Commit:
    """One commit of a table. ``by`` is whose of ours it is, None where it is nobody's; ``at`` is aware UTC where the log tells it.

    ``engine`` and ``user`` are what the writer said of itself. ``back_to`` is the version that a restore went back to.
    """

    version: int
    by: str | None
    operation: str = ""
    at: datetime | None = None
    engine: str = ""
    user: str = ""
    back_to: int | None = None


def signed(by: str) -> CommitProperties:
    """What makes a commit ours."""
    from deltalake import CommitProperties

    return CommitProperties(custom_metadata={SIGN: by})


def commits(store: ObjectStore, folder: str, after: int, upto: int) -> Iterator[Commit]:
    """The commits of the table in ``folder`` above version ``after`` up to ``upto``, oldest first. One whose entry in the log is gone
    (tidied away by Delta after a checkpoint) is left out: nothing is known of it.
    """
    for version in range(after + 1, upto + 1):
        found = commit(store, folder, version)
        if found is not None:
            yield found


def stands_at(store: ObjectStore, folder: str, known: int = 0) -> int | None:
    """The newest version of the table in ``folder``, by the names in its log alone; None where there is no table. Nothing is opened.

    ``known`` is a version it had: only what is newer is listed, unless the table fell behind it.
    """
    import obstore

    log = f"{folder}/_delta_log"
    # A name sorts before itself with an ending.
    for offset in (f"{log}/{known:020d}", None) if known else (None,):
        names = [str(meta["path"]).rpartition("/")[2] for chunk in obstore.list(store, prefix=log, offset=offset) for meta in chunk]
        versions = [int(found[1]) for name in names if (found := _ENTRY.fullmatch(name))]
        if versions:
            return max(versions)
    return None


def print_of(store: ObjectStore, folder: str, version: int) -> str | None:
    """What tells the entry of this version from any other that might be put in its place; None where there is none."""
    import obstore

    try:
        meta = obstore.head(store, _entry(folder, version))
    except FileNotFoundError:
        return None
    return f"{meta['e_tag']} {meta['size']} {meta['last_modified'].timestamp()}"


def described(store: ObjectStore, folder: str) -> str | None:
    """The description the table in ``folder`` was given by its newest commit; None where that one gave it none, or can't be read: who opens
    the table is told why. Nothing is opened here."""
    at = stands_at(store, folder)
    try:
        actions = None if at is None else _actions(store, folder, at)
        return next((one["metaData"].get("description") for one in actions or () if "metaData" in one), None)
    except ValueError:
        return None


def commit(store: ObjectStore, folder: str, version: int) -> Commit | None:
    """One commit, or None where its entry is gone."""
    actions = _actions(store, folder, version)
    if actions is None:
        return None
    return next((_told(version, one["commitInfo"]) for one in actions if "commitInfo" in one), Commit(version, None))


def _actions(store: ObjectStore, folder: str, version: int) -> Iterator[dict[str, Any]] | None:
    """What an entry of the log holds, one by one; None where there is none."""
    import obstore

    try:
        text = bytes(obstore.get(store, _entry(folder, version)).bytes()).decode()
    except FileNotFoundError:
        return None
    return (json.loads(line) for line in text.splitlines() if line.strip())


def _entry(folder: str, version: int) -> str:
    return f"{folder}/_delta_log/{version:020d}.json"


def _told(version: int, info: dict[str, Any]) -> Commit:
    by, at = info.get(SIGN), info.get("timestamp")
    said: dict[str, Any] = info.get("operationParameters") or {}
    target = said.get("version")
    return Commit(
        version,
        by if isinstance(by, str) else None,
        str(info.get("operation") or ""),
        datetime.fromtimestamp(at / 1000, UTC) if isinstance(at, int | float) else None,
        str(info.get("engineInfo") or ""),
        str(info.get("userName") or info.get("userId") or ""),
        int(str(target)) if str(target).isdigit() else None,
    )
