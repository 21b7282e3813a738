"""The commands as a person meets them: help, JSON, the README, and the generated pages."""

from __future__ import annotations

import re
from pathlib import Path

import click
import pytest
from syrupy.assertion import SnapshotAssertion

from docs.__main__ import commands, help_of, stale

ROOT = Path(__file__).resolve().parents[3]
EVERY = {" ".join(path): command for path, command in commands() if path}
LEAVES = {name: command for name, command in EVERY.items() if not isinstance(command, click.Group)}
#: What can be run: also a group that does something when no command of it is named.
RUNS = {name: command for name, command in EVERY.items() if name in LEAVES or getattr(command, "invoke_without_command", False)}


@pytest.mark.parametrize("name", ["", *EVERY])
def test_help_is_as_reviewed(name: str, snapshot: SnapshotAssertion) -> None:
    assert help_of(tuple(name.split())) == snapshot


@pytest.mark.parametrize("name", EVERY)
def test_every_command_says_in_a_sentence_what_it_does(name: str) -> None:
    said = EVERY[name].help or ""
    assert re.match(r"[A-Z].*\.", said, re.DOTALL), said


@pytest.mark.parametrize("name", LEAVES)
def test_every_option_and_argument_says_what_it_is(name: str) -> None:
    silent = [one.name for one in LEAVES[name].params if not getattr(one, "help", None) and one.name != "help"]
    assert silent == []


def test_every_command_has_json_and_speaks_both_languages() -> None:
    assert {name for name, command in LEAVES.items() if not {"--json", "--lang"} <= flags(command)} == set()


def test_the_readme_names_every_verb_and_nothing_that_is_not_there() -> None:
    table = re.findall(r"^\| `fortnight ([^`]*)`(?: · `([^`]*)`)? \|", (ROOT / "README.md").read_text(encoding="utf-8"), re.MULTILINE)
    named: set[str] = set()
    for cell in (text for row in table for text in row if text):
        verb, *rest = cell.split()
        inner = [f"{verb} {word}" for word in rest if word.isalpha() and word.islower()]
        named |= {verb, *inner} if isinstance(EVERY.get(verb), click.Group) else {verb}
    assert named <= set(EVERY)
    assert {name for name in named if " " not in name} == {name for name in EVERY if " " not in name}


def test_the_generated_pages_are_what_make_docs_would_write() -> None:
    assert stale() == [], "run `make docs`"


@pytest.mark.parametrize("page", sorted((ROOT / "docs" / "guides").glob("*.md")), ids=lambda page: page.name)
def test_a_guide_asks_for_no_command_and_no_flag_that_is_not_there(page: Path) -> None:
    lines = re.findall(r"^\$ fortnight (.+)$", page.read_text(encoding="utf-8"), re.MULTILINE)
    for words in (line.split() for line in lines):
        name = next((" ".join(words[:depth]) for depth in (3, 2, 1) if " ".join(words[:depth]) in RUNS), "")
        assert name, " ".join(words)
        assert {word for word in words if word.startswith("--")} <= flags(RUNS[name]), name


def flags(command: click.Command) -> set[str]:
    return {flag for one in command.params for flag in (*one.opts, *one.secondary_opts)}
