"""The certificate: one file that proves offline where an index stood. It holds the chain, the policy and the answer; nothing else is needed."""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any, Literal, cast
from zoneinfo import available_timezones

from pydantic import AwareDatetime, BaseModel, ConfigDict, Field

from connectors.errors import AnswerIsNo, FixConfiguration
from pipelines.evidence.book import Book, book_from
from pipelines.evidence.chain import GENESIS, ChainRow, Entry, Head, Verification, canonical, to_line, verify_lines
from pipelines.evidence.claims import Balance, CheckVerdict, ContractRef, Endpoint, Environment
from pipelines.evidence.decisions import ANYONE
from pipelines.evidence.gate import GatePolicy, GateState
from pipelines.evidence.heads import read_given, read_head
from pipelines.evidence.history import Eligibility, History
from pipelines.evidence.reasons import Reason
from pipelines.evidence.signing import short, signed_by
from pipelines.evidence.standing import history_in, state_of
from pipelines.evidence.taking import Signer

#: What a certificate is signed for (``ssh-keygen -n``).
NAMESPACE = "fortnight-certificate"


class Signed(BaseModel):
    """Who answers for a title: the public key (``ssh-ed25519 BASE64``), and its signature over all the rest of that line."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    key: str
    signature: str


class Title(BaseModel):
    """The first line: what the certificate says. ``today`` is the civil day it speaks of; ``seq`` and ``head`` are the chain's end."""

    model_config = ConfigDict(frozen=True, extra="forbid", populate_by_name=True)

    schema_: Literal["fortnight.certificate/2"] = Field(default="fortnight.certificate/2", alias="schema")
    project: str
    environment: Environment
    index: str
    today: date
    made_at: AwareDatetime
    policy: Mapping[str, Any]
    eligibility: Eligibility
    green_days: int
    required_days: int
    seq: int
    head: str
    signed: Signed | None = None


@dataclass(frozen=True)
class Examined:
    """What an examination of a certificate found. ``faults`` are codes of the message catalogue with parameters; without any it holds.
    ``state`` and ``history`` are judged anew from the rows. ``signer`` is the person who answers for its end, where one does."""

    title: Title
    faults: tuple[Reason, ...]
    rows: int
    state: GateState | None = None
    history: History | None = None
    signer: str | None = None


def title_of(project: str, environment: Environment, state: GateState, policy: GatePolicy, today: date, head: Head, now: datetime) -> Title:
    return Title(
        project=project,
        environment=environment,
        index=state.index,
        today=today,
        made_at=now,
        policy=policy.terms(),
        eligibility=state.eligibility,
        green_days=state.green_days,
        required_days=state.required_days,
        seq=head.seq,
        head=head.hash,
    )


def title_message(title: Title) -> bytes:
    """What is signed of a title: all of it but the signature."""
    return canonical(title.model_dump(mode="json", by_alias=True, exclude={"signed"}))


def signed_title(title: Title, signer: Signer) -> Title:
    """The title with somebody's signature, and so the chain up to the head that it names."""
    return title.model_copy(update={"signed": Signed(key=signer.key, signature=signer.sign(title_message(title)))})


def write_certificate(path: Path, title: Title, rows: Iterable[ChainRow]) -> int:
    """Write the certificate (gzip, one JSON object a line: the title, then every row of the chain). Returns how many rows it holds."""
    count = 0
    with gzip.open(path, "wb") as target:
        target.write(canonical(title.model_dump(mode="json", by_alias=True)) + b"\n")
        for row in rows:
            target.write(to_line(row) + b"\n")
            count += 1
    return count


def examine(path: Path, anchors: Iterable[Path] = ()) -> Examined:
    """Judge a certificate by itself: the chain from its first row to the head it names, every signature, and the gate's answer anew.

    Rows behind the last signature could be anybody's, so a certificate that says eligible needs a person who signed its title, and with it the
    chain's end; or an anchor at or behind the last row that the gate decides by. Who are the people of the chain, only the chain says: whether it is the project's own is told
    by ``anchors``, files of signed heads that came another way (``heads``). Each must stand in it. Raises FixConfiguration for a file that is not there or cannot be read, which proves nothing and
    disproves nothing; AnswerIsNo for one that was read and is no certificate or no head of its project at all.
    """
    first, *lines = _unpacked(path).splitlines() or [b""]
    try:
        title = Title.model_validate_json(first)
        if canonical(title.model_dump(mode="json", by_alias=True)) != first:
            # Another way to write the same would leave bytes that nothing holds.
            raise ValueError("not canonical")
    except ValueError as error:
        raise AnswerIsNo("certified.no_certificate", path=str(path)) from error
    chain = verify_lines(lines)
    rows: list[ChainRow] = []
    try:
        for line in lines if chain.ok else ():
            rows.append(row_of(cast("dict[str, Any]", json.loads(line))))
    except (KeyError, TypeError, ValueError, AttributeError) as error:
        # Whoever hashes anew may hash anything.
        chain = Verification(False, len(rows) + 1, Reason("ledger.unreadable", {"detail": type(error).__name__}))
    if not chain.ok:
        broken = chain.why or Reason("ledger.unreadable", {"detail": "?"})
        return Examined(title, (Reason("certified.broken_chain", {"seq": chain.broken_at, "why": broken.say()}),), len(lines))
    published = [read_head(each, title.project).head for each in anchors]
    hashes = {row.seq: row.hash for row in rows}
    strange = tuple(Reason("certified.not_anchored", {"seq": each.seq}) for each in published if hashes.get(each.seq) != each.hash)
    if strange:
        return Examined(title, strange, len(lines))
    head = Head(rows[-1].seq, rows[-1].hash) if rows else GENESIS
    if (head.seq, head.hash) != (title.seq, title.head):
        return Examined(title, (Reason("certified.other_head", {"named": title.seq, "found": head.seq}),), len(lines))
    policy = policy_of(title.policy)
    if policy is None:
        return Examined(title, (Reason("certified.other_policy", {}),), len(lines))
    book = book_from(rows, title.environment)
    history = history_in(book, title.index, policy, title.today)
    state = state_of(book, title.index, policy, title.today, history)
    signer, unsigned = answered_for(title, book, state, max((each.seq for each in published), default=0))
    return Examined(title, (*_faults(title, state, book), *unsigned), len(lines), state, history, signer)


def answered_for(title: Title, book: Book, state: GateState, anchored: int = 0) -> tuple[str | None, tuple[Reason, ...]]:
    """Who signed the title, and what is wrong with that. ``anchored`` is the newest row that a head from elsewhere proves."""
    if title.signed is None:
        last = max([row.seq for row in book.rows] + ([book.last_seal.seq] if book.last_seal else []), default=0)
        needed = state.eligibility == "eligible" and anchored < last
        return None, (Reason("certified.unsigned", {"seq": last}),) if needed else ()
    key = signed_by(title_message(title), title.signed.signature, NAMESPACE)
    if key is None or key != title.signed.key:
        return None, (Reason("certified.bad_signature", {}),)
    holder = book.signatures.vouched.get(key)
    if holder is None or not set(ANYONE) & set(holder.roles) or (holder.expires is not None and title.today > holder.expires):
        return None, (Reason("certified.strange_key", {"key": short(key)}),)
    return holder.person, ()


def _unpacked(path: Path) -> bytes:
    packed = read_given(path)
    try:
        if not packed:
            # No bytes at all would unpack to nothing without a word.
            raise EOFError
        return gzip.decompress(packed)
    except (OSError, EOFError, zlib.error) as error:
        raise FixConfiguration("certified.cut_off", path=str(path)) from error


def policy_of(terms: Mapping[str, Any]) -> GatePolicy | None:
    """The policy whose terms these are; None where this version knows no such policy."""
    try:
        valid = tuple((str(name), int(days)) for name, days in terms["fact_valid_days"])
        policy = GatePolicy(
            int(terms["green_days"]),
            valid,
            str(terms["timezone"]),
            tuple(terms["streams"]),
            int(terms["review_days"]),
            int(terms["review_misses"]),
            None if terms["recall_at_5"] is None else float(terms["recall_at_5"]),
        )
    except (KeyError, TypeError, ValueError):
        return None
    return policy if policy.terms() == dict(terms) and policy.timezone in available_timezones() else None


def row_of(told: Mapping[str, Any]) -> ChainRow:
    """A row of the chain out of its JSON (``chain.row_json``)."""
    rest = {name: value for name, value in told.items() if name not in ("schema", "seq", "prev", "hash")}
    for name in ("slot", "started_at", "finished_at"):
        rest[name] = datetime.fromisoformat(rest[name]) if rest[name] else None
    rest["day"] = date.fromisoformat(rest["day"]) if rest["day"] else None
    rest["checks"] = tuple(CheckVerdict(**check) for check in rest["checks"])
    rest["balance"] = Balance(**rest["balance"]) if rest["balance"] else None
    rest["contract"] = ContractRef(**rest["contract"]) if rest["contract"] else None
    rest["endpoint"] = Endpoint(**rest["endpoint"]) if rest["endpoint"] else None
    rest["reasons"] = tuple(Reason(each["code"], each["params"]) for each in rest["reasons"])
    return ChainRow(Entry(**rest), told["seq"], told["prev"], told["hash"])


def _faults(title: Title, state: GateState, book: Book) -> tuple[Reason, ...]:
    said = (title.eligibility, title.green_days, title.required_days)
    found = (state.eligibility, state.green_days, state.required_days)
    wrong = [] if said == found else [Reason("certified.other_answer", {"said": title.eligibility, "found": state.eligibility})]
    refused = [Reason("certified.bad_row", {"seq": seq, "why": why.say()}) for seq, why in sorted(book.signatures.refused.items())]
    # A refused signature takes nothing from what holds; it is named, and is a fault only where the answer rests on it.
    return tuple(wrong + (refused if wrong else []))
