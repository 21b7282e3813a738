"""The audit on storage: an append-only chain that holds no names, and beside it, erasable, who asked what. A journal goes before both."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import Any

from pipelines.project import Project
from pipelines.serving.audit.chain import ROOT, Kind, Verdict, chain_hash, keyed, newest, seal, verify
from pipelines.serving.audit.row import AuditRow, closures_text
from pipelines.serving.audit.store import AuditStore
from pipelines.serving.audit.tables import ANSWERS, PRINCIPALS, SUBJECTS, answers_schema
from pipelines.serving.reasons import AnswerWithheld, Reason
from pipelines.serving.secret import secret_file

#: Seconds between two batches while questions come in faster than that: they share one. A question that comes alone waits for nobody.
GATHERED = 0.05
_APART = ("person", "query", "closures", "params")


class _Waiting:
    """A row on its way to storage, and how that ended."""

    def __init__(self, row: AuditRow) -> None:
        self.row = row
        self.done = False
        #: Nothing but a commit that came back says so: whoever finds neither this nor an error was let down, and is refused.
        self.kept = False
        self.error: AnswerWithheld | None = None


class AuditLog(AuditStore):
    """The audit under ``uri``. ``keep_query=False`` keeps the keyed hash of a question, not its words. Safe to share between threads.

    Each instance writes one chain a day. Rows that wait while a batch is under way are written together by the next.
    """

    def __init__(self, uri: str, *, keep_query: bool = True, key: bytes = b"") -> None:
        super().__init__(uri)
        self._keep_query = keep_query
        self._key = key
        self._list, self._writing = threading.Lock(), threading.Lock()
        self._waiting: list[_Waiting] = []
        self._put_at = 0.0
        self._segment, self._seq, self._prev = "", 0, ROOT
        self._known: set[tuple[str, str, str]] = set()

    def person_hash(self, person: str) -> str:
        """What stands for a person in the chain."""
        return keyed(self._key, f"person\n{person}")

    def record(self, row: AuditRow) -> None:
        """Append one row; returns when it is stored. Raises AnswerWithheld (``audit_unavailable``) when it could not be, and when the tables
        do not take what waits for them: a record that cannot be brought together is none."""
        self.open()
        mine = _Waiting(row)
        with self._list:
            self._waiting.append(mine)
        with self._writing:
            if not mine.done:
                time.sleep(max(0.0, self._put_at + GATHERED - time.monotonic()))
                with self._list:
                    batch, self._waiting = self._waiting, []
                self._put(batch)
        if not mine.kept:
            raise mine.error or AnswerWithheld(Reason.AUDIT_UNAVAILABLE, where=self.uri, what="nothing was put down")
        self._take_due()

    def note(self, kind: Kind, at: datetime, detail: Mapping[str, Any]) -> None:
        """Append a row that is no answer: what was forgotten, when, why and how much. It is in the tables when this returns."""
        values = {"detail": json.dumps(detail, ensure_ascii=False, sort_keys=True), "hits": []}
        with self._writing:
            self._chaining(lambda: self._journal.put([{ANSWERS: one} for one in self._chained(kind, at, values)]))
        self.settle()

    def _put(self, batch: Sequence[_Waiting]) -> None:
        noted: set[tuple[str, str, str]] = set()

        def write() -> None:
            self._journal.put([part for one in batch for part in self._parts(one.row, noted)])

        try:
            self._chaining(write)
        except AnswerWithheld as error:
            for one in batch:
                one.error = error
        else:
            hours = {name[0] for name in noted}
            self._known = {name for name in self._known if name[0] in hours} | noted
            for one in batch:
                one.kept = True
        finally:
            self._put_at = time.monotonic()
            for one in batch:
                one.done = True

    def _parts(self, row: AuditRow, noted: set[tuple[str, str, str]]) -> list[dict[str, dict[str, Any]]]:
        """What each table gets of a row, behind what an opening row gives."""
        closures = closures_text(row.closures)
        person, principals = self.person_hash(row.person), keyed(self._key, f"principals\n{closures}")
        person_salt, query_salt = secrets.token_hex(16), secrets.token_hex(16) if self._keep_query else None
        values = {name: value for name, value in asdict(row).items() if name not in _APART}
        values |= {
            "person_hash": person,
            "query_hash": keyed(self._key, f"query\n{row.query}"),
            "principals_hash": principals,
            "person_seal": seal(person_salt, row.person),
            "query_seal": seal(query_salt, row.query) if query_salt is not None else "",
            "hits": [asdict(hit) for hit in row.hits],
            "detail": json.dumps(dict(row.params), ensure_ascii=False, sort_keys=True) if row.params else "",
        }
        made: list[dict[str, dict[str, Any]]] = [{ANSWERS: one} for one in self._chained("answer", row.asked_at, values)]
        made[-1][SUBJECTS] = {
            "segment": made[-1][ANSWERS]["segment"],
            "seq": made[-1][ANSWERS]["seq"],
            "asked_at": row.asked_at,
            "person_hash": person,
            "person": row.person,
            "person_salt": person_salt,
            "query": row.query if query_salt is not None else None,
            "query_salt": query_salt,
        }
        # Noted once an hour, not once for all: a set that was forgotten meanwhile is there again for questions asked after that.
        name = f"{row.asked_at:%Y-%m-%dT%H}", principals, person
        if name not in self._known | noted:
            made[-1][PRINCIPALS] = {
                "noted_at": row.asked_at,
                "principals_hash": principals,
                "person_hash": person,
                "closures": closures,
            }
        noted.add(name)
        return made

    def _chained(self, kind: Kind, at: datetime, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The row at the end of this writer's segment, behind an opening row where the day (UTC) has begun anew."""
        day = at.date().isoformat()
        made: list[dict[str, Any]] = []
        if not self._segment.startswith(f"{day}-"):
            anchors = self._heads()
            self._segment, self._seq, self._prev = f"{day}-{secrets.token_hex(4)}", 0, ROOT
            made.append(self._link("open", at, day, {"detail": json.dumps({"anchors": anchors}, sort_keys=True), "hits": []}))
        made.append(self._link(kind, at, day, values))
        return made

    def _link(self, kind: Kind, at: datetime, day: str, values: Mapping[str, Any]) -> dict[str, Any]:
        blank = dict.fromkeys(answers_schema().names)
        row = {**blank, **values, "asked_at": at, "day": day, "kind": kind, "segment": self._segment, "seq": self._seq, "prev": self._prev}
        row["hash"] = chain_hash(row)
        self._seq, self._prev = self._seq + 1, row["hash"]
        return row

    def _heads(self) -> dict[str, tuple[int, str]]:
        """The last row of each segment of the last two days on storage."""
        import pyarrow.dataset as ds

        table, waiting = self.table(self.answers), self._journal.read()
        days = sorted({str(one["day"]) for one in table.partitions()} if table is not None else set())
        days = sorted({*days, *(name.split("/")[1][:10] for name in waiting)})[-2:]
        found = self._read(ANSWERS, ds.field("day").isin(days), ["segment", "seq", "hash"]).to_pylist()
        heads: dict[str, tuple[int, str]] = {}
        for row in sorted(found, key=lambda row: row["seq"]):
            heads[row["segment"]] = (row["seq"], row["hash"])
        return {name: heads[name] for name in newest(heads)}

    def _chaining(self, work: Callable[[], None]) -> None:
        """Write at the end of the chain. Where that fails, in whatever way, what reached storage is unknown: the next row begins a segment of its own."""
        done = False
        try:
            self._written(work)
            done = True
        finally:
            if not done:
                self._segment = ""

    def rows(self, *, since: datetime | None = None, action: str = "") -> list[dict[str, Any]]:
        """All answers, or those to one ``action``, oldest first, each with its ``person`` and ``query`` ("" where forgotten or never kept)."""
        import pyarrow.dataset as ds

        wanted = ds.field("kind") == "answer"
        if action:
            wanted &= ds.field("action") == action
        return self._joined(wanted if since is None else wanted & _from(since))

    def spent(self, *, since: datetime) -> float:
        """What the answers since then are taken to have cost, in JPY. Of their rows only that is read, however many there are."""
        import pyarrow.compute as pc
        import pyarrow.dataset as ds

        costs = self._read(ANSWERS, (ds.field("kind") == "answer") & _from(since), ["cost_jpy"])
        return float(pc.sum(costs["cost_jpy"]).as_py() or 0.0)

    def find(self, trace_id: str) -> list[dict[str, Any]]:
        """What was answered under a trace."""
        import pyarrow.dataset as ds

        return self._joined((ds.field("kind") == "answer") & (ds.field("trace_id") == trace_id))

    def _joined(self, wanted: Any) -> list[dict[str, Any]]:
        import pyarrow as pa
        import pyarrow.dataset as ds

        rows = self._read(ANSWERS, wanted).sort_by([("asked_at", "ascending"), ("seq", "ascending")]).to_pylist()
        segments, places = sorted({row["segment"] for row in rows}), sorted({row["seq"] for row in rows})
        # A segment is a whole day of one process: of it only what stands at these places is taken into memory.
        near = ds.field("segment").isin(pa.array(segments, pa.string())) & ds.field("seq").isin(pa.array(places, pa.int64()))
        known = {(one["segment"], one["seq"]): one for one in self._read(SUBJECTS, near).to_pylist()}
        for row in rows:
            one = known.get((row["segment"], row["seq"]), {})
            row |= {"person": one.get("person") or "", "query": one.get("query") or ""}
        return rows

    def closures(self, principals_hash: str) -> Mapping[str, frozenset[str]] | None:
        """The principals by stream that a row was asked with; None where they were forgotten."""
        import pyarrow.dataset as ds

        found = self._read(PRINCIPALS, ds.field("principals_hash") == principals_hash).to_pylist()
        return {stream: frozenset(names) for stream, names in json.loads(found[0]["closures"]).items()} if found else None

    def verify(self) -> Verdict:
        """Read everything and prove it."""
        # The chain before what is kept apart: of a row that comes in between, the text is seen.
        rows = self._read(ANSWERS).to_pylist()
        return verify(rows, self._read(SUBJECTS).to_pylist())


def _from(since: datetime) -> Any:
    """One day of grace: a row's partition is the day of its instant."""
    import pyarrow.dataset as ds

    return (ds.field("day") >= (since - timedelta(days=1)).date().isoformat()) & (ds.field("asked_at") >= since)


def audit_of(project: Project) -> AuditLog:
    """The project's audit, under its policy. Raises FixConfiguration or MissingSecret for a key that cannot be had."""
    policy = project.file.serving.audit
    named = project.resolve(policy.key, "serving.audit.key") if policy.key is not None else None
    key = str(named).encode() if named is not None else secret_file(project.home / "audit.key")
    return AuditLog(f"{project.root}/audit", keep_query=policy.query == "text", key=key)
