"""The chain: what is linked can be proven whole, and any change is found where it was made."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import datetime

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.evidence.chain import (
    GENESIS,
    ChainRow,
    Entry,
    Head,
    entry_json,
    link,
    signing_bytes,
    to_line,
    verify_lines,
    verify_rows,
)
from pipelines.evidence.claims import Balance, CheckVerdict
from pipelines.evidence.reasons import reason

from .worlds import CONTRACT, DATE, ENDPOINT, SLOT

FIELDS = [
    "schema",
    "seq",
    "prev",
    "hash",
    "kind",
    "environment",
    "clock",
    "subject",
    "day",
    "slot",
    "trigger",
    "pull_id",
    "run_id",
    "root_run_id",
    "tick",
    "started_at",
    "finished_at",
    "outcome",
    "checks",
    "balance",
    "contract",
    "endpoint",
    "code_version",
    "verdict",
    "reasons",
    "actor",
    "signature",
]


def entries(count: int) -> tuple[Entry, ...]:
    return tuple(
        Entry(
            "evidence",
            "production",
            "wall",
            f"kintone/受注{n}",
            DATE,
            SLOT,
            checks=(CheckVerdict("keys_unique", "error", True),),
            balance=Balance(None if n else 3, 1, 1, 1, True),
            contract=CONTRACT,
            endpoint=ENDPOINT,
            reasons=(reason("seal.stale", gap_hours=26.5, limit_hours=26),),
        )
        for n in range(count)
    )


ROWS = link(entries(4), GENESIS)
LINES = [to_line(row) for row in ROWS]


def test_a_row_carries_exactly_the_fields_of_the_design():
    assert sorted(json.loads(LINES[0])) == sorted(FIELDS)


def test_instants_are_written_in_utc_and_days_as_civil_dates():
    row = json.loads(LINES[0])
    assert (row["slot"], row["day"]) == ("2026-11-15T20:00:00.000000Z", "2026-11-16")


def test_an_instant_without_a_time_zone_is_refused():
    with pytest.raises(ValueError, match="time zone"):
        Entry("seal", "production", "wall", "kintone/orders", finished_at=datetime(2026, 11, 16))


def test_rows_follow_each_other_from_the_first_number():
    assert [row.seq for row in ROWS] == [1, 2, 3, 4]
    assert [row.prev for row in ROWS] == [GENESIS.hash, *(row.hash for row in ROWS[:-1])]
    assert verify_rows(ROWS).ok and verify_lines(LINES).ok


def test_a_part_of_the_chain_is_verified_from_an_anchored_head():
    assert verify_rows(ROWS[2:], Head(2, ROWS[1].hash)).ok
    assert verify_rows(ROWS[2:], Head(2, "0" * 64)).broken_at == 3


@given(row=st.integers(0, len(LINES) - 1), data=st.data())
def test_flipping_any_byte_of_any_row_is_found_at_that_row(row: int, data: st.DataObject):
    place = data.draw(st.integers(0, len(LINES[row]) - 1))
    mask = data.draw(st.integers(1, 255))
    line = bytearray(LINES[row])
    line[place] ^= mask
    found = verify_lines([*LINES[:row], bytes(line), *LINES[row + 1 :]])
    assert (found.ok, found.broken_at) == (False, row + 1)
    assert found.why is not None


@pytest.mark.parametrize("line", [LINES[0] + b" ", LINES[0].replace(b":", b": ", 1), b'{"actor":null,' + LINES[0][1:]])
def test_a_line_of_the_same_meaning_in_other_bytes_is_found(line: bytes):
    found = verify_lines([line])
    assert found.why is not None and found.why.code == "ledger.not_canonical"


@given(st.permutations(range(len(ROWS))))
def test_rows_in_any_other_order_do_not_verify(order: list[int]):
    assert verify_rows([ROWS[n] for n in order]).ok == (order == sorted(order))


def test_a_removed_row_is_found_where_it_stood():
    assert verify_rows([ROWS[0], *ROWS[2:]]).broken_at == 2


def test_a_row_rewritten_with_a_fitting_hash_breaks_the_row_after_it():
    forged: ChainRow = link([replace(ROWS[1].entry, verdict="green")], Head(1, ROWS[0].hash))[0]
    found = verify_rows([ROWS[0], forged, *ROWS[2:]])
    assert found.broken_at == 3 and found.why is not None and found.why.code == "ledger.prev_wrong"


@given(st.sampled_from([b"", b"[]", b"null", b"{", b"\xff", b"[" * 5000]))
def test_what_is_no_row_at_all_is_found_and_does_not_crash(line: bytes):
    assert verify_lines([line]).broken_at == 1


def test_a_person_signs_everything_but_the_signature():
    entry = entries(1)[0]
    assert signing_bytes(entry) == signing_bytes(replace(entry, signature="sig"))
    assert signing_bytes(entry) != signing_bytes(replace(entry, actor="tanaka"))
    assert "signature" in entry_json(entry)
