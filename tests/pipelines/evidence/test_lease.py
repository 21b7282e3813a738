"""The sealer's lease: one at a time, and never for ever."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path

import pytest

from connectors.errors import FixConfiguration
from pipelines.clock import FixedClock
from pipelines.evidence.errors import LedgerBusy
from pipelines.evidence.lease import FOLDER, LASTS, leased

from .worlds import DATE, at

NOW = FixedClock(at(DATE), "wall")


def later(delta: timedelta) -> FixedClock:
    return FixedClock(NOW.at + delta, "wall")


def test_a_second_sealer_is_refused_with_a_sentence(tmp_path: Path):
    with (
        leased(str(tmp_path), "first:1", NOW),
        pytest.raises(LedgerBusy, match="first:1 is sealing"),
        leased(str(tmp_path), "second:2", NOW),
    ):
        raise AssertionError("both hold it")


def test_a_lease_given_back_is_free_at_once(tmp_path: Path):
    for number in range(1, 4):
        with leased(str(tmp_path), "one:1", NOW) as held:
            assert held.number == number


def test_a_lease_given_back_by_a_failure_is_free_too(tmp_path: Path):
    with pytest.raises(RuntimeError), leased(str(tmp_path), "one:1", NOW):
        raise RuntimeError("the seal failed")
    with leased(str(tmp_path), "two:2", NOW) as held:
        assert held.holder == "two:2"


def test_the_lease_of_a_sealer_that_died_runs_out(tmp_path: Path):
    dead = leased(str(tmp_path), "dead:1", NOW)
    dead.__enter__()
    with pytest.raises(LedgerBusy), leased(str(tmp_path), "next:2", later(LASTS - timedelta(seconds=1))):
        pass
    with leased(str(tmp_path), "next:2", later(LASTS)) as held:
        assert (held.number, held.holder) == (2, "next:2")


def test_a_lease_from_a_clock_that_ran_ahead_holds_nobody_up(tmp_path: Path):
    leased(str(tmp_path), "ahead:1", later(timedelta(days=365))).__enter__()
    with leased(str(tmp_path), "next:2", NOW) as held:
        assert held.holder == "next:2"


def test_a_record_that_was_torn_is_named_and_nobody_seals(tmp_path: Path):
    with leased(str(tmp_path), "first:1", NOW):
        (torn,) = (tmp_path / FOLDER).iterdir()
    torn.write_text('{"number": 1, "hol')
    with pytest.raises(FixConfiguration, match=f"{FOLDER}/{torn.name}.*delete that file"), leased(str(tmp_path), "next:2", NOW):
        raise AssertionError("it is held")
    torn.unlink()
    with leased(str(tmp_path), "next:2", NOW) as held:
        assert held.holder == "next:2"


def test_who_lost_it_does_not_give_back_anothers(tmp_path: Path):
    slow = leased(str(tmp_path), "slow:1", NOW)
    slow.__enter__()
    with leased(str(tmp_path), "next:2", later(LASTS)):
        slow.__exit__(None, None, None)
        with pytest.raises(LedgerBusy), leased(str(tmp_path), "third:3", later(LASTS)):
            pass
