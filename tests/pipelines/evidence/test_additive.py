"""What is additive says the difference between two promises, each proven by its fingerprint, and nobody's word."""

from __future__ import annotations

from dataclasses import replace

import pytest

from expectations.contract import Bands, Expectation
from pipelines.evidence.additive import both, is_additive
from pipelines.evidence.chain import GENESIS, Entry
from pipelines.evidence.decisions import decision_entry
from pipelines.evidence.reasons import Reason

from .worlds import DATE, NARROWER, PROMISE, STREAM, WIDER, acceptance_terms, at


def accepts(terms: Reason) -> Entry:
    return decision_entry("accept", STREAM, terms, "why", GENESIS, "production", "wall", at(DATE), "suzuki")


def changed(terms: Reason, **params: str | None) -> Reason:
    return replace(terms, params={**terms.params, **params})


GROWN = acceptance_terms(PROMISE, WIDER, "additive")


def test_a_field_more_is_additive():
    assert is_additive(accepts(GROWN))


def test_a_field_less_is_not_whatever_the_row_says():
    assert not is_additive(accepts(acceptance_terms(PROMISE, NARROWER, "additive")))


def test_a_contract_that_has_its_days_judged_by_less_is_not_additive_though_its_readers_lose_nothing():
    rule = Expectation.model_validate({"expect": "expect_column_values_to_not_be_null", "column": "note", "severity": "warning"})
    judged = PROMISE.model_copy(update={"expectations": (rule,)})
    assert not is_additive(accepts(acceptance_terms(judged, PROMISE, "additive")))
    assert is_additive(accepts(acceptance_terms(PROMISE, judged, "additive")))
    unbound = PROMISE.model_copy(update={"bands": Bands.model_validate({"live": "off"})})
    assert not is_additive(accepts(acceptance_terms(PROMISE, unbound, "additive")))


def test_nor_is_what_two_persons_were_asked_for():
    assert not is_additive(accepts(acceptance_terms(PROMISE, WIDER, "breaking")))


@pytest.mark.parametrize(
    "forged",
    [
        {"promises": None},
        {"promises": "[]"},
        {"promises": "{}"},
        {"promises": "3"},
        {"promises": "[" * 100_000},
        {"promises": both(PROMISE, WIDER).replace("note", "nota")},
        {"before": NARROWER.fingerprint()},
        {"after": NARROWER.fingerprint()},
        {"promises": both(PROMISE, WIDER), "after": NARROWER.fingerprint()},
        {"promises": both(NARROWER, WIDER)},
    ],
    ids=[
        "none",
        "empty",
        "no list",
        "a number",
        "deep",
        "other words",
        "another before",
        "another after",
        "of others",
        "of another before",
    ],
)
def test_a_promise_that_is_not_the_one_named_shows_nothing(forged: dict[str, str | None]):
    assert not is_additive(accepts(changed(GROWN, **forged)))


def test_a_text_that_is_hashed_rightly_and_is_no_promise_shows_nothing():
    import hashlib
    import json

    texts = ['{"fields": 3}', '{"fields": {}}']
    before, after = ("sha256:" + hashlib.sha256(text.encode()).hexdigest() for text in texts)
    assert not is_additive(accepts(changed(GROWN, promises=json.dumps(texts), before=before, after=after)))
