"""``fortnight quarantine`` as it is typed: what is held, why, what of it is shown, and what a replay says it did."""

from __future__ import annotations

import json
import re
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from cli_lines import english_lines, valid
from click.testing import Result
from conformance.live import write_contract
from typer.testing import CliRunner

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pull"))
from scripted import STREAM, Chosen, Row, mended, project_of, run

from pipelines.cli.main import app
from pipelines.project import Project, load


@pytest.fixture
def source() -> Chosen:
    rows = {number: Row(f"部品{number}") for number in range(1, 13)}
    return Chosen(rows | {7: Row("秘密の名前", bad=True, more=(("updated_at", "timestamp.format"),)), 9: Row(bad=True)})


@pytest.fixture
def project(tmp_path: Path, source: Chosen, monkeypatch: pytest.MonkeyPatch) -> Project:
    """A project that holds two rows back; the name of a part is confidential."""
    made = project_of(tmp_path / "project")
    told = made.contract(STREAM).model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    told["fields"] = [{**field, **({"sensitivity": "confidential"} if field["name"] == "名前" else {})} for field in told["fields"]]
    write_contract(made, told)
    made = load(made.folder)
    assert run(made, source).succeeded
    monkeypatch.setattr(Project, "connect", lambda self, system: source)
    return made


def fortnight(project: Project, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["quarantine", *arguments, "--project", str(project.folder)])


def said(project: Project, *arguments: str) -> dict[str, Any]:
    answer = json.loads(fortnight(project, *arguments, "--json").stdout)
    valid(answer)
    return answer


def test_the_list_names_every_reason_and_no_value_and_ends_with_one_while_a_row_is_held(project: Project) -> None:
    done = fortnight(project, "list", "--lang", "en")
    assert done.exit_code == 1
    assert "timestamp.format" in done.output and "it is no instant" in done.output and "type.mismatch" in done.output
    answer = said(project, "list", STREAM)
    assert [(one["key"], len(one["reasons"]), one["overdue"]) for one in answer["held"]] == [("7", 2, False), ("9", 1, False)]
    assert answer["retention"] == "P90D" and "秘密" not in json.dumps(answer, ensure_ascii=False)


def test_where_nothing_is_held_the_list_says_so_and_ends_well(project: Project, source: Chosen) -> None:
    mended(source, 7, 9)
    assert fortnight(project, "replay", STREAM).exit_code == 0
    done = fortnight(project, "list", "--lang", "ja")
    assert done.exit_code == 0 and "保留中の行はありません" in done.output
    assert fortnight(project, "list", "books/none").exit_code == 2


def test_a_row_that_is_held_for_longer_than_rows_are_remembered_is_called_overdue(project: Project) -> None:
    path = project.folder / "project.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "quarantine: {retention: PT0S}\n", encoding="utf-8")
    assert "overdue" in fortnight(project, "list", "--lang", "en").output and said(project, "list")["overdue"] == 2
    assert "PT0S" in fortnight(project, "show", STREAM, "7", "--lang", "en").output


def test_a_retention_that_is_no_duration_is_refused_with_its_place(project: Project) -> None:
    path = project.folder / "project.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "quarantine: {retention: three months}\n", encoding="utf-8")
    done = fortnight(project, "list", "--lang", "en")
    assert done.exit_code == 2 and "quarantine.retention" in done.output and "P90D" in done.output


def test_a_row_shows_what_may_be_shown_of_it_and_the_rest_only_when_it_is_asked_for(project: Project, source: Chosen) -> None:
    raw = json.dumps({"id": 7, "name": "秘密の名前", "at": "昨日", "salary": 1}, ensure_ascii=False)
    source._page = _with_raw(source, raw)  # type: ignore[method-assign]
    source.later()
    source.put(7, bad=True)
    assert run(project, source).succeeded
    done = fortnight(project, "show", STREAM, "7", "--lang", "en")
    assert done.exit_code == 0 and "昨日" in done.output and "confidential" in done.output
    assert "秘密" not in done.output and "salary" not in done.output
    answer = said(project, "show", STREAM, "7")
    assert answer["values"] == {"id": "7", "updated_at": "昨日"} and answer["withheld"] == ["名前"] and answer["raw"] is None
    assert said(project, "show", STREAM, "7", "--raw")["raw"] == raw
    assert "秘密" in fortnight(project, "show", STREAM, "7", "--raw").output


def _with_raw(source: Chosen, raw: str) -> Any:
    plain = source._page

    def page(rows: list[tuple[int, Row]]) -> Any:
        made = plain(rows)
        return replace(made, rejects=tuple(replace(reject, raw=raw) for reject in made.rejects))

    return page


def test_a_row_that_left_is_still_shown_with_the_times_it_was_held(project: Project, source: Chosen) -> None:
    mended(source, 7)
    fortnight(project, "replay", STREAM, "--key", "7")
    source.later()
    source.put(7, bad=True)
    assert run(project, source).succeeded
    answer = said(project, "show", STREAM, "7")
    assert (
        answer["left_at"] is None and len(answer["before"]) == 1 and answer["before"][0]["codes"] == ["type.mismatch", "timestamp.format"]
    )
    done = fortnight(project, "show", STREAM, "1", "--lang", "en")
    assert done.exit_code == 1 and "fortnight quarantine list" in done.output


def test_a_replay_says_what_landed_what_is_gone_and_what_stays(project: Project, source: Chosen) -> None:
    mended(source, 7)
    answer = said(project, "replay", STREAM)
    assert (answer["asked"], answer["landed"], answer["gone"], answer["held"]) == (2, ["7"], [], ["9"])
    assert fortnight(project, "replay", STREAM).exit_code == 1, "a row stays held"
    del source.rows[9]
    answer = said(project, "replay", STREAM, "--key", "9")
    assert (answer["landed"], answer["gone"], answer["held"]) == ([], ["9"], [])
    done = fortnight(project, "replay", STREAM, "--lang", "en")
    assert done.exit_code == 0 and "nothing was asked" in done.output
    assert said(project, "replay", STREAM)["pull_id"] is None
    assert fortnight(project, "replay", STREAM, "--key", "42").exit_code == 1


@pytest.mark.parametrize("arguments", [("list",), ("show", STREAM, "7"), ("show", STREAM, "1"), ("replay", STREAM)], ids=lambda one: one[0])
def test_asked_in_japanese_the_commands_say_nothing_in_english(project: Project, arguments: tuple[str, ...]) -> None:
    done = fortnight(project, *arguments, "--lang", "ja")
    assert re.search(r"[ぁ-んァ-ヶ一-龠]", done.output) and english_lines(done.output) == []
