"""The hash chain: entries linked by SHA-256 over RFC 8785 canonical JSON, and the proof that a run of rows is whole. No storage here."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable
from dataclasses import asdict, dataclass, fields
from datetime import UTC, date, datetime
from typing import Any, Literal, cast

import rfc8785

from pipelines.evidence.claims import Balance, CheckVerdict, ClockKind, ContractRef, Endpoint, Environment
from pipelines.evidence.reasons import Reason, reason

SCHEMA = "fortnight.chain/1"
Kind = Literal["evidence", "seal", "fact", "decision", "amendment", "finding"]


@dataclass(frozen=True)
class Entry:
    """What one row says, before it has a place in the chain.

    ``subject`` is a stream key or an index name. ``finished_at`` is when the thing the row tells of was done (a pull finished, a day was
    sealed, a fact measured, a decision taken). Instants are aware UTC; ``day`` is the project's civil date.
    """

    kind: Kind
    environment: Environment
    clock: ClockKind
    subject: str
    day: date | None = None
    slot: datetime | None = None
    trigger: str | None = None
    pull_id: str | None = None
    run_id: str | None = None
    root_run_id: str | None = None
    tick: str | None = None
    started_at: datetime | None = None
    finished_at: datetime | None = None
    outcome: str | None = None
    checks: tuple[CheckVerdict, ...] = ()
    balance: Balance | None = None
    contract: ContractRef | None = None
    endpoint: Endpoint | None = None
    code_version: str | None = None
    verdict: str | None = None
    reasons: tuple[Reason, ...] = ()
    actor: str | None = None
    signature: str | None = None

    def __post_init__(self) -> None:
        for name in ("slot", "started_at", "finished_at"):
            instant = cast(datetime | None, getattr(self, name))
            if instant is not None and instant.utcoffset() is None:
                raise ValueError(f"{self.kind} of {self.subject}: {name} has no time zone; hand in an aware instant")


@dataclass(frozen=True)
class Head:
    """The last row of a chain: its number and hash. Published outside, it anchors everything before it."""

    seq: int
    hash: str


#: The head of an empty chain; the first row has seq 1.
GENESIS = Head(0, "0" * 64)


@dataclass(frozen=True)
class ChainRow:
    """An entry with its place: ``prev`` is the hash of the row before, ``hash`` covers everything but itself."""

    entry: Entry
    seq: int
    prev: str
    hash: str


@dataclass(frozen=True)
class Verification:
    """Whether a chain holds; if not, the number of the first row that does not, and why. ``by_place`` are rows whose details were not looked at:
    they stand where they stood, and nothing shows here what they say."""

    ok: bool
    broken_at: int | None = None
    why: Reason | None = None
    by_place: int = 0


def canonical(value: object) -> bytes:
    """RFC 8785 canonical JSON. Numbers outside what JSON carries exactly (NaN, integers over 2^53) raise rfc8785.CanonicalizationError."""
    return rfc8785.dumps(cast(Any, value))


def fingerprint(value: object) -> str:
    """SHA-256 of the canonical JSON, as ``sha256:…``."""
    return "sha256:" + hashlib.sha256(canonical(value)).hexdigest()


def instant_text(instant: datetime) -> str:
    """The one way an instant is written where it is hashed: UTC, microseconds, ``Z``."""
    return instant.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%S.%fZ")


def entry_json(entry: Entry) -> dict[str, Any]:
    """The entry as JSON types, every field present."""

    def plain(value: Any) -> Any:
        match value:
            case datetime():
                return instant_text(value)
            case date():
                return value.isoformat()
            case Balance() | ContractRef() | Endpoint():
                return asdict(value)
            case _:
                return value

    return {
        **{part.name: plain(getattr(entry, part.name)) for part in fields(entry)},
        "checks": [asdict(check) for check in entry.checks],
        "reasons": [{"code": each.code, "params": dict(each.params)} for each in entry.reasons],
    }


def row_json(row: ChainRow) -> dict[str, Any]:
    """The row as JSON types: what is exported, and without ``hash`` what is hashed."""
    return {"schema": SCHEMA, "seq": row.seq, "prev": row.prev, "hash": row.hash, **entry_json(row.entry)}


def signing_bytes(entry: Entry) -> bytes:
    """What a person signs: the entry without its signature. Its place in the chain is not known yet when the key is used."""
    return canonical({name: value for name, value in entry_json(entry).items() if name != "signature"})


def to_line(row: ChainRow) -> bytes:
    """The row as one line of an export that ``verify_lines`` reads offline."""
    return canonical(row_json(row))


def link(entries: Iterable[Entry], after: Head) -> tuple[ChainRow, ...]:
    """The entries as rows that follow ``after``, in the order given."""
    rows: list[ChainRow] = []
    seq, prev = after.seq, after.hash
    for entry in entries:
        seq += 1
        row = ChainRow(entry, seq, prev, "")
        row = ChainRow(entry, seq, prev, _hash(row_json(row)))
        rows.append(row)
        prev = row.hash
    return tuple(rows)


def verify_rows(rows: Iterable[ChainRow], after: Head = GENESIS) -> Verification:
    """Whether ``rows``, in this order, follow ``after`` without a gap and hash to what they say."""
    return _verify((row_json(row) for row in rows), after)


def verify_lines(lines: Iterable[bytes], after: Head = GENESIS) -> Verification:
    """The same for exported lines. A line must be exactly its own canonical JSON, so no byte of it is free."""
    expected = after
    for line in lines:
        seq = expected.seq + 1
        try:
            row = json.loads(line)
            if canonical(row) != line:
                return Verification(False, seq, reason("ledger.not_canonical"))
        except (ValueError, RecursionError, rfc8785.CanonicalizationError) as problem:
            return Verification(False, seq, reason("ledger.unreadable", detail=type(problem).__name__))
        if not isinstance(row, dict):
            return Verification(False, seq, reason("ledger.unreadable", detail=type(row).__name__))
        found = _verify([cast(dict[str, Any], row)], expected)
        if not found.ok:
            return found
        expected = Head(seq, row["hash"])
    return Verification(True)


def _hash(row: dict[str, Any]) -> str:
    return hashlib.sha256(canonical({name: value for name, value in row.items() if name != "hash"})).hexdigest()


def _verify(rows: Iterable[dict[str, Any]], after: Head) -> Verification:
    seq, prev = after.seq, after.hash
    for row in rows:
        seq += 1
        # The hash comes first: a row that was touched is named itself, not the one after it.
        if row.get("hash") != _hash(row):
            return Verification(False, seq, reason("ledger.hash_wrong"))
        if row.get("seq") != seq:
            return Verification(False, seq, reason("ledger.seq_gap", expected=seq, found=row.get("seq")))
        if row.get("prev") != prev:
            return Verification(False, seq, reason("ledger.prev_wrong"))
        prev = row["hash"]
    return Verification(True)
