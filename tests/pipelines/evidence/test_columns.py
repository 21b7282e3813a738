"""Seals read by columns say what the same seals say one by one, whatever stands in them."""

from __future__ import annotations

from dataclasses import replace
from datetime import date, timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.evidence.book import book_from
from pipelines.evidence.chain import GENESIS, ChainRow, Entry, link
from pipelines.evidence.claims import ContractRef, Endpoint
from pipelines.evidence.columns import seal_columns
from pipelines.evidence.decisions import decision_entry
from pipelines.evidence.errors import LedgerBroken
from pipelines.evidence.gate import GatePolicy, decide, decide_spans
from pipelines.evidence.history import History, amended_days, effective_seals, exclusions
from pipelines.evidence.ledger import Ledger
from pipelines.evidence.places import places_of
from pipelines.evidence.reasons import Reason, reason
from pipelines.evidence.seals import Seal
from pipelines.evidence.spans import spans_of

from .worlds import DATE, at

STREAMS = ("kintone/faq", "kintone/orders")
ONE = timedelta(days=1)


@st.composite
def seal_entries(draw: st.DrawFn) -> Entry:
    """A seal of one of two streams within a month; now and then twice for one day."""
    verdict = draw(st.sampled_from(["green"] * 6 + ["red", "missing", "excused"]))
    good = verdict in ("green", "red") and draw(st.booleans() | st.just(True))
    policy = draw(st.sampled_from(["sha256:p"] * 9 + ["sha256:q"]))
    told = reason("seal.judged_under", policy=policy, last_good_at=draw(st.sampled_from([None, "2026-11-16T00:00:00.000000Z"])))
    why = [Reason("seal.pull_stopped", {"slot": draw(st.sampled_from("ab"))})] if verdict in ("red", "missing") else []
    return Entry(
        "seal",
        "production",
        "wall",
        draw(st.sampled_from(STREAMS)),
        DATE + draw(st.integers(0, 30)) * ONE,
        finished_at=at(DATE),
        contract=ContractRef(1, draw(st.sampled_from(["sha256:c"] * 9 + ["sha256:d"]))) if good else None,
        endpoint=Endpoint("sha256:e", draw(st.sampled_from([False] * 9 + [True]))) if good else None,
        verdict=verdict,
        reasons=(told, *why),
    )


def amendment(stream: str, day: int, actor: str) -> Entry:
    made = decision_entry("exclude", stream, None, "why", GENESIS, "production", "wall", at(DATE), actor, day=DATE + day * ONE)
    return replace(made, signature="sig")


LEDGERS = st.lists(seal_entries() | st.builds(amendment, st.sampled_from(STREAMS), st.integers(0, 30), st.sampled_from("ab")), max_size=60)


def signed(row: ChainRow) -> bool:
    return True


@given(LEDGERS)
def test_spans_by_columns_are_the_spans_of_the_seals(entries: list[Entry]):
    """Two seals of one day may stand there, with different verdicts; the sealer writes no such pair."""
    rows = link({(e.kind, e.subject, e.day, e.verdict, e.actor): e for e in entries}.values(), GENESIS)
    by_columns = book_from(rows, "production").seals.spans(STREAMS, amended_days(rows), exclusions(rows, signed))
    assert by_columns == spans_of(worst(rows))


def worst(rows: tuple[ChainRow, ...]) -> list[Seal]:
    """The worse of two seals of one day, as it reads after amendments."""
    sealed = {row.seq: row for row in rows if row.entry.kind == "seal"}
    kept: dict[tuple, ChainRow] = {}
    for row in sealed.values():
        key, order = (row.entry.subject, row.entry.day), ["red", "missing", "excused", "green"]
        if key not in kept or order.index(row.entry.verdict) < order.index(kept[key].entry.verdict):
            kept[key] = row
    chosen = {row.seq for row in kept.values()}
    return list(effective_seals([row for row in rows if row.seq not in sealed or row.seq in chosen], signed))


@given(LEDGERS, st.integers(0, 35))
def test_the_gate_answers_the_same_over_either(entries: list[Entry], today: int):
    unique = {(e.kind, e.subject, e.day, e.actor): e for e in entries}
    rows = link(unique.values(), GENESIS)
    policy, history = GatePolicy(green_days=5, streams=STREAMS), History(week_one="suzuki", eligible_since=DATE + 8 * ONE, state="eligible")
    spans = book_from(rows, "production").seals.spans(STREAMS, amended_days(rows), exclusions(rows, signed))
    day = DATE + today * ONE
    over_columns = decide_spans("i", STREAMS, spans, (), policy, day, history)
    assert over_columns == decide("i", STREAMS, effective_seals(rows, signed), (), policy, day, history)


@given(LEDGERS)
def test_places_by_columns_are_those_of_the_rows(entries: list[Entry]):
    rows = link(entries, GENESIS)
    by_columns, one_by_one = book_from(rows, "production").seals.places, places_of(rows)
    assert (list(by_columns.seqs), list(by_columns.days)) == (list(one_by_one.seqs), list(one_by_one.days))


def test_a_seal_with_a_word_of_nobodys_stops_the_reader():
    told = reason("seal.judged_under", policy="p", last_good_at=None)
    entry = Entry("seal", "production", "wall", STREAMS[0], DATE, finished_at=at(DATE), verdict="greenish", reasons=(told,))
    with pytest.raises(LedgerBroken):
        book_from(link([entry], GENESIS), "production")


def test_a_seal_that_says_nothing_of_its_policy_stops_the_reader():
    entry = Entry("seal", "production", "wall", STREAMS[0], DATE, finished_at=at(DATE), verdict="green")
    with pytest.raises(LedgerBroken):
        book_from(link([entry], GENESIS), "production")


def test_more_policies_than_are_looked_for_one_by_one_are_told_apart(tmp_path: Path):
    """Nine and more policies, and rows whose files are listed in any order: as the same rows in hand."""
    told = [replace(_plain(n), reasons=(reason("seal.judged_under", policy=f"sha256:{n % 12}", last_good_at=None),)) for n in range(40)]
    ledger = Ledger(str(tmp_path / "ledger"))
    for start in range(0, 40, 10):
        ledger.append(told[start : start + 10])
    read, held = seal_columns(ledger.now()), book_from(ledger.read(), "production").seals
    assert len(read.words["policy"]) == 12
    assert read.digest(40) == held.digest(40) and read.digest(17) == held.digest(17) != held.digest(18)
    assert [span.policy for span in read.spans(STREAMS, frozenset(), _nobody)[STREAMS[0]]] == [f"sha256:{n % 12}" for n in range(40)]


def _plain(day: int) -> Entry:
    made = Entry("seal", "production", "wall", STREAMS[0], DATE + day * ONE, finished_at=at(DATE), contract=ContractRef(1, "sha256:c"))
    return replace(made, endpoint=Endpoint("sha256:e", False), verdict="green")


def _nobody(stream: str, day: date, verdict: str) -> bool:
    return False
