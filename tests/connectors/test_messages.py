"""The catalogue: every code the source speaks in has its sentences, both languages carry the same facts, and nothing in it is dead."""

from __future__ import annotations

import ast
import re
import string
from collections.abc import Mapping
from functools import cache
from pathlib import Path

from connectors.errors import AccessRefused, FixConfiguration
from connectors.messages import catalogue, sentence

ROOT = Path(__file__).resolve().parents[2]
FILES = [path for package in ("connectors", "expectations", "pipelines") for path in sorted((ROOT / package).rglob("*.py"))]
_JAPANESE = re.compile(r"[ぁ-んァ-ヶ一-龠]")
CODE = re.compile(r"[a-z][a-z_]*(\.[a-z][a-z0-9_]*)+")
#: Those who take a code as their first argument besides the errors.
SPEAKERS = frozenset({"sentence", "reason", "Reason", "Question", "told", "line", "word", "tell"})


@cache
def trees() -> tuple[tuple[str, ast.Module], ...]:
    return tuple((str(path.relative_to(ROOT)), ast.parse(path.read_text(encoding="utf-8"))) for path in FILES)


def error_classes() -> set[str]:
    """Names of all classes that descend from FortnightError, found in the source and not by importing it."""
    bases: dict[str, set[str]] = {}
    for _, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                bases[node.name] = {base.id if isinstance(base, ast.Name) else getattr(base, "attr", "") for base in node.bases}
    found = {"FortnightError"}
    while grown := {name for name, above in bases.items() if above & found} - found:
        found |= grown
    return found


def raised() -> dict[str, str]:
    """Code → where, of every error made with a literal code."""
    errors = error_classes()
    found: dict[str, str] = {}
    for where, tree in trees():
        for node in ast.walk(tree):
            if isinstance(node, ast.Call) and name_of(node.func) in errors and node.args:
                first = node.args[0]
                if isinstance(first, ast.Constant) and isinstance(first.value, str):
                    found[first.value] = f"{where}:{node.lineno}"
    return found


def spoken() -> dict[str, str]:
    """Code → where, of every sentence asked for with a literal code."""
    return {
        node.args[0].value: f"{where}:{node.lineno}"
        for where, tree in trees()
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and name_of(node.func) in SPEAKERS and node.args
        if isinstance(node.args[0], ast.Constant) and isinstance(node.args[0].value, str)
    }


def name_of(func: ast.expr) -> str:
    return func.id if isinstance(func, ast.Name) else getattr(func, "attr", "")


def placeholders(text: str) -> set[str]:
    return {name.split(".")[0].split("[")[0] for _, name, _, _ in string.Formatter().parse(text) if name}


def test_the_search_finds_what_it_should() -> None:
    assert {"AccessRefused", "MissingSecret", "Interrupted"} <= error_classes()
    assert len(raised()) > 60


def test_every_error_in_the_source_has_its_sentence_and_its_remedy() -> None:
    known = catalogue()
    missing = {code: where for code, where in raised().items() if code not in known or f"{code}.remedy" not in known}
    assert not missing


def test_every_other_code_in_the_source_has_its_sentence() -> None:
    missing = {code: where for code, where in spoken().items() if code not in catalogue()}
    assert not missing


def test_no_sentence_is_left_over_that_nobody_says() -> None:
    literals = {
        node.value for _, tree in trees() for node in ast.walk(tree) if isinstance(node, ast.Constant) and isinstance(node.value, str)
    }
    dead = {code for code in catalogue() if not code.endswith(".remedy") and code not in literals and not _made_up_of(code, literals)}
    assert not dead
    assert not {code for code in catalogue() if code.endswith(".remedy") and code.removesuffix(".remedy") not in catalogue()}


def _made_up_of(code: str, literals: set[str]) -> bool:
    """Whether a code is put together in the source: a prefix and a name (``f"map.unit.{name}"``) or a code and a suffix (``+ ".title"``)."""
    parts = code.split(".")
    prefixes = {".".join(parts[:cut]) + "." for cut in range(1, len(parts))}
    return bool(prefixes & literals) or f".{parts[-1]}" in literals or parts[-1] in literals


def test_both_languages_are_there_and_name_the_same_facts() -> None:
    # One test for all: a thousand of them would take longer to count than to do.
    wrong = {code: why for code, entry in sorted(catalogue().items()) if (why := _not_a_pair(code, entry))}
    assert not wrong


def _not_a_pair(code: str, entry: Mapping[str, str]) -> str:
    if set(entry) != {"ja", "en"}:
        return f"languages {sorted(entry)}"
    if placeholders(entry["ja"]) != placeholders(entry["en"]):
        return "not the same facts"
    if not CODE.fullmatch(code):
        return "not a code"
    if not _JAPANESE.search(entry["ja"]) or _JAPANESE.search(entry["en"]):
        return "Japanese is Japanese, English is English"
    return "" if all(text and text == text.strip() for text in entry.values()) else "blank at an end"


def test_every_command_that_a_sentence_advises_is_there_with_its_options() -> None:
    import typer.main
    from click import Group

    from pipelines.cli.main import app

    advised = {
        (code, command)
        for code, entry in catalogue().items()
        for text in entry.values()
        for command in re.findall(r"`fortnight ([^`]+)`", text)
    }
    assert len(advised) > 20
    unknown: set[tuple[str, str]] = set()
    for code, command in advised:
        words = command.split()
        verb = typer.main.get_command(app)
        while isinstance(verb, Group) and words and words[0] in verb.commands:
            verb = verb.commands[words.pop(0)]
        # What is left of a command are arguments and options; what is left of a group is a verb there is not.
        options = {word.partition("=")[0] for word in words if word.startswith("--")}
        if (isinstance(verb, Group) and words) or not options <= {
            name for param in verb.params for name in (*param.opts, *param.secondary_opts)
        }:
            unknown.add((code, command))
    assert not unknown
    bare = {code for code, entry in catalogue().items() for text in entry.values() if re.search(r"(?<!`)fortnight [a-z]+ ", text)}
    assert not bare, "a command stands between backticks, where the check above finds it"


def test_errors_carry_every_fact_that_their_sentences_name() -> None:
    """Where an error is made with keywords only, no placeholder may be left without a value."""
    errors, known, short = error_classes(), catalogue(), {}
    for where, tree in trees():
        for node in ast.walk(tree):
            if not (isinstance(node, ast.Call) and name_of(node.func) in errors and node.args):
                continue
            first = node.args[0]
            if not (isinstance(first, ast.Constant) and first.value in known) or any(keyword.arg is None for keyword in node.keywords):
                continue
            given = {keyword.arg for keyword in node.keywords}
            wanted = {
                name for code in (first.value, f"{first.value}.remedy") for text in known[code].values() for name in placeholders(text)
            }
            if wanted - given:
                short[f"{where}:{node.lineno} {first.value}"] = wanted - given
    assert not short


def test_a_code_without_an_entry_shows_as_itself_and_hides_nothing() -> None:
    assert "kintone.invented" in sentence("kintone.invented", {"app": 12}) and "12" in sentence("kintone.invented", {"app": 12})
    assert "{app}" in sentence("kintone.app_gone", {}), "a missing fact shows its name and raises nothing"


def test_an_error_speaks_both_languages_and_names_its_exit_code() -> None:
    error = AccessRefused("source.unavailable", host="src.example", reason="HTTP 503", attempts=3)
    assert "src.example" in error.say("ja") and "応答しませんでした" in error.say("ja")
    assert error.say("en") == str(error)
    assert (error.exit_code, FixConfiguration("project.none", folder="x", variable="y").exit_code) == (3, 2)
