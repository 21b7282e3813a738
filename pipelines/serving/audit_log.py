"""The audit on storage: an append-only chain that holds no names, and beside it, erasable, who asked what."""

from __future__ import annotations

import json
import secrets
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import asdict
from datetime import datetime, timedelta
from typing import TYPE_CHECKING, Any

from pipelines.landing.published import store_options
from pipelines.project import Project
from pipelines.serving.audit import AuditRow, closures_text
from pipelines.serving.audit_chain import ROOT, Kind, Verdict, chain_hash, keyed, newest, seal, verify
from pipelines.serving.reasons import AnswerWithheld, Reason
from pipelines.serving.secret import secret_file

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable

#: How often a row is tried beside whoever deletes in the same table.
ATTEMPTS = 10
#: Seconds between two commits while questions come in faster than that: they share one. A question that comes alone waits for nobody.
GATHERED = 0.05
#: Commits after which a table is opened anew: what one open table holds in memory grows with each, and so does the price of the next.
OPENED_FOR = 20
#: Seconds after which it is opened anew in any case: far less than versions are kept, which its next commit has to find.
OPENED_SECONDS = 600
#: Versions of these tables are nobody's evidence, the chain in them is; and every commit looks through the files of all versions that are kept.
_LOG_KEPT = "interval 1 hours"
_APART = ("person", "query", "closures", "params")


def answers_schema() -> pa.Schema:
    """One row of the chain. ``detail`` is JSON, for rows that are no answers: anchors of an opening, what an erasure or a retention took."""
    import pyarrow as pa

    instant, text, number = pa.timestamp("us", tz="UTC"), pa.string(), pa.int64()
    hit = pa.struct([("rank", number), ("chunk", text), ("document", text), ("version", text), ("row_hash", text)])
    texts = ("trace_id", "client", "action", "index", "content_hash", "mode", "decision", "filters", "as_of", "standing")
    hashes = ("person_hash", "query_hash", "principals_hash", "person_seal", "query_seal")
    return pa.schema(
        [
            *((name, text) for name in ("day", "segment", "kind", "prev", "hash", *texts, *hashes, "detail")),
            *((name, number) for name in ("seq", "k", "principals", "release", "visible", "refused", "latency_us")),
            *((name, instant) for name in ("asked_at", "membership_read_at", "overlay_read_at")),
            ("cost_jpy", pa.float64()),
            ("hits", pa.list_(hit)),
        ]
    )


def subjects_schema() -> pa.Schema:
    import pyarrow as pa

    text = pa.string()
    names = ("segment", "person_hash", "person", "person_salt", "query", "query_salt")
    return pa.schema([("seq", pa.int64()), ("asked_at", pa.timestamp("us", tz="UTC")), *((name, text) for name in names)])


def principals_schema() -> pa.Schema:
    import pyarrow as pa

    names = ("principals_hash", "person_hash", "closures")
    return pa.schema([("noted_at", pa.timestamp("us", tz="UTC")), *((name, pa.string()) for name in names)])


class _Waiting:
    """A row on its way to storage, and how that ended."""

    def __init__(self, row: AuditRow) -> None:
        self.row = row
        self.done = False
        #: Nothing but a commit that came back says so: whoever finds neither this nor an error was let down, and is refused.
        self.kept = False
        self.error: AnswerWithheld | None = None


class AuditLog:
    """The audit under ``uri``. ``keep_query=False`` keeps the keyed hash of a question, not its words. Safe to share between threads.

    Each instance writes one chain a day. Rows that wait while a commit is under way are written together by the next.
    """

    def __init__(self, uri: str, *, keep_query: bool = True, key: bytes = b"") -> None:
        self.uri = uri
        self.answers, self.subjects, self.principals = (f"{uri}/{name}" for name in ("answers", "subjects", "principals"))
        self._keep_query = keep_query
        self._key = key
        self._list, self._writing = threading.Lock(), threading.Lock()
        self._waiting: list[_Waiting] = []
        self._tables: dict[str, tuple[DeltaTable, int, float]] = {}
        self._committed = 0.0
        self._segment, self._seq, self._prev = "", 0, ROOT
        self._known: set[tuple[str, str, str]] = set()

    def person_hash(self, person: str) -> str:
        """What stands for a person in the chain."""
        return keyed(self._key, f"person\n{person}")

    def record(self, row: AuditRow) -> None:
        """Append one row; returns when it is stored. Raises AnswerWithheld (``audit_unavailable``) when it could not be."""
        mine = _Waiting(row)
        with self._list:
            self._waiting.append(mine)
        with self._writing:
            if not mine.done:
                time.sleep(max(0.0, self._committed + GATHERED - time.monotonic()))
                with self._list:
                    batch, self._waiting = self._waiting, []
                self._commit(batch)
        if not mine.kept:
            raise mine.error or AnswerWithheld(Reason.AUDIT_UNAVAILABLE, where=self.uri, what="no commit")

    def note(self, kind: Kind, at: datetime, detail: Mapping[str, Any]) -> None:
        """Append a row that is no answer: what was forgotten, when, why and how much."""
        with self._writing:
            values = {"detail": json.dumps(detail, ensure_ascii=False, sort_keys=True), "hits": []}
            self._written(lambda: self._append(self.answers, self._chained(kind, at, values), answers_schema()))

    def _commit(self, batch: Sequence[_Waiting]) -> None:
        """Text apart first, then the chain: a row of the chain without its text would be a flaw, a text without a row is nothing."""
        rows: list[dict[str, Any]] = []
        apart: list[dict[str, Any]] = []
        sets: dict[tuple[str, str, str], dict[str, Any]] = {}

        def write() -> None:
            for one in batch:
                self._place(one.row, rows, apart, sets)
            new = [row for name, row in sets.items() if name not in self._known]
            if new:
                self._append(self.principals, new, principals_schema())
            self._append(self.subjects, apart, subjects_schema())
            self._append(self.answers, rows, answers_schema())

        try:
            self._written(write)
        except AnswerWithheld as error:
            for one in batch:
                one.error = error
        else:
            hours = {name[0] for name in sets}
            self._known = {name for name in self._known if name[0] in hours} | set(sets)
            for one in batch:
                one.kept = True
        finally:
            self._committed = time.monotonic()
            for one in batch:
                one.done = True

    def _place(
        self, row: AuditRow, rows: list[dict[str, Any]], apart: list[dict[str, Any]], sets: dict[tuple[str, str, str], dict[str, Any]]
    ) -> None:
        person, principals = self.person_hash(row.person), keyed(self._key, f"principals\n{closures_text(row.closures)}")
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
        made = self._chained("answer", row.asked_at, values)
        rows += made
        apart.append(
            {
                "segment": made[-1]["segment"],
                "seq": made[-1]["seq"],
                "asked_at": row.asked_at,
                "person_hash": person,
                "person": row.person,
                "person_salt": person_salt,
                "query": row.query if query_salt is not None else None,
                "query_salt": query_salt,
            }
        )
        closures = {"noted_at": row.asked_at, "principals_hash": principals, "person_hash": person, "closures": closures_text(row.closures)}
        # Noted once an hour, not once for all: a set that was forgotten meanwhile is there again for questions asked after that.
        sets[f"{row.asked_at:%Y-%m-%dT%H}", principals, person] = closures

    def _chained(self, kind: Kind, at: datetime, values: Mapping[str, Any]) -> list[dict[str, Any]]:
        """The row at the end of this writer's segment, behind an opening row where the day (UTC) has begun anew."""
        day = at.date().isoformat()
        made: list[dict[str, Any]] = []
        if not self._segment.startswith(f"{day}-"):
            anchors = self._written(self._heads)
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

        table = self.table(self.answers)
        if table is None:
            return {}
        days = sorted({str(one["day"]) for one in table.partitions()})[-2:]
        found = table.to_pyarrow_table(columns=["segment", "seq", "hash"], filters=ds.field("day").isin(days)).to_pylist()
        heads: dict[str, tuple[int, str]] = {}
        for row in sorted(found, key=lambda row: row["seq"]):
            heads[row["segment"]] = (row["seq"], row["hash"])
        return {name: heads[name] for name in newest(heads)}

    def _written(self, work: Callable[[], Any]) -> Any:
        from deltalake.exceptions import DeltaError

        done = False
        try:
            found = work()
            done = True
            return found
        except (DeltaError, OSError, ValueError) as error:
            # ValueError: what Arrow and canonical JSON say of a value that they cannot hold.
            raise AnswerWithheld(Reason.AUDIT_UNAVAILABLE, where=self.uri, what=type(error).__name__) from error
        finally:
            if not done:
                # What reached storage is unknown, whatever it was: the next row begins a segment of its own.
                self._segment = ""
                self._tables.clear()

    def _append(self, uri: str, rows: Sequence[Mapping[str, Any]], schema: pa.Schema) -> None:
        import pyarrow as pa
        from deltalake import write_deltalake
        from deltalake.exceptions import CommitFailedError

        data = pa.Table.from_pylist([dict(row) for row in rows], schema=schema)
        for attempt in range(ATTEMPTS):
            table = self._opened(uri)
            if table is None:
                break
            try:
                write_deltalake(table, data, mode="append")
                return
            except CommitFailedError:
                # Somebody is being forgotten at this moment: nothing was written, and the table as it is now takes the row.
                self._tables.pop(uri, None)
                if attempt + 1 == ATTEMPTS:
                    raise
        chain = uri == self.answers
        # Statistics in the log would keep a person's address after its rows are gone. Forgetting one person reads nothing of who asks meanwhile.
        settings = (
            {"delta.appendOnly": "true"}
            if chain
            else {"delta.dataSkippingNumIndexedCols": "0", "delta.isolationLevel": "SnapshotIsolation"}
        ) | {"delta.logRetentionDuration": _LOG_KEPT}
        write_deltalake(
            uri,
            data,
            mode="append",
            partition_by=["day"] if chain else None,
            configuration=settings,
            storage_options=store_options(self.uri),
        )

    def _opened(self, uri: str) -> DeltaTable | None:
        """The table, as far as this writer knows it; None where there is none yet."""
        table, used, since = self._tables.pop(uri, (None, 0, 0.0))
        if table is None or used >= OPENED_FOR or time.monotonic() - since > OPENED_SECONDS:
            table, used, since = self.table(uri), 0, time.monotonic()
        if table is not None:
            self._tables[uri] = (table, used + 1, since)
        return table

    def table(self, uri: str) -> DeltaTable | None:
        """One of the three tables as it is now; None where nothing was ever written."""
        from deltalake import DeltaTable

        options = store_options(self.uri)
        return DeltaTable(uri, storage_options=options) if DeltaTable.is_deltatable(uri, options) else None

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

        table = self.table(self.answers)
        if table is None:
            return 0.0
        costs = table.to_pyarrow_table(columns=["cost_jpy"], filters=(ds.field("kind") == "answer") & _from(since))
        return float(pc.sum(costs["cost_jpy"]).as_py() or 0.0)

    def find(self, trace_id: str) -> list[dict[str, Any]]:
        """What was answered under a trace."""
        import pyarrow.dataset as ds

        return self._joined((ds.field("kind") == "answer") & (ds.field("trace_id") == trace_id))

    def _joined(self, wanted: Any) -> list[dict[str, Any]]:
        import pyarrow as pa
        import pyarrow.dataset as ds

        table, apart = self.table(self.answers), self.table(self.subjects)
        if table is None or apart is None:
            return []
        rows = table.to_pyarrow_table(filters=wanted).sort_by([("asked_at", "ascending"), ("seq", "ascending")]).to_pylist()
        segments, places = sorted({row["segment"] for row in rows}), sorted({row["seq"] for row in rows})
        # A segment is a whole day of one process: of it only what stands at these places is taken into memory.
        near = ds.field("segment").isin(pa.array(segments, pa.string())) & ds.field("seq").isin(pa.array(places, pa.int64()))
        found = apart.to_pyarrow_table(filters=near).to_pylist()
        known = {(one["segment"], one["seq"]): one for one in found}
        for row in rows:
            one = known.get((row["segment"], row["seq"]), {})
            row |= {"person": one.get("person") or "", "query": one.get("query") or ""}
        return rows

    def closures(self, principals_hash: str) -> Mapping[str, frozenset[str]] | None:
        """The principals by stream that a row was asked with; None where they were forgotten."""
        import pyarrow.dataset as ds

        table = self.table(self.principals)
        if table is None:
            return None
        found = table.to_pyarrow_table(filters=ds.field("principals_hash") == principals_hash).to_pylist()
        return {stream: frozenset(names) for stream, names in json.loads(found[0]["closures"]).items()} if found else None

    def verify(self) -> Verdict:
        """Read everything and prove it."""
        table, apart = self.table(self.answers), self.table(self.subjects)
        rows = table.to_pyarrow_table().to_pylist() if table is not None else []
        return verify(rows, apart.to_pyarrow_table().to_pylist() if apart is not None else [])


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
