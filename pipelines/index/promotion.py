"""From two signatures to the pointer: moves production to the release that two persons signed for, when the gate says eligible."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime

from connectors.errors import AnswerIsNo
from connectors.messages import told
from pipelines.clock import Clock
from pipelines.evidence.asking import promotion
from pipelines.evidence.chain import Head
from pipelines.evidence.decisions import OPEN_DAYS
from pipelines.evidence.declare import declare_all, record_standing
from pipelines.evidence.plan import book_of, gate_policy, today_of
from pipelines.evidence.standing import history_in, state_of
from pipelines.evidence.taking import Asked
from pipelines.index.releases import Anchor, Production, candidate, candidates, point_production, production_history
from pipelines.project import Project


@dataclass(frozen=True)
class Why:
    """Why the pointer stays: a code of the message catalogue and its parameters."""

    code: str
    params: Mapping[str, object]

    def say(self) -> str:
        from connectors.messages import sentence

        return sentence(self.code, self.params)


@dataclass(frozen=True)
class Moved:
    """The pointer's new position; or None, and why it stays where it is."""

    record: Production | None
    why: Why


def proposed(project: Project, index: str, release: int, why: str, clock: Clock) -> Asked:
    """What two people sign to put ``release`` into production. Raises AnswerIsNo while the index is not eligible: then nobody is asked to."""
    made, now = candidate(project.root, index, release), clock.now()
    declare_all(project, now, clock.kind)
    state = record_standing(project, index, now, clock.kind)
    if state.eligibility != "eligible":
        said = told(f"gate.eligibility.{state.eligibility}")
        raise AnswerIsNo(
            "decide.not_eligible", index=index, eligibility=said, green_days=state.green_days, required_days=state.required_days
        )
    return promotion(index, release, made.content_hash, why)


def promote_decided(project: Project, index: str, now: datetime) -> Moved:
    """Move the pointer to the release two persons decided upon, once. A decision is carried out while the index is eligible and no more than
    a week of days was sealed since. Raises AnswerIsNo when somebody else moved the pointer meanwhile, LedgerBroken for a broken ledger.
    """
    book, policy, today = book_of(project), gate_policy(project, index), today_of(project, now)
    history = history_in(book, index, policy, today)
    decided, past = history.promotion, production_history(project.root, index)
    if decided is None:
        return Moved(None, Why("promotion.undecided", {"index": index}))
    if any(each.rows == decided.rows for each in past):
        return Moved(None, Why("promotion.done", {"index": index, "release": decided.release}))
    state = state_of(book, index, policy, today, history)
    if state.eligibility != "eligible":
        said = {"index": index, "eligibility": state.eligibility, "green_days": state.green_days, "required_days": state.required_days}
        return Moved(None, Why("promotion.not_eligible", said))
    if book.places.sealed_since(decided.rows[1]) > OPEN_DAYS:
        return Moved(None, Why("promotion.lapsed", {"index": index, "days": OPEN_DAYS}))
    if candidate(project.root, index, decided.release).content_hash != decided.content_hash:
        return Moved(None, Why("promotion.other_content", {"index": index, "release": decided.release}))
    record = point_production(
        project.root,
        index,
        decided.release,
        at=now,
        actor=", ".join(decided.actors),
        reason=f"signed in rows {decided.rows[0]} and {decided.rows[1]}",
        after=past[-1].number if past else 0,
        rows=decided.rows,
        # Whoever holds this record holds an anchor of the ledger.
        ledger_head=Anchor(seq=book.head.seq, hash=book.head.hash),
    )
    return Moved(record, Why("promotion.moved", {"index": index, "release": decided.release}))


def anchors(root: str, index: str) -> tuple[Head, ...]:
    """The ledger heads that stand in the manifests of releases and in the pointer's records: each was published when it was made, and is to be
    found in the chain for ever."""
    published = [made.ledger_head for made in (*candidates(root, index), *production_history(root, index))]
    return tuple({Head(one.seq, one.hash) for one in published if one is not None})
