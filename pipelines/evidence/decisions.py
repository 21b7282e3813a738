"""Decisions people sign: what each is, who may, how many must, and which signed rows of a chain count.

A signature covers the whole row, with a number used once and the chain's head as the signer saw it. So it holds in this chain only, once,
and soon: it can be kept neither for another day nor for another ledger.
"""

from __future__ import annotations

import json
import secrets
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from datetime import date, datetime
from typing import Any, Literal, cast, get_args

from pipelines.evidence.additive import is_additive
from pipelines.evidence.chain import GENESIS, ChainRow, Entry, Head, canonical, fingerprint, signing_bytes
from pipelines.evidence.claims import ClockKind, Environment
from pipelines.evidence.errors import LedgerBroken
from pipelines.evidence.places import Places
from pipelines.evidence.reasons import Reason, reason
from pipelines.evidence.signing import signed_by
from pipelines.people import People, Role

Verb = Literal["accept", "promote", "week-one", "review", "suspend", "resume", "revoke", "excuse", "slot", "exclude", "head"]
#: Subject and verdict of the rows that say who people are; ``RECORDER`` is their actor.
PEOPLE, RECORDER = "people", "sealer"
#: Days that may be sealed between the head a person saw and the row they signed.
FRESH_DAYS = 1
#: Days that may be sealed between the first signature of two and the second.
OPEN_DAYS = 7


@dataclass(frozen=True)
class Rule:
    """Who may take a decision (any of these roles), and how many different persons it needs."""

    roles: tuple[Role, ...]
    persons: int = 1


#: The roles of those who work on a project; readers and previewers only ask it.
ANYONE: tuple[Role, ...] = ("business", "technical", "operator", "approver", "engineer")
RULES: Mapping[Verb, Rule] = {
    "accept": Rule(("approver", "business", "technical"), 2),
    "promote": Rule(("approver",), 2),
    "resume": Rule(("approver",), 2),
    "exclude": Rule(("approver",), 2),
    "week-one": Rule(("business",)),
    "review": Rule(("operator",)),
    "excuse": Rule(("operator", "technical", "approver")),
    "slot": Rule(("engineer", "operator", "technical")),
    "suspend": Rule(ANYONE),
    "revoke": Rule(ANYONE),
    "head": Rule((*ANYONE, "previewer", "reader")),
}


@dataclass(frozen=True)
class Holder:
    """Whom a key belongs to, as the chain knows it."""

    person: str
    roles: tuple[str, ...]
    expires: date | None


@dataclass(frozen=True)
class Signatures:
    """Which signed rows count (number → the person who signed), and why the others do not. ``holders`` are the keys known at the end.

    ``vouched`` are those that more than a row of the recorder's names: the keys of the first roster, and those of a later one once somebody whose key
    was vouched for, and stands in it, has signed behind it. A roster at the chain's end may be anybody's who can write there. Taking a
    key away holds at once, and for good until somebody vouches for it anew.
    """

    valid: Mapping[int, str] = field(default_factory=dict[int, str])
    refused: Mapping[int, Reason] = field(default_factory=dict[int, Reason])
    holders: Mapping[str, Holder] = field(default_factory=dict[str, Holder])
    people: str = ""
    vouched: Mapping[str, Holder] = field(default_factory=dict[str, Holder])

    def __call__(self, row: ChainRow) -> bool:
        return row.seq in self.valid


def decision_entry(
    verb: Verb,
    subject: str,
    terms: Reason | None,
    why: str,
    seen: Head,
    environment: Environment,
    clock: ClockKind,
    now: datetime,
    actor: str,
    *,
    day: date | None = None,
    nonce: str | None = None,
) -> Entry:
    """A decision about ``subject`` (an index, a stream, a system), ready to be signed by ``actor``, who saw the chain end at ``seen``.

    ``terms`` says what exactly is decided; ``why`` is the person's reason in their own words.
    """
    return Entry(
        kind="amendment" if verb == "exclude" else "decision",
        environment=environment,
        clock=clock,
        subject=subject,
        day=day,
        finished_at=now,
        verdict=verb,
        reasons=(
            *([terms] if terms else []),
            reason("decision.why", why=why),
            reason("decision.bound", seq=seen.seq, head=seen.hash, nonce=nonce or secrets.token_hex(16)),
        ),
        actor=actor,
    )


def with_signature(entry: Entry, signature: str) -> Entry:
    return replace(entry, signature=signature)


def people_entry(people: People, environment: Environment, clock: ClockKind, now: datetime) -> Entry:
    """Who may decide from this row on: ids, roles and public keys. Names and mail addresses stay out of what is never deleted."""
    told = roster_terms(people)
    return Entry(
        kind="decision",
        environment=environment,
        clock=clock,
        subject=PEOPLE,
        finished_at=now,
        verdict=PEOPLE,
        reasons=(reason("decision.people", fingerprint=fingerprint(told), roster=canonical(told).decode()),),
        actor=RECORDER,
    )


def roster_terms(people: People) -> list[dict[str, Any]]:
    """What of people.yaml is written into the chain, as JSON types."""
    return [
        {
            "id": person.id,
            "roles": sorted(person.roles),
            "keys": [{"key": key.key, "expires": key.expires.isoformat() if key.expires else None} for key in person.keys],
        }
        for person in sorted(people.people, key=lambda each: each.id)
    ]


def terms_of(entry: Entry, code: str) -> Mapping[str, Any] | None:
    """The parameters of the row's reason ``code``; None where it has none, or more than one."""
    found = [each.params for each in entry.reasons if each.code == code]
    return found[0] if len(found) == 1 else None


def persons_needed(entry: Entry) -> int:
    """How many different persons must sign what ``entry`` decides. An additive contract change needs one."""
    if is_additive(entry):
        return 1
    return RULES[cast(Verb, entry.verdict)].persons


def verified(rows: Iterable[ChainRow], places: Places) -> Signatures:
    """Judge every signed row (decisions and amendments in chain order, of one environment) by the people the chain knew when it was written."""
    holders: dict[str, Holder] = {}
    owner: dict[str, str] = {}
    used: set[str] = set()
    vouched: dict[str, Holder] | None = None
    valid: dict[int, str] = {}
    refused: dict[int, Reason] = {}
    known = ""
    for row in rows:
        entry = row.entry
        if entry.kind == "decision" and entry.subject == PEOPLE and entry.verdict == PEOPLE and entry.actor == RECORDER:
            known, holders = _roster(row)
            for key, holder in holders.items():
                owner.setdefault(key, holder.person)
            if vouched is not None:
                vouched = {key: holder for key, holder in vouched.items() if key in holders}
            elif holders:
                vouched = dict(holders)
        elif entry.kind in ("decision", "amendment") and entry.signature is not None:
            bound = terms_of(entry, "decision.bound")
            key = signed_by(signing_bytes(entry), entry.signature)
            why = reason("decision.unbound") if bound is None else _refusal(row, bound, key, holders, owner, used, places)
            if why is not None:
                refused[row.seq] = why
            elif bound is not None:
                valid[row.seq] = str(entry.actor)
                used.add(str(bound["nonce"]))
                vouched = dict(holders) if vouched is not None and key in vouched else vouched
    return Signatures(valid, refused, holders, known, vouched or {})


def refusal(entry: Entry, head: Head, rows: Iterable[ChainRow], places: Places) -> Reason | None:
    """Why ``entry``, written behind ``head`` next, would not count; None when it would. Ask before a person's signature is appended."""
    row = ChainRow(entry, head.seq + 1, head.hash, "")
    return verified([*rows, row], places).refused.get(row.seq)


def _refusal(
    row: ChainRow,
    bound: Mapping[str, Any],
    key: str | None,
    holders: Mapping[str, Holder],
    owner: Mapping[str, str],
    used: set[str],
    places: Places,
) -> Reason | None:
    entry = row.entry
    seen, nonce = bound.get("seq"), bound.get("nonce")
    if not isinstance(seen, int) or not isinstance(nonce, str) or not nonce:
        return reason("decision.unbound")
    if nonce in used:
        return reason("decision.replayed")
    expected = GENESIS.hash if seen == 0 else places.hashes.get(seen)
    if seen >= row.seq or expected is None or bound.get("head") != expected:
        return reason("decision.other_chain", seq=seen)
    if places.sealed_between(seen + 1, row.seq) > FRESH_DAYS:
        return reason("decision.stale", days=FRESH_DAYS)
    if key is None:
        return reason("decision.bad_signature")
    holder = holders.get(key)
    if holder is None:
        return reason("decision.unknown_key", actor=entry.actor)
    if holder.person != entry.actor or owner.get(key) != holder.person:
        return reason("decision.not_the_actor", actor=entry.actor, holder=owner.get(key, holder.person))
    written = max(
        day for day in (places.sealed_before(row.seq), entry.finished_at.date() if entry.finished_at else None, date.min) if day is not None
    )
    if holder.expires is not None and written > holder.expires:
        return reason("decision.key_expired", actor=entry.actor, expires=holder.expires.isoformat())
    if entry.verdict not in get_args(Verb):
        return reason("decision.unknown_verb", verb=entry.verdict)
    roles = RULES[cast(Verb, entry.verdict)].roles
    if not set(roles) & set(holder.roles):
        return reason("decision.wrong_role", actor=entry.actor, roles=", ".join(roles))
    return None


def _roster(row: ChainRow) -> tuple[str, dict[str, Holder]]:
    told = terms_of(row.entry, "decision.people")
    if told is None:
        raise LedgerBroken("ledger.broken", seq=row.seq, why="a row about people without people")
    persons = cast("list[dict[str, Any]]", json.loads(str(told["roster"])))
    return fingerprint(persons), {
        str(key["key"]): Holder(str(person["id"]), tuple(person["roles"]), date.fromisoformat(key["expires"]) if key["expires"] else None)
        for person in persons
        for key in person["keys"]
    }
