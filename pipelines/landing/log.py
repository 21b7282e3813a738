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


def commit(store: ObjectStore, folder: str, version: int) -> Commit | None:
    """One commit, or None where its entry is gone."""
    import obstore

    try:
        text = bytes(obstore.get(store, f"{folder}/_delta_log/{version:020d}.json").bytes()).decode()
    except FileNotFoundError:
        return None
    for line in text.splitlines():
        info: dict[str, Any] | None = json.loads(line).get("commitInfo") if line.strip() else None
        if info is not None:
            return _told(version, info)
    return Commit(version, None)


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
