"""The ledger as the gate reads it: everything but evidence and findings, proven once and read by columns."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from pipelines.evidence.chain import GENESIS, ChainRow, Head, Kind
from pipelines.evidence.claims import Environment
from pipelines.evidence.columns import Seals, seal_columns, seals_of
from pipelines.evidence.decisions import Signatures, terms_of, verified
from pipelines.evidence.errors import LedgerBroken
from pipelines.evidence.ledger import Ledger
from pipelines.evidence.memory import Proven, hold, remember
from pipelines.evidence.places import Places
from pipelines.evidence.reading import Reading
from pipelines.evidence.table import NAMES, rows_of, table_of

#: What the gate decides by, beside seals. Evidence and findings only explain it.
KINDS: tuple[Kind, ...] = ("decision", "amendment", "fact")


@dataclass(frozen=True)
class Book:
    """One environment's part of a ledger. ``rows`` are its decisions, amendments and facts in chain order; ``seals`` its seals by columns."""

    rows: tuple[ChainRow, ...]
    seals: Seals
    hashes: dict[int, str]
    head: Head

    @cached_property
    def places(self) -> Places:
        seals = self.seals.places
        return Places(seals.seqs, seals.days, self.hashes)

    @property
    def last_seal(self) -> Head | None:
        """The newest seal row's number and hash; None before the first."""
        newest = int(self.seals.seqs[-1]) if len(self.seals.seqs) else 0
        return Head(newest, self.hashes[newest]) if newest in self.hashes else None

    @cached_property
    def signatures(self) -> Signatures:
        """Which signed rows count."""
        return verified(self.rows, self.places)


def open_book(ledger: Ledger, environment: Environment | None = None, proof: Path | None = None) -> Book:
    """Read ``ledger`` for the gate. With ``proof``, a file of this machine, it is verified first: in full, or, where the file says how far that was
    done and what was read is to the byte what was read then, from there on. Raises LedgerBroken when it does not hold.
    """
    # What is written meanwhile is the next reader's: it was not verified here, and a certificate could not name it.
    read = ledger.now()
    head = read.head()
    table = read.columns(NAMES, pc.field("kind").isin(list(KINDS)) & (pc.field("seq") <= head.seq))
    seals = seal_columns(read, upto=head.seq)
    if proof is not None:
        _prove(read, table, seals, head, proof)
    if environment is not None:
        table, seals = table.filter(pc.field("environment") == environment), seals.of(environment)
    rows = tuple(rows_of(table))
    bound = [terms_of(row.entry, "decision.bound") for row in rows if row.entry.signature is not None]
    seen = {told["seq"] for told in bound if told is not None and isinstance(told.get("seq"), int)}
    if len(seals.seqs):
        seen.add(int(seals.seqs[-1]))
    return Book(rows, seals, dict(read.hashes(seen)), head)


def book_from(rows: Sequence[ChainRow], environment: Environment) -> Book:
    """The same from rows in hand: a whole chain, in order."""
    own = [row for row in rows if row.entry.environment == environment]
    seals = seals_of(table_of([row for row in own if row.entry.kind == "seal"]))
    head = Head(rows[-1].seq, rows[-1].hash) if rows else GENESIS
    return Book(tuple(row for row in own if row.entry.kind in KINDS), seals, {row.seq: row.hash for row in rows}, head)


def _prove(read: Reading, table: pa.Table, seals: Seals, head: Head, proof: Path) -> None:
    known = hold(head, proof)
    same = known is not None and known.seq <= head.seq and known.digest == _digest(table, seals, known.seq)
    after = known.head if known is not None and same else GENESIS
    if after != head:
        # A chain that was hashed anew holds by itself: what this machine once proved must still stand in it.
        found = read.verify(None if known is None else known.head, after=after)
        if not found.ok:
            raise LedgerBroken("ledger.broken", seq=found.broken_at, why=found.why.say() if found.why else "?")
        remember(proof, Proven(seq=head.seq, hash=head.hash, digest=_digest(table, seals, head.seq)))


def _digest(table: pa.Table, seals: Seals, seq: int) -> str:
    """Of the rows up to number ``seq``: seals by what the gate takes from them, the others whole."""
    told = hashlib.blake2b(seals.digest(seq), digest_size=32)
    for row in table.filter(pc.field("seq") <= seq).to_pylist():
        told.update(repr(row).encode())
    return told.hexdigest()
