"""What this machine remembers of a ledger: how far it has verified it. A ledger that ends before that is not the whole one."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from pipelines.evidence.chain import Head
from pipelines.evidence.errors import LedgerBroken


class Proven(BaseModel):
    """How far the chain was verified, and the digest of all the gate reads up to there."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seq: int
    hash: str
    digest: str

    @property
    def head(self) -> Head:
        return Head(self.seq, self.hash)


def remembered(proof: Path) -> Proven | None:
    """What ``proof`` says; None where it says nothing, and everything is to be verified anew."""
    try:
        return Proven.model_validate_json(proof.read_text(encoding="utf-8"))
    except (OSError, UnicodeDecodeError, ValidationError):
        return None


def remember(proof: Path, told: Proven) -> None:
    """Put ``told`` in the place of what was remembered."""
    proof.parent.mkdir(parents=True, exist_ok=True)
    waiting = proof.with_suffix(".new")
    waiting.write_text(told.model_dump_json(), encoding="utf-8")
    waiting.replace(proof)


def hold(head: Head, proof: Path) -> Proven | None:
    """Hold a ledger's ``head`` against what is remembered, and return that. Raises LedgerBroken where more was verified than there is now:
    an empty ledger, too, is one whose rows are gone.
    """
    known = remembered(proof)
    if known is not None and known.seq > head.seq:
        raise LedgerBroken("ledger.shorter", found=head.seq, known=known.seq, proof=proof)
    return known
