"""A published head: the chain's end with a signature over it, in a file kept elsewhere. The key is one the pipeline does not hold."""

from __future__ import annotations

from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.errors import AnswerIsNo, FixConfiguration
from pipelines.evidence.chain import Head, canonical
from pipelines.evidence.signing import signed_by
from pipelines.evidence.taking import Signer

NAMESPACE = "fortnight-head"


class SignedHead(BaseModel):
    """``seq`` and ``hash`` of the row, the project they are of, the public key, and its signature (``ssh-keygen -n fortnight-head``)."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    project: str
    seq: int
    hash: str
    key: str
    signature: str

    @property
    def head(self) -> Head:
        return Head(self.seq, self.hash)


def head_message(project: str, head: Head) -> bytes:
    """What is signed."""
    return canonical({"project": project, "seq": head.seq, "hash": head.hash})


def sign_head(path: Path, project: str, head: Head, signer: Signer) -> SignedHead:
    """Sign ``head`` and write it to ``path``."""
    made = SignedHead(project=project, seq=head.seq, hash=head.hash, key=signer.key, signature=signer.sign(head_message(project, head)))
    path.write_text(made.model_dump_json(indent=2) + "\n", encoding="utf-8")
    return made


def read_head(path: Path, project: str) -> SignedHead:
    """A signed head of ``project``. Raises FixConfiguration for a file that cannot be read, AnswerIsNo for one that is none, or whose signature
    is not its key's.
    """
    told = read_given(path)
    try:
        found = SignedHead.model_validate_json(told)
    except ValidationError as error:
        raise AnswerIsNo("gate.head_unsigned", path=str(path)) from error
    if found.project != project or signed_by(head_message(project, found.head), found.signature, NAMESPACE) != found.key:
        raise AnswerIsNo("gate.head_unsigned", path=str(path))
    return found


def read_given(path: Path) -> bytes:
    """The content of a file that a person named as proof. Raises FixConfiguration where it is not there or cannot be read."""
    try:
        return path.read_bytes()
    except FileNotFoundError as error:
        raise FixConfiguration("proof.not_there", path=str(path)) from error
    except OSError as error:
        raise FixConfiguration("proof.unreadable", path=str(path), reason=error.strerror or type(error).__name__) from error
