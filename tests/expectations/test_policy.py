"""Which policy each key of ``drift:`` may have: one that a kind can't have is refused when the contract is read, by line and column."""

from __future__ import annotations

from pathlib import Path

import pytest

from connectors.errors import FixConfiguration
from expectations.policy import DriftPolicy
from expectations.reading import parse_contract

POLICIES = ("report", "ask", "stop", "evolve", "quarantine")
#: Only what breaks no reader can become the next version by itself; only what shows in the values of a row can be held row by row.
REFUSED = {
    "removed": {"evolve", "quarantine"}, "renamed": {"evolve", "quarantine"}, "identity": {"evolve", "quarantine"},
    "retyped": {"evolve"}, "added": {"quarantine"}, "label": {"quarantine"},
    "widened": set[str](), "required": set[str](), "options": set[str](),
}  # fmt: skip
TEXT = """\
stream: kintone/small
version: 1
source: {{app_code: SMALL}}
key: [id]
fields:
  - {{name: id, source: $id, type: int64, required: true}}
drift:
  {key}: {policy}
"""


def test_every_key_is_met_here() -> None:
    assert REFUSED.keys() == DriftPolicy.model_fields.keys()


@pytest.mark.parametrize("policy", POLICIES)
@pytest.mark.parametrize("key", REFUSED)
def test_a_policy_that_a_kind_cant_have_is_refused_where_it_stands(key: str, policy: str) -> None:
    text = TEXT.format(key=key, policy=policy)
    if policy not in REFUSED[key]:
        assert getattr(parse_contract(text, Path("small.yaml")).drift, key) == policy
        return
    with pytest.raises(FixConfiguration) as refused:
        parse_contract(text, Path("small.yaml"))
    assert refused.value.code == "contract.invalid"
    for said in (refused.value.say("ja"), refused.value.say("en")):
        assert "small.yaml:8:3" in said and f"drift.{key}" in said


@pytest.mark.parametrize("word", ["ignore", "", "Report", "stop, ask"])
def test_a_word_that_is_no_policy_is_refused(word: str) -> None:
    with pytest.raises(FixConfiguration) as refused:
        parse_contract(TEXT.format(key="options", policy=repr(word)), Path("small.yaml"))
    assert refused.value.code == "contract.invalid"
