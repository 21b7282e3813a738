"""The book: read for the gate only as far as it was verified, and against what this machine verified before."""

from __future__ import annotations

import shutil
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest

from pipelines.evidence.book import open_book
from pipelines.evidence.chain import Entry
from pipelines.evidence.claims import ContractRef, Endpoint
from pipelines.evidence.errors import LedgerBroken
from pipelines.evidence.ledger import Ledger
from pipelines.evidence.reading import Reading
from pipelines.evidence.reasons import reason

from .worlds import DATE, STREAM, at


def seals(days: int, red: int | None = None) -> list[Entry]:
    told = reason("seal.judged_under", policy="p", last_good_at=None)
    plain = Entry("seal", "production", "wall", STREAM, verdict="green", reasons=(told,), contract=ContractRef(1, "c"))
    made = [replace(plain, day=DATE + timedelta(days=n), finished_at=at(DATE), endpoint=Endpoint("e", False)) for n in range(days)]
    return [replace(one, verdict="red") if n == red else one for n, one in enumerate(made)]


def test_a_chain_hashed_anew_holds_by_itself_and_not_against_what_this_machine_verified(tmp_path: Path):
    """Whoever owns the storage turns a red day green and hashes every row behind it again."""
    ledger, proof = Ledger(str(tmp_path / "ledger")), tmp_path / "proof.json"
    ledger.append(seals(5, red=2))
    open_book(ledger, "production", proof)
    shutil.rmtree(ledger.location)
    forged = Ledger(ledger.location)
    forged.append(seals(7))
    assert forged.verify().ok
    with pytest.raises(LedgerBroken, match="Row 5 "):
        open_book(forged, "production", proof)


def test_a_proof_of_another_version_of_this_program_is_made_anew(tmp_path: Path):
    ledger, proof = Ledger(str(tmp_path / "ledger")), tmp_path / "proof.json"
    ledger.append(seals(5))
    open_book(ledger, "production", proof)
    told = proof.read_text(encoding="utf-8")
    proof.write_text(told.replace('"digest":"', '"digest":"other'), encoding="utf-8")
    ledger.append(seals(6)[5:])
    open_book(ledger, "production", proof)
    assert "other" not in proof.read_text(encoding="utf-8")


def test_what_is_written_while_it_is_read_is_the_next_readers(tmp_path: Path):
    class Busy(Ledger):
        def now(self) -> Reading:
            found = super().now()
            self.append([replace(seals(9)[8], kind="finding"), *seals(9)[8:]])
            return found

    ledger = Busy(str(tmp_path / "ledger"))
    ledger.append(seals(5))
    book = open_book(ledger, "production", tmp_path / "proof.json")
    assert (book.head.seq, len(book.seals.seqs), book.places.days[-1]) == (5, 5, DATE + timedelta(days=4))
