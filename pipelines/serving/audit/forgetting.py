"""What the audit forgets, each time with a proof row: one person on demand, words and rows by age. The chain itself never changes."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from expectations.durations import duration
from pipelines.project import Project
from pipelines.serving.audit.log import AuditLog, audit_of
from pipelines.serving.callers.identity import person_id

if TYPE_CHECKING:
    from deltalake import DeltaTable

#: How often a deletion is tried beside busy writers.
ATTEMPTS = 100


@dataclass(frozen=True)
class Erased:
    """``rows`` texts and ``sets`` principal sets of one person are gone; ``subjects`` is what still stands for them in the chain."""

    rows: int
    sets: int
    subjects: tuple[str, ...]


@dataclass(frozen=True)
class Retained:
    """``words`` questions lost their text, ``rows`` rows of ``days`` whole days left the chain."""

    words: int
    rows: int
    days: tuple[str, ...]


def erase(log: AuditLog, person: str, *, at: datetime, why: str, by: str) -> Erased:
    """Forget a person: their name and questions leave storage, physically. The proof row says when, why, by whom and how many.

    The proof is written first, the rows that name the person go last: a crash in between leaves what a second run finds and takes, and never a
    gap without a proof.
    """
    import pyarrow as pa
    import pyarrow.dataset as ds

    log.settle()
    apart, sets = log.table(log.subjects), log.table(log.principals)
    wanted = person_id(person)
    texts = apart.to_pyarrow_table(filters=ds.field("person") == wanted) if apart is not None else None
    # A store that several machines write has as many hashes of a person as it had keys.
    hashes = set(texts["person_hash"].to_pylist()) if texts is not None else set()
    known = sets.to_pyarrow_table(filters=ds.field("person_hash").isin(pa.array(sorted(hashes), pa.string()))) if sets is not None else None
    done = Erased(texts.num_rows if texts is not None else 0, known.num_rows if known is not None else 0, tuple(sorted(hashes)))
    if done.rows:
        log.note("erasure", at, {"subjects": list(done.subjects), "rows": done.rows, "sets": done.sets, "why": why, "by": by})
        _forget(log, log.principals, _any_of("person_hash", hashes))
        _forget(log, log.subjects, _any_of("person_hash", hashes))
    return done


def retain(log: AuditLog, *, now: datetime, words: timedelta, rows: timedelta) -> Retained:
    """Apply the tiers: words and principal sets older than ``words`` go, leaving their hashes; whole days older than ``rows`` go, leaving a proof of their heads.

    Small files are put together at the end.
    """
    import pyarrow.dataset as ds

    log.settle()
    chain, apart = log.table(log.answers), log.table(log.subjects)
    if chain is None or apart is None:
        return Retained(0, 0, ())
    words_until, last_day = now - words, (now - rows).date().isoformat()
    old = apart.to_pyarrow_table(filters=(ds.field("asked_at") < words_until) & ds.field("query_salt").is_valid())
    gone = chain.to_pyarrow_table(filters=ds.field("day") < last_day).to_pylist()
    days = tuple(sorted({row["day"] for row in gone}))
    if old.num_rows or gone:
        dropped = _heads(gone)
        detail = {"words_until": words_until.isoformat(), "words": old.num_rows, "rows": len(gone), "dropped": dropped}
        log.note("retention", now, detail)
        if gone:
            segments = {row["segment"] for row in gone}
            _forget(log, log.subjects, _any_of("segment", segments))
            _drop_days(log, last_day)
        if old.num_rows and (table := log.table(log.subjects)) is not None:
            table.update({"query": "NULL", "query_salt": "NULL"}, predicate=_older("asked_at", words_until))
            _vacuum(table)
            # A set is noted again for every hour in which it is asked with.
            _forget(log, log.principals, _older("noted_at", words_until - timedelta(hours=1)))
    for uri in (log.answers, log.subjects, log.principals):
        if (table := log.table(uri)) is not None:
            table.optimize.compact()
            _vacuum(table)
    return Retained(old.num_rows, len(gone), days)


def retain_all(project: Project, now: datetime) -> Retained:
    """``retain`` under the project's own policy (``serving.audit``)."""
    policy = project.file.serving.audit
    return retain(audit_of(project), now=now, words=duration(policy.text_kept), rows=duration(policy.rows_kept))


def _heads(gone: Iterable[Any]) -> dict[str, tuple[int, str]]:
    """Of every segment that leaves, its last row; and what earlier proofs among them say, so that these are not lost with their row."""
    found: dict[str, tuple[int, str]] = {}
    for row in sorted(gone, key=lambda row: row["seq"]):
        if row["kind"] == "retention":
            found |= json.loads(row["detail"]).get("dropped", {})
        found[row["segment"]] = (row["seq"], row["hash"])
    return found


def _drop_days(log: AuditLog, before: str) -> None:
    """The one deletion in the chain: whole days. Append-only is lifted for it and put back, also when it fails."""
    table = log.table(log.answers)
    assert table is not None
    table.alter.set_table_properties({"delta.appendOnly": "false"})
    try:
        table.delete(f"day < '{before}'")
    finally:
        table.alter.set_table_properties({"delta.appendOnly": "true"})
    _vacuum(table)


def _older(column: str, instant: datetime) -> str:
    return f"{column} < to_timestamp_micros({int(instant.timestamp() * 1_000_000)})"


def _any_of(column: str, names: Iterable[str]) -> str:
    """A condition over names that we made ourselves (hashes, segments): no text of anybody's stands in it."""
    quoted = ", ".join("'" + name + "'" for name in sorted(names))
    return f"{column} IN ({quoted})"


def _forget(log: AuditLog, uri: str, where: str) -> None:
    """Delete, and take the bytes. A writer that commits at the same moment makes the deletion start over: nothing of it is half done."""
    from deltalake.exceptions import CommitFailedError

    for attempt in range(ATTEMPTS):
        table = log.table(uri)
        if table is None:
            return
        try:
            table.delete(where)
            _vacuum(table)
            return
        except CommitFailedError:
            if attempt + 1 == ATTEMPTS:
                raise


def _vacuum(table: DeltaTable) -> None:
    """Take the bytes of what was deleted; files that a writer has put down and not yet committed are left alone (no full vacuum)."""
    table.vacuum(retention_hours=0, dry_run=False, enforce_retention_duration=False)
