"""How a person's decision gets into the ledger: prepared, signed with their key, judged as every later reader will judge it, appended."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import date, datetime

from connectors.errors import AnswerIsNo
from connectors.messages import Said
from pipelines.evidence.book import Book
from pipelines.evidence.chain import ChainRow, Entry, signing_bytes
from pipelines.evidence.claims import ClockKind
from pipelines.evidence.decisions import RULES, Verb, decision_entry, persons_needed, refusal, with_signature
from pipelines.evidence.history import Proposal, history_of
from pipelines.evidence.in_vain import refuse_in_vain, takes_away_green
from pipelines.evidence.places import Places
from pipelines.evidence.plan import book_of, environment_of, ledger_of
from pipelines.evidence.reasons import Reason
from pipelines.evidence.windows import approvers_of, begins_before_seal, seconds
from pipelines.people import read_people
from pipelines.project import Project


@dataclass(frozen=True)
class Signer:
    """A public key (``ssh-ed25519 BASE64``) and how to sign with it."""

    key: str
    sign: Callable[[bytes], str]


@dataclass(frozen=True)
class Taken:
    """What came of it: the row's number, who signed, who signed first where it needed two, and whether one more signature is waited for."""

    row: int
    actor: str
    first: str | None
    waits: bool


@dataclass(frozen=True)
class Asked:
    """A decision before it is signed. ``index`` is whose history it belongs to; ``subject`` what it is about (an index, a stream, a system)."""

    verb: Verb
    subject: str
    index: str
    terms: Reason | None
    why: str
    day: date | None = None


def take(project: Project, asked: Asked, signer: Signer, now: datetime, clock: ClockKind) -> Taken:
    """Sign and append one decision. Raises AnswerIsNo when the key is nobody's, when there is nothing to decide, when the row would not count, or
    when this person has signed the same already; HeadMoved when the ledger grew meanwhile.
    """
    person = read_people(project.folder).holder(signer.key)
    if person is None:
        raise AnswerIsNo("decide.key_unlisted", key=signer.key)
    book = book_of(project)
    entry = decision_entry(
        asked.verb, asked.subject, asked.terms, asked.why, book.head, environment_of(project), clock, now, person.id, day=asked.day
    )
    refuse_in_vain(project, book, asked, now)
    waiting = _same(book, asked, entry)
    if any(one.actor == person.id for one in waiting):
        raise AnswerIsNo("decide.same_person", person=person.id, row=waiting[0].row)
    signed = with_signature(entry, signer.sign(signing_bytes(entry)))
    places = Places(book.places.seqs, book.places.days, {**book.hashes, book.head.seq: book.head.hash})
    refused = refusal(signed, book.head, book.rows, places)
    if refused is not None:
        raise AnswerIsNo("decide.refused", why=Said(refused.say, refused.code))
    head = ledger_of(project).append([signed], after=book.head)
    first = waiting[0].actor if waiting else None
    alone = persons_needed(entry) == 1 or takes_away_green(book, asked)
    if asked.verb == "excuse":
        row = ChainRow(signed, head.seq, "", head.hash)
        first = next(iter(seconds(row, book.rows, book.signatures, approvers_of(book.signatures))), None)
        alone = not begins_before_seal(row, now, project.file.timezone, project.file.schedule.seal_hour)
    return Taken(head.seq, person.id, first, not alone and first is None)


def stop(project: Project, index: str, verb: Verb, why: str, by: str, now: datetime, clock: ClockKind) -> int:
    """Suspend or revoke without a key: taking away is always safe, and must not wait for one. Returns the row's number."""
    if verb not in ("suspend", "revoke"):
        raise ValueError(f"{verb} needs {RULES[verb].persons} signature(s)")
    ledger = ledger_of(project)
    entry = decision_entry(verb, index, None, why, ledger.head(), environment_of(project), clock, now, by)
    return ledger.push([entry]).seq


def _same(book: Book, asked: Asked, entry: Entry) -> tuple[Proposal, ...]:
    """What others signed of this very decision and what still waits for a second person."""
    if asked.verb == "exclude":
        rows = [row for row in book.rows if row.entry.kind == "amendment" and book.signatures(row)]
        same = [row for row in rows if (row.entry.subject, row.entry.day) == (asked.subject, asked.day)]
        return tuple(Proposal("exclude", asked.subject, (), str(row.entry.actor), row.seq) for row in same)
    history = history_of(book.rows, asked.index, book.signatures, book.places)
    terms = tuple(sorted(asked.terms.params.items())) if asked.terms else ()
    wanted = Proposal(asked.verb, asked.subject, terms, "", 0)
    return tuple(one for one in history.proposals if replace(one, actor="", row=0) == wanted and persons_needed(entry) > 1)
