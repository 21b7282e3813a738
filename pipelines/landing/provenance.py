"""What stands in our tables and is nobody's of ours: commits without our sign, files no log names, rows of pulls that were never published."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from typing import TYPE_CHECKING

from connectors.errors import AnswerIsNo
from connectors.messages import told
from pipelines.landing.log import Commit, commit
from pipelines.landing.published import Published, numbers, read_record

if TYPE_CHECKING:
    import pyarrow as pa
    from obstore.store import ObjectStore


def above(commits: Iterable[Commit], base: int) -> list[Commit]:
    """Of the commits above version ``base`` those whose doing still stands: what lies under a restore of ours to ``base`` does not."""
    found: list[Commit] = []
    for one in commits:
        if one.by is not None and one.operation == "RESTORE" and one.back_to == base:
            found = []
        elif not _tidies(one):
            found.append(one)
    return found


def others(commits: Iterable[Commit], base: int, by: str) -> list[Commit]:
    """Of the commits above ``base`` those that are not by ``by`` and that its own rest upon or lie under.

    What a dead pull left is gone once ``by`` or somebody of ours put the table back, before ``by`` began to write. A restore by another one
    after that would have taken our own rows away.
    """
    found: list[Commit] = []
    began = False
    for one in commits:
        back = one.operation == "RESTORE" and one.back_to == base
        if one.by == by:
            began = True
            found = [] if back else found
        elif one.by is not None and back and not began:
            found = []
        elif not _tidies(one):
            found.append(one)
    return found


def _tidies(one: Commit) -> bool:
    return one.by is not None and one.operation.startswith("VACUUM")


def refuse(stream: str, place: str, foreign: Sequence[Commit]) -> AnswerIsNo:
    """What is said of commits that are nobody's of ours: where, which, when, and whose by their own word."""
    first = foreign[0]
    return AnswerIsNo(
        "landing.foreign_commit",
        stream=stream,
        table=place,
        version=first.version,
        count=len(foreign),
        at=f"{first.at:%Y-%m-%d %H:%M}Z" if first.at else "?",
        operation=first.operation or "?",
        engine=" ".join(part for part in (first.engine, first.user) if part) or "?",
    )


def vouch(store: ObjectStore, record: Published, folder: Callable[[str], str]) -> None:
    """Holds a record to what the log says: where it names another version than the record before it, that commit is of the pull it names.

    Raises AnswerIsNo ``landing.unvouched_record``: somebody wrote the record by hand, or moved a table under it. What was published before
    commits were signed, and entries that Delta has tidied away, say nothing.
    """
    known = numbers(store, record.stream)
    before = read_record(store, record.stream, record.number - 1) if record.number - 1 in known else None
    if not record.signed or record.restored is not None:
        if before is not None and before.signed and not record.signed:
            raise AnswerIsNo("landing.unvouched_record", stream=record.stream, number=record.number, what=told("landing.what.unsigned"))
        return
    for table, version in record.tables.items():
        if before is not None and before.tables.get(table) == version:
            continue
        found = commit(store, folder(table), version)
        # A later pull may have put the table back to what a dead one left; nobody else may.
        if found is not None and found.by != record.pull_id and not _tidies(found) and (found.by is None or found.operation != "RESTORE"):
            what = told("landing.what.commit", table=f"{table}/{record.stream}", version=version, by=found.by or "?")
            raise AnswerIsNo("landing.unvouched_record", stream=record.stream, number=record.number, what=what)


def vouch_rows(store: ObjectStore, record: Published, rows: pa.Table) -> None:
    """Raises AnswerIsNo ``landing.unpublished_rows`` where rows of ``current`` bear an id that no published record of the stream has."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if "_pull_id" not in rows.schema.names:
        rows = rows.append_column("_pull_id", pa.nulls(rows.num_rows, pa.string()))
    counted = {str(one["values"]): one["counts"] for one in pc.value_counts(rows["_pull_id"]).to_pylist()}
    wanted = set(counted) - {record.pull_id}
    for number in reversed(numbers(store, record.stream)):
        if not wanted:
            return
        if number < record.number:
            wanted.discard(read_record(store, record.stream, number).pull_id)
    if wanted:
        first = rows.filter(pc.equal(pc.fill_null(rows["_pull_id"], "None"), sorted(wanted)[0]))["_key"][0].as_py()
        raise AnswerIsNo(
            "landing.unpublished_rows",
            stream=record.stream,
            count=sum(counted[one] for one in wanted),
            pulls=", ".join(sorted(wanted)[:3]),
            key=first,
        )


def strays(store: ObjectStore, folder: str) -> list[tuple[str, str]]:
    """Files in a table's folder that no writer of Delta puts there: path and when they were put there. Nobody reads them.

    A data file that a dead pull never committed has a writer's name and is no stray: the next vacuum takes it.
    """
    return _unlike(store, folder, r"_delta_log/.*|_published|part-[-0-9a-zA-Z.]+\.parquet")


def stray_blobs(store: ObjectStore) -> list[tuple[str, str]]:
    """Files among the attachments' bytes that do not bear a SHA-256 for a name."""
    return _unlike(store, "blobs", r"[0-9a-f]{2}/[0-9a-f]{64}")


def _unlike(store: ObjectStore, folder: str, ours: str) -> list[tuple[str, str]]:
    import obstore

    found: list[tuple[str, str]] = []
    for chunk in obstore.list(store, prefix=folder):
        for meta in chunk:
            if not re.fullmatch(ours, str(meta["path"]).removeprefix(folder + "/")):
                found.append((str(meta["path"]), f"{meta['last_modified']:%Y-%m-%d %H:%M}Z"))
    return sorted(found)
