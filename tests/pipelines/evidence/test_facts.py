"""Facts: what was measured comes back from the chain as it was pushed, and the newest is what is known."""

from __future__ import annotations

from dataclasses import replace
from datetime import timedelta

import pytest

from pipelines.evidence.chain import GENESIS, Entry, link
from pipelines.evidence.facts import Fact, fact_entry, fact_of, latest_facts

from .worlds import DATE, at

RECALL = Fact("product-support", "recall_at_5", 0.93, "share", 0.9, True, "fortnight index evaluate product-support", at(DATE))


@pytest.mark.parametrize("value", [0.93, 312, "DX-2027-014", True, None])
def test_a_fact_comes_back_as_it_was_pushed(value):
    fact = replace(RECALL, value=value)
    (row,) = link([fact_entry(fact, "production", "wall", actor="evaluation")], GENESIS)
    assert fact_of(row) == fact


def test_the_fact_pushed_last_is_what_is_known():
    worse = replace(RECALL, value=0.7, passed=False, measured_at=at(DATE + timedelta(days=1)))
    other = replace(RECALL, index="hr-support")
    rows = link([fact_entry(fact, "production", "wall") for fact in (RECALL, worse, other)], GENESIS)
    assert latest_facts(rows, "product-support") == (worse,)


def test_a_row_of_another_kind_is_no_fact():
    with pytest.raises(ValueError, match="no fact"):
        fact_of(link([Entry("seal", "production", "wall", "kintone/orders")], GENESIS)[0])
