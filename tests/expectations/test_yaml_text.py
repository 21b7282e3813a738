"""A file says the same whichever reader reads it: what libyaml is asked for is what ruamel would have said, value by value and type by type."""

from __future__ import annotations

from datetime import date
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from ruamel.yaml import YAML
from ruamel.yaml.error import YAMLError

from expectations import yaml_text
from expectations.yaml_text import read_yaml

ROOT = Path(__file__).resolve().parents[2]
CONTRACTS = sorted((ROOT / "infra" / "project" / "contracts").glob("*/*.yaml"))

pytestmark = pytest.mark.filterwarnings("ignore::ruamel.yaml.error.ReusedAnchorWarning")

#: What people write behind a colon, a dash or inside brackets; much of it is another thing in YAML 1.1, in JSON, or nowhere.
WORDS = """
true True yes no on off y n null ~ 1 0 -0 +12 007 089 0o17 0x1F 0b11 1_000 1.10 1.2.3 .5 -.5 1. 1e3 1e+3 .inf .NaN 12:30 12:30:00
2026-11-27 2026-11-27T10:00:00Z 2026-11-27T10:00:00+09:00 2026-1-2 2026-13-45 1900-02-29 １２ ０ 受注番号 𠮷野家 $id %x @y `z a#b - -- = <<
sha256:7a42 http://x/y?z=1#frag PT5M P7D decimal128(16,4) <<x *a &a !t ?k : :x x: , [] {} ' " | > ---x ...x
"""
LONGER = (
    "a b",
    "a: b",
    "a #b",
    "# c",
    "2026-11-27 10:00:00",
    "timestamp[us, UTC]",
    "'it''s'",
    "'a: b'",
    "'  '",
    '"a\\tb"',
    '"\\u53d7\\x41"',
    '"a\\\n   b"',
    '"a\n\n   b"',
    "'a\n\n   b'",
    "two\n   lines",
    "two\n\n   lines # c",
    "{a: 1, b: {c: [d, 'e']}}",
    "{p: sha256:ab, q: x}",
    "{a:b}",
    '{"a":1}',
    '{"a": 1}',
    '["a":1]',
    "[a: b]",
    "[a, b,]",
    "[a,\n    b]",
    "{a: 1, a: 2}",
    "{? a : b}",
    "&x {a: 1}",
    "*x",
    "<<: *x",
    "!!str 1",
    "|\n   text: a\n     more\n",
    "|-\n   # no comment\n",
    ">\n   folded\n   text\n\n   end\n",
    ">+\n   text\n\n",
    "|\n# c",
    "|2\n    text",
    "|\n  \n    x",
    "[[[]]]",
    "顧客　名",
    "a\tb",
    "\ta",
    "a\u2028b",
    "\ufeffa",
    "a\r\nb",
)
SCALARS = st.sampled_from((*WORDS.split(), *LONGER, "")) | st.text("ab0:,[]{}#'\"|>&*!%-? \n\t\u3000受\ufeff\u2028\x85\r", max_size=6)
STARTS = st.sampled_from(("", "", "  ", "    ", "- ", "  - ", "    - "))
KEYS = st.sampled_from(("", "a: ", "b: ", "'c': ", '"d": ', "受注: ", "1: ", "? ", "a:", "<<: ", "x"))
LINES = st.tuples(STARTS, KEYS, SCALARS, st.sampled_from(("", "", "", " ", "  # 注", "#", ","))).map("".join)
HEADS = st.sampled_from(("", "", "", "---\n", "--- ", "# c\n", "%YAML 1.1\n---\n"))
TAILS = st.sampled_from(("", "\n", "\n\n", "\n...\n", "\n---\n", "\n  \n"))


def typed(value: Any) -> Any:
    """A value with the types of all there is in it, in its order: Python holds 1, 1.0 and True for equal."""
    if isinstance(value, dict):
        return "dict", [(typed(key), typed(inner)) for key, inner in value.items()]
    if isinstance(value, list | tuple):
        return type(value).__name__, [typed(inner) for inner in value]
    return type(value).__name__, repr(value)


def read_by_ruamel(text: str) -> Any:
    try:
        return typed(YAML(typ="safe").load(text))
    except (YAMLError, ValueError, TypeError):
        return "refused"


def read_by_us(text: str) -> Any:
    try:
        return typed(read_yaml(text))
    except YAMLError:
        return "refused"


@settings(max_examples=400)
@given(HEADS, st.lists(LINES, max_size=6), TAILS)
@example("", ['a: ["x":1]'], "\n")
@example("", ["|\n#"], "")
@example("", ["a: b", "..."], "\n...\n")
@example("", ["a: 1", "a: 2"], "")
@example("", ["1: a", "true: b", "1.0: c"], "")
def test_every_text_says_what_ruamel_says_it_does(head: str, lines: list[str], tail: str) -> None:
    text = head + "\n".join(lines) + tail
    assert read_by_us(text) == read_by_ruamel(text)


@pytest.mark.parametrize("shape", ["{}", "a: {}", "a:\n  - {}\n", "a: {{b: {}, c: 1}}", "{}: a", "a: [{}]", "{{{}: a}}"])
def test_every_word_means_what_it_means_to_ruamel_wherever_it_stands(shape: str) -> None:
    texts = [shape.format(word) for word in (*WORDS.split(), *LONGER)]
    assert {text: read_by_us(text) for text in texts} == {text: read_by_ruamel(text) for text in texts}


def test_every_file_of_the_house_says_what_ruamel_says_it_does() -> None:
    files = [path for path in ROOT.rglob("*.y*ml") if not {".venv", ".fortnight", "node_modules"} & set(path.parts)]
    assert set(CONTRACTS) < set(files)
    differing = [path for path in files if read_by_us(text := path.read_text(encoding="utf-8")) != read_by_ruamel(text)]
    assert differing == []


def test_contracts_as_people_write_them_never_wait_for_the_slow_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    texts = [path.read_text(encoding="utf-8") for path in CONTRACTS]
    assert texts
    for text in texts:
        read_yaml(text)
    # Words are known by now; a text that is given to ruamel whole would fail here.
    monkeypatch.setattr("ruamel.yaml.YAML.load", lambda *_: pytest.fail("read by ruamel"))
    for text in texts:
        assert read_yaml(text)["stream"]


def test_without_libyaml_every_file_is_still_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(yaml_text, "CSafeLoader", None)
    assert read_yaml("day: 2026-11-27\nflag: on\n") == {"day": date(2026, 11, 27), "flag": "on"}


def test_a_date_that_is_none_is_a_mistake_in_the_text() -> None:
    with pytest.raises(YAMLError, match="month"):
        read_yaml("at: 2026-13-01\n")


def test_a_text_nested_without_end_is_left_to_ruamel() -> None:
    """Whatever ruamel makes of it: libyaml's events would let our own reader run out of stack."""
    deep = 60
    assert read_by_us("[" * deep + "]" * deep) == read_by_ruamel("[" * deep + "]" * deep)
