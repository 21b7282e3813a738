"""Which signed rows count: the person's own key, over this row, of this chain, once, soon, in their role."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest

from pipelines.evidence.chain import GENESIS, ChainRow, Entry, Head, link, signing_bytes
from pipelines.evidence.decisions import OPEN_DAYS, decision_entry, people_entry, persons_needed, verified, with_signature
from pipelines.evidence.history import History, history_of
from pipelines.evidence.places import places_of
from pipelines.evidence.reasons import reason
from pipelines.evidence.signing import make_key, sign
from pipelines.people import Key, People, Person

from .worlds import DATE, NARROWER, PROMISE, STREAM, WIDER, acceptance_terms, at

INDEX = "product-support"
ONE = timedelta(days=1)
ROLES = {"suzuki": ("business", "approver"), "mori": ("technical", "approver"), "ikeda": ("operator",)}


class Chain:
    """A chain that people sign into."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.public = {name: make_key(folder / name, name) for name in (*ROLES, "stranger")}
        self.rows: list[ChainRow] = []
        self.days = 0
        self.people()

    @property
    def head(self) -> Head:
        return Head(self.rows[-1].seq, self.rows[-1].hash) if self.rows else GENESIS

    def add(self, entry: Entry) -> ChainRow:
        self.rows += link([entry], self.head)
        return self.rows[-1]

    def people(self, expires: date | None = None, **roles: tuple[str, ...]) -> None:
        listed = [
            Person(id=name, roles=own, keys=(Key(key=self.public[name], expires=expires),)) for name, own in (ROLES | roles).items() if own
        ]
        self.add(people_entry(People(people=tuple(listed)), "production", "wall", at(DATE)))

    def seal(self, days: int = 1) -> None:
        for _ in range(days):
            told = reason("seal.judged_under", policy="p", last_good_at=None)
            made = Entry(
                "seal", "production", "wall", STREAM, DATE + self.days * ONE, finished_at=at(DATE), verdict="green", reasons=(told,)
            )
            self.add(made)
            self.days += 1

    def prepare(self, verb, person: str, terms=None, day: date | None = None, key: str = "", **changes) -> Entry:
        made = decision_entry(verb, changes.pop("subject", INDEX), terms, "why", self.head, "production", "wall", at(DATE), person, day=day)
        made = replace(made, **changes)
        return with_signature(made, sign(signing_bytes(made), self.folder / (key or person)))

    def decide(self, verb, person: str, terms=None, **changes) -> ChainRow:
        return self.add(self.prepare(verb, person, terms, **changes))

    def history(self) -> History:
        places = places_of(self.rows)
        return history_of(self.rows, INDEX, verified(self.rows, places), places)

    def why_not(self, row: ChainRow) -> str | None:
        refused = verified(self.rows, places_of(self.rows)).refused.get(row.seq)
        return refused.code if refused else None


@pytest.fixture
def chain(tmp_path: Path) -> Chain:
    return Chain(tmp_path)


def release(number: int = 3, content: str = "sha256:content"):
    return reason("decision.promote", release=number, content_hash=content)


def test_two_persons_promote_a_release(chain: Chain):
    chain.seal()
    first = chain.decide("promote", "suzuki", release())
    assert chain.history().promotion is None
    assert [(one.verb, one.actor, one.row) for one in chain.history().proposals] == [("promote", "suzuki", first.seq)]
    second = chain.decide("promote", "mori", release())
    found = chain.history()
    assert found.promotion is not None
    assert (found.promotion.release, found.promotion.actors, found.promotion.rows) == (3, ("suzuki", "mori"), (first.seq, second.seq))
    assert found.promoted_on == DATE + ONE and found.proposals == ()


def test_one_person_twice_is_one_person(chain: Chain):
    chain.decide("promote", "suzuki", release())
    chain.decide("promote", "suzuki", release())
    assert chain.history().promotion is None


@pytest.mark.parametrize("other", [release(4), release(3, "sha256:other")], ids=["another release", "other content under its number"])
def test_two_signatures_for_different_things_decide_nothing(chain: Chain, other):
    chain.decide("promote", "suzuki", release())
    chain.decide("promote", "mori", other)
    assert chain.history().promotion is None


def test_a_proposal_lapses(chain: Chain):
    chain.decide("promote", "suzuki", release())
    chain.seal(OPEN_DAYS)
    assert [one.actor for one in chain.history().proposals] == ["suzuki"]
    chain.seal()
    assert chain.history().proposals == (), "nothing waits for a second person"
    chain.decide("promote", "mori", release())
    assert chain.history().promotion is None


@pytest.mark.parametrize("verb", ["suspend", "revoke"])
def test_what_was_signed_before_a_stop_moves_nothing_after_it(chain: Chain, verb):
    chain.decide("promote", "suzuki", release())
    chain.decide(verb, "ikeda")
    chain.decide("promote", "mori", release())
    assert chain.history().promotion is None


def test_a_changed_word_of_a_signed_row_is_seen(chain: Chain):
    entry = chain.prepare("promote", "suzuki", release())
    bent = replace(entry, reasons=(release(99), *entry.reasons[1:]))
    assert chain.why_not(chain.add(bent)) == "decision.bad_signature"


def test_a_signature_is_used_once(chain: Chain):
    entry = chain.prepare("resume", "suzuki")
    assert chain.why_not(chain.add(entry)) is None
    assert chain.why_not(chain.add(entry)) == "decision.replayed"


def test_a_signature_of_another_ledger_is_worth_nothing_here(chain: Chain, tmp_path: Path):
    chain.seal()
    entry = chain.prepare("resume", "suzuki")
    seen = entry.reasons[-1].params
    other = Chain(tmp_path / "other")
    other.public, other.folder = chain.public, chain.folder
    other.people()
    other.seal()
    assert int(str(seen["seq"])) < other.head.seq
    assert other.why_not(other.add(entry)) == "decision.other_chain"


def test_a_signature_kept_for_later_is_stale(chain: Chain):
    entry = chain.prepare("resume", "suzuki")
    chain.seal(2)
    assert chain.why_not(chain.add(entry)) == "decision.stale"


def test_a_signature_over_midnight_still_counts(chain: Chain):
    entry = chain.prepare("resume", "suzuki")
    chain.seal(1)
    assert chain.why_not(chain.add(entry)) is None


def test_an_unknown_key_signs_nothing(chain: Chain):
    assert chain.why_not(chain.decide("resume", "suzuki", key="stranger")) == "decision.unknown_key"


def test_a_key_speaks_for_its_own_person_only(chain: Chain):
    assert chain.why_not(chain.decide("resume", "suzuki", key="mori")) == "decision.not_the_actor"


def test_a_key_that_changed_hands_makes_no_second_person(chain: Chain):
    """Suzuki signs, then hands the key to a made-up colleague."""
    chain.decide("promote", "suzuki", release())
    chain.people(suzuki=(), ghost=())
    listed = (Person(id="ghost", roles=("approver",), keys=(Key(key=chain.public["suzuki"]),)),)
    chain.add(people_entry(People(people=listed), "production", "wall", at(DATE)))
    row = chain.decide("promote", "ghost", release(), key="suzuki")
    assert chain.why_not(row) == "decision.not_the_actor" and chain.history().promotion is None


def test_an_expired_key_signs_nothing_new_whatever_the_row_says_of_its_date(chain: Chain):
    chain.people(expires=DATE + 3 * ONE)
    assert chain.why_not(chain.decide("resume", "suzuki")) is None
    chain.seal(6)
    assert chain.why_not(chain.decide("resume", "suzuki", finished_at=at(DATE))) == "decision.key_expired"


def test_a_decision_outlives_its_signers_leaving(chain: Chain):
    chain.decide("promote", "suzuki", release())
    chain.decide("promote", "mori", release())
    chain.people(suzuki=(), mori=())
    assert chain.history().promotion is not None
    assert chain.why_not(chain.decide("resume", "suzuki")) == "decision.unknown_key"


@pytest.mark.parametrize(("verb", "person"), [("promote", "ikeda"), ("resume", "ikeda"), ("week-one", "mori"), ("review", "suzuki")])
def test_a_person_without_the_role_decides_nothing(chain: Chain, verb, person: str):
    assert chain.why_not(chain.decide(verb, person, release() if verb == "promote" else None)) == "decision.wrong_role"


def test_a_row_without_what_its_signer_saw_does_not_count(chain: Chain):
    made = Entry("decision", "production", "wall", INDEX, finished_at=at(DATE), verdict="resume", actor="suzuki")
    signed = with_signature(made, sign(signing_bytes(made), chain.folder / "suzuki"))
    assert chain.why_not(chain.add(signed)) == "decision.unbound"


def test_a_roster_that_somebody_else_than_the_sealer_wrote_is_none(chain: Chain):
    ghost = People(people=(Person(id="ghost", roles=("approver",), keys=(Key(key=chain.public["stranger"]),)),))
    chain.add(replace(people_entry(ghost, "production", "wall", at(DATE)), actor="ghost"))
    assert chain.why_not(chain.decide("resume", "ghost", key="stranger")) == "decision.unknown_key"


def test_a_breaking_change_needs_two_persons_and_an_additive_one(chain: Chain):
    terms = acceptance_terms(PROMISE, WIDER, "additive")
    assert persons_needed(chain.decide("accept", "suzuki", terms, subject=STREAM).entry) == 1
    assert chain.history().additive == {(STREAM, PROMISE.fingerprint(), WIDER.fingerprint())}
    terms = acceptance_terms(PROMISE, NARROWER, "breaking")
    chain.decide("accept", "suzuki", terms, subject=STREAM)
    assert chain.history().accepted == frozenset()
    chain.decide("accept", "mori", terms, subject=STREAM)
    assert chain.history().accepted == {(STREAM, NARROWER.fingerprint())}


def test_the_first_week_is_signed_off_by_the_business(chain: Chain):
    assert chain.history().week_one is None
    chain.decide("week-one", "suzuki", reason("decision.week_one", contracts="sha256:all"))
    assert chain.history().week_one == "suzuki"


@pytest.mark.parametrize(("days_before", "counts"), [(0, True), (1, True), (2, False), (7, False)])
def test_a_day_is_reviewed_on_the_day_or_the_next_and_not_afterwards(chain: Chain, days_before: int, counts: bool):
    """Seven days were sealed; the eighth is today."""
    chain.seal(7)
    day = DATE + (7 - days_before) * ONE
    chain.decide("review", "ikeda", day=day)
    assert (day in chain.history().reviewed) is counts
