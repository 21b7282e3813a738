"""The audit's hash chain: what a row's hash covers, the seals over what is kept apart, and the proof that nothing was changed."""

from __future__ import annotations

import hashlib
import hmac
import json
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal

#: Before the first row of a segment.
ROOT = "0" * 64
Kind = Literal["open", "answer", "erasure", "retention"]
Row = Mapping[str, Any]


@dataclass(frozen=True)
class Flaw:
    """The first row that does not hold, and why (a code of the catalogue, ``audit.flaw.<why>``)."""

    segment: str
    seq: int
    why: str


@dataclass(frozen=True)
class Verdict:
    """What a whole reading proved. ``heads`` are the newest segments' last hashes: kept elsewhere, they prove that no tail was cut."""

    rows: int
    segments: int
    flaw: Flaw | None
    heads: Mapping[str, str]

    @property
    def ok(self) -> bool:
        return self.flaw is None


def chain_hash(row: Row) -> str:
    """SHA-256 of the canonical JSON (RFC 8785) of all columns but the hash itself; instants as ISO 8601 in UTC."""
    import rfc8785

    body = {name: value.isoformat() if isinstance(value, datetime) else value for name, value in row.items() if name != "hash"}
    return hashlib.sha256(rfc8785.dumps(body)).hexdigest()


def keyed(key: bytes, text: str) -> str:
    """HMAC-SHA256: the same text gives the same hash under one key, and nobody without it can try texts."""
    return hmac.new(key, text.encode("utf-8", "surrogatepass"), hashlib.sha256).hexdigest()


def seal(salt: str, text: str) -> str:
    """Binds a row of the chain to a text kept apart. With the salt gone, it tells nothing of the text."""
    return hashlib.sha256(f"{salt}\n{text}".encode("utf-8", "surrogatepass")).hexdigest()


def verify(rows: Iterable[Row], subjects: Iterable[Row]) -> Verdict:
    """Prove every segment, every anchor, and every text kept apart that has not been forgotten by a proof row."""
    segments: dict[str, list[Row]] = defaultdict(list)
    for row in rows:
        segments[row["segment"]].append(row)
    for found in segments.values():
        found.sort(key=lambda row: row["seq"])
    named = sorted(segments)
    every = [row for name in named for row in segments[name]]
    flaw = next((bad for name in named if (bad := _broken(segments[name])) is not None), None)
    flaw = flaw or _unanchored(every, segments) or _unsealed(every, {(one["segment"], one["seq"]): one for one in subjects})
    return Verdict(len(every), len(segments), flaw, {name: segments[name][-1]["hash"] for name in newest(named)})


def newest(segments: Iterable[str]) -> list[str]:
    """The segments of the last two days there are. A segment's name begins with its day."""
    days = sorted({name[:10] for name in segments})[-2:]
    return sorted(name for name in segments if name[:10] in days)


def _broken(rows: Sequence[Row]) -> Flaw | None:
    before = ROOT
    for at, row in enumerate(rows):
        if row["seq"] != at:
            return Flaw(row["segment"], row["seq"], "order")
        if row["prev"] != before:
            return Flaw(row["segment"], row["seq"], "link")
        if chain_hash(row) != row["hash"]:
            return Flaw(row["segment"], row["seq"], "changed")
        before = row["hash"]
    return None


def _unanchored(rows: Sequence[Row], segments: Mapping[str, Sequence[Row]]) -> Flaw | None:
    """A row that some segment saw at its opening and that is not there any more, unless a proof of retention says where it went."""
    dropped: dict[str, int] = {}
    for row in rows:
        if row["kind"] == "retention":
            for name, (last, _) in json.loads(row["detail"]).get("dropped", {}).items():
                dropped[name] = max(last, dropped.get(name, -1))
    for row in rows:
        if row["kind"] != "open":
            continue
        for name, (seq, head) in json.loads(row["detail"])["anchors"].items():
            there = segments.get(name)
            if there is None and dropped.get(name, -1) >= seq:
                continue
            if there is None or len(there) <= seq or there[seq]["hash"] != head:
                return Flaw(name, seq, "gone")
    return None


def _unsealed(rows: Sequence[Row], subjects: Mapping[tuple[str, int], Row]) -> Flaw | None:
    """A text kept apart that is not the one that was sealed, or is missing without a proof that it was forgotten on purpose."""
    erased: dict[str, datetime] = {}
    words_until: datetime | None = None
    for row in rows:
        if row["kind"] == "erasure":
            for subject in json.loads(row["detail"])["subjects"]:
                erased[subject] = max(row["asked_at"], erased.get(subject, row["asked_at"]))
        if row["kind"] == "retention" and (until := json.loads(row["detail"]).get("words_until")):
            instant = datetime.fromisoformat(until)
            words_until = max(instant, words_until or instant)
    for row in rows:
        if row["kind"] != "answer":
            continue
        if row["person_hash"] in erased and row["asked_at"] <= erased[row["person_hash"]]:
            continue
        one = subjects.get((row["segment"], row["seq"]))
        if one is None or seal(one["person_salt"], one["person"]) != row["person_seal"]:
            return Flaw(row["segment"], row["seq"], "person")
        aged = words_until is not None and row["asked_at"] < words_until and one["query_salt"] is None
        if not row["query_seal"] or aged:
            continue
        if one["query_salt"] is None or seal(one["query_salt"], one["query"] or "") != row["query_seal"]:
            return Flaw(row["segment"], row["seq"], "query")
    return None
