"""The claims table: many writers, nothing lost, read back as written."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

from deltalake import DeltaTable

from pipelines.evidence.claims import Balance, ClaimStore

from .worlds import DATE, STREAM, claim


def test_a_store_nobody_wrote_is_empty(tmp_path: Path):
    assert ClaimStore(str(tmp_path / "claims")).read() == ()


def test_a_claim_comes_back_as_it_was_written(tmp_path: Path):
    store = ClaimStore(str(tmp_path / "claims"))
    full = claim()
    bare = replace(full, run_id="", slot=None, checks=(), balance=Balance(None, 0, 0, 0, False), error="source.cut", outcome="failed")
    store.append(full)
    store.append(bare)
    assert set(store.read()) == {full, bare}


def test_claims_are_read_by_day_and_stream(tmp_path: Path):
    store = ClaimStore(str(tmp_path / "claims"))
    tomorrow = claim(run_id="run-2", day=DATE + timedelta(days=1))
    other = claim(run_id="run-3", stream="erp/items")
    for each in (claim(), tomorrow, other):
        store.append(each)
    assert store.read(day=DATE + timedelta(days=1)) == (tomorrow,)
    assert store.read(day=DATE, stream=STREAM) == (claim(),)
    assert store.read(stream="erp/items") == (other,)


def test_pulls_that_finish_together_all_leave_their_claim(tmp_path: Path):
    location = str(tmp_path / "claims")
    made = [claim(run_id=f"run-{n}") for n in range(12)]
    with ThreadPoolExecutor(6) as pool:
        list(pool.map(lambda each: ClaimStore(location).append(each), made))
    assert set(ClaimStore(location).read()) == set(made)


def test_the_first_day_of_a_stream_is_told_by_its_oldest_claim_however_late_that_was_written(tmp_path: Path):
    store = ClaimStore(str(tmp_path / "claims"))
    assert store.first_started() == {}
    early, late = claim(), replace(claim(run_id="run-2"), started_at=claim().started_at + timedelta(days=3))
    for each in (late, early, claim(run_id="run-3", stream="erp/items")):
        store.append(each)
    assert store.first_started() == {STREAM: early.started_at, "erp/items": early.started_at}
    assert store.first_started("production") == store.first_started()
    assert store.first_started("staging") == {}


def test_a_store_from_before_has_its_log_shortened_by_upkeep_and_loses_no_claim(tmp_path: Path):
    store = ClaimStore(str(tmp_path / "claims"))
    new = ClaimStore(str(tmp_path / "new"))
    new.append(claim())
    DeltaTable.create(store.location, DeltaTable(new.location).schema(), partition_by=["day"])
    made = [claim(run_id=f"run-{n}") for n in range(7)]
    for each in made:
        store.append(each)
    store.keep_up()
    told = [DeltaTable(one.location).metadata().configuration for one in (store, new)]
    assert told[0] == told[1] != {} and set(store.read()) == set(made)
    store.append(more := claim(run_id="run-7"))
    assert set(store.read()) == {*made, more}


def test_claims_put_together_are_the_same_claims_in_one_file_a_day(tmp_path: Path):
    store = ClaimStore(str(tmp_path / "claims"))
    store.keep_up()
    made = [claim(run_id=f"run-{n}", day=DATE + timedelta(days=n % 2)) for n in range(6)]
    for each in made:
        store.append(each)
    store.keep_up()
    assert set(store.read()) == set(made)
    assert len(DeltaTable(store.location).file_uris()) == 2
    store.append(more := claim(run_id="run-6"))
    assert set(store.read()) == {*made, more}
