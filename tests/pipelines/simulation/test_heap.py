"""The collector while days are lived, and after them."""

from __future__ import annotations

import gc

import pytest

from pipelines.simulation.heap import few_looks, keep_objects


def test_the_collector_is_given_back_as_it_was_whatever_ends_the_days() -> None:
    before = gc.get_threshold(), gc.get_freeze_count()
    with pytest.raises(KeyboardInterrupt), few_looks():
        with few_looks():
            keep_objects()
            assert gc.get_threshold()[0] > before[0][0]
            assert gc.get_freeze_count() > before[1]
        assert gc.get_threshold()[0] > before[0][0]
        raise KeyboardInterrupt
    assert (gc.get_threshold(), gc.get_freeze_count()) == before
