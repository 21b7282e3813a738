"""Every code this room speaks in has its sentence in both languages, with the parameters it carries."""

from __future__ import annotations

import re
import string
import tomllib
from importlib import resources
from pathlib import Path

import pytest

import pipelines.evidence
from connectors.messages import sentence
from pipelines.evidence.reasons import CODES, Reason, reason

SENTENCES = tomllib.loads(resources.files("connectors.messages").joinpath("gate.toml").read_text(encoding="utf-8"))
SOURCE = "".join(path.read_text(encoding="utf-8") for path in Path(pipelines.evidence.__file__).parent.glob("*.py"))
EMITTED = set(re.findall(r'"((?:seal|gate|ledger|calendar|fact|amendment|decision)\.(?!yaml)[a-z_]+)"', SOURCE))


def placeholders(text: str) -> set[str]:
    return {name for _, name, _, _ in string.Formatter().parse(text) if name}


def test_every_code_in_the_source_has_a_sentence_and_every_sentence_a_code():
    remedies = {code for code in SENTENCES if code.endswith(".remedy")}
    assert set(SENTENCES) - remedies == EMITTED
    assert set(CODES) <= EMITTED


def test_every_error_says_what_to_do_next():
    errors = EMITTED - set(CODES)
    assert errors and {f"{code}.remedy" for code in errors} <= set(SENTENCES)


@pytest.mark.parametrize("code", sorted(SENTENCES))
def test_both_languages_say_the_same_thing(code: str):
    assert set(SENTENCES[code]) == {"ja", "en"}
    assert placeholders(SENTENCES[code]["ja"]) == placeholders(SENTENCES[code]["en"])
    if code in CODES:
        assert placeholders(SENTENCES[code]["en"]) <= set(CODES[code])


def test_a_reason_without_an_entry_or_with_other_parameters_cannot_be_made():
    with pytest.raises(ValueError, match="not in the catalogue"):
        reason("seal.invented")
    with pytest.raises(ValueError, match="carries"):
        reason("seal.slot_missed")


def test_a_reason_speaks_both_languages():
    why = reason("gate.streak_short", stream="kintone/受注", green_days=8, required_days=14)
    assert "kintone/受注" in why.say("ja") and "8 日" in why.say("ja")
    assert why.say("en") == "kintone/受注: 8 of 14 green days in a row."


def test_a_code_of_another_version_shows_as_itself():
    assert "seal.from_the_future" in Reason("seal.from_the_future", {"a": 1}).say()
    assert sentence("seal.no_slots", {}, "en")
