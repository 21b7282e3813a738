"""What this machine remembers of a ledger: how far it has verified it, and what its own sealer wrote. A ledger that ends before that is not the
whole one, and a newer seal is somebody else's.
"""

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


#: So many commits may fail in a row without making the last one that stands a stranger's.
_TRIES = 64


class SealMemory:
    """The file in which a machine remembers the last seals that its own sealer wrote, by the hash of their commit's last row.

    A machine that never sealed remembers nothing, and takes every sealer's word.
    """

    def __init__(self, path: Path) -> None:
        self.path = path

    def about_to_write(self, last: str) -> None:
        """Noted before the commit, or a crash behind it would leave a seal that nobody owns to. What never came to stand does no harm."""
        self.path.parent.mkdir(parents=True, exist_ok=True)
        waiting = self.path.with_suffix(".new")
        waiting.write_text(_Own(last=(*(self._known() or ())[-_TRIES:], last)).model_dump_json(), encoding="utf-8")
        waiting.replace(self.path)

    def hold(self, seq: int, newest: str) -> None:
        """Hold the ledger's newest seal row against what is remembered. Raises LedgerBroken where this machine seals and did not write it."""
        known = self._known()
        if known is not None and newest not in known:
            raise LedgerBroken("ledger.foreign_seal", seq=seq, memory=self.path)

    def _known(self) -> tuple[str, ...] | None:
        try:
            return _Own.model_validate_json(self.path.read_text(encoding="utf-8")).last
        except FileNotFoundError:
            return None
        except (OSError, UnicodeDecodeError, ValidationError):
            # Nobody knows any more which seals were this machine's: none is believed to be.
            return ()


class _Own(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    last: tuple[str, ...]


def hold(head: Head, proof: Path) -> Proven | None:
    """Hold a ledger's ``head`` against what is remembered, and return that. Raises LedgerBroken where more was verified than there is now:
    an empty ledger, too, is one whose rows are gone.
    """
    known = remembered(proof)
    if known is not None and known.seq > head.seq:
        raise LedgerBroken("ledger.shorter", found=head.seq, known=known.seq, proof=proof)
    return known
