"""The table of closed days, by the real commands: frozen, shown, missing, about to end."""

from __future__ import annotations

from pathlib import Path

import pytest
from by_command import run
from lived import lived, write
from ruamel.yaml import YAML
from typer.testing import CliRunner

from pipelines.cli.doctor import closed_days
from pipelines.cli.main import app
from pipelines.clock import WallClock
from pipelines.evidence.plan import today_of
from pipelines.project import Project, load


def test_the_frozen_calendar_is_written_and_its_years_stay(project: Project):
    code, told = run(project, "gate", "calendar", "freeze", "--years", "2026-2029", "--company", "2026-12-29")
    assert (code, told["years"], told["company"], told["ends"]) == (0, [2026, 2027, 2028, 2029], 1, None)
    before = (project.folder / "calendar.yaml").read_bytes()
    assert run(project, "gate", "calendar", "freeze", "--years", "2026")[0] == 0
    assert (project.folder / "calendar.yaml").read_bytes() == before
    for years in ("soon", "2026-2024", "1800"):
        assert run(project, "gate", "calendar", "freeze", "--years", years)[1]["code"] == "calendar.bad_years"
    assert run(project, "gate", "calendar", "freeze", "--years", "2027", "--company", "2026-13-45")[1]["code"] == "decide.bad_day"


@pytest.mark.parametrize(
    ("lang", "says"), [("en", "There is no table of closed days"), ("ja", "休業日の一覧（calendar.yaml）はありません")]
)
def test_where_there_is_no_table_of_closed_days_that_is_the_answer_in_one_line(tmp_path: Path, lang: str, says: str):
    project = lived(tmp_path, days=1)
    show = ["gate", "calendar", "show", "--project", str(tmp_path), "--lang", lang]
    done = CliRunner().invoke(app, show)
    assert (done.exit_code, len(done.stdout.splitlines()), done.stderr) == (1, 1, "") and done.stdout.startswith(says)
    code, told = run(project, "gate", "calendar", "show", lang=lang)
    assert (code, told["file"], told["years"], told["ends"]) == (1, None, [], done.stdout.strip())
    assert run(project, "gate", "calendar", "freeze", "--years", "2026-2099")[0] == 0
    assert CliRunner().invoke(app, show).exit_code == 0


def test_days_that_the_project_file_lists_itself_are_shown(tmp_path: Path):
    today = today_of(lived(tmp_path, days=1), WallClock().now())
    told = YAML(typ="safe").load(tmp_path / "project.yaml")
    closed = {"years": [today.year, today.year + 1], "days": [f"{today.year}-01-01"]}
    write(tmp_path / "project.yaml", told | {"schedule": {"days": "jp_business", "closed": closed}})
    code, shown = run(load(tmp_path), "gate", "calendar", "show")
    assert (code, shown["file"], shown["years"], shown["company"], shown["ends"]) == (0, "project.yaml", closed["years"], 1, None)


def test_doctor_says_that_business_days_lack_their_table(tmp_path: Path):
    told = YAML(typ="safe").load((lived(tmp_path, days=1).folder / "project.yaml").read_text(encoding="utf-8"))
    assert closed_days(load(tmp_path)) == []
    write(tmp_path / "project.yaml", told | {"schedule": {"days": "jp_business"}})
    (found,) = closed_days(load(tmp_path))
    assert (found.ok, found.exit) == (False, 1) and "no table of closed days" in found.found


@pytest.mark.parametrize(("frozen", "ok"), [((), False), ((0,), True), ((0, 1), None)], ids=["ended", "ends this year", "long enough"])
def test_doctor_says_a_year_before_that_the_table_of_closed_days_ends(tmp_path: Path, frozen: tuple[int, ...], ok: bool | None):
    told = YAML(typ="safe").load((lived(tmp_path, days=1).folder / "project.yaml").read_text(encoding="utf-8"))
    years = [WallClock().now().year + ahead for ahead in frozen] or [2020]
    write(tmp_path / "project.yaml", told | {"schedule": {"days": "jp_business", "closed": {"years": years}}})
    assert [finding.ok for finding in closed_days(load(tmp_path))] == ([] if ok is None else [ok])
