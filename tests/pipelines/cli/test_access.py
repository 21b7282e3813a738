"""``fortnight access``: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
import sys
from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from typer.testing import CliRunner

from pipelines.cli.main import app

sys.path.append(str(Path(__file__).resolve().parents[1] / "reports"))
from access import world as w

ALICE, GUEST = "alice@sakura-seiki.example", "guest@partner.example"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return w.company(tmp_path_factory.mktemp("company")).folder


def run(folder: Path, *arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, ["access", *arguments, "--project", str(folder)])
    return result.exit_code, result.stdout, result.stderr


def test_the_report_tells_each_figure_what_was_not_measured_and_where_it_lies(folder: Path) -> None:
    code, said, _ = run(folder, "report", "sharepoint", "--lang", "en")
    assert code == 0
    assert "Scopes open to everyone" in said
    assert "not measured: No contract has a field with `source: publication`" in said
    assert "First scan: 2026-11-01" in said
    assert (folder / ".fortnight/access/sharepoint.html").exists()
    assert (folder / "data/reports/access/sharepoint/everyone/_delta_log").exists()


def test_the_report_speaks_japanese_too(folder: Path) -> None:
    assert "全員に開かれた権限範囲" in run(folder, "report", "sharepoint", "--lang", "ja")[1]


def twelve_years_before(day: date) -> str:
    # A leap day has no such day in every year.
    return day.replace(year=day.year - 12, day=28 if (day.month, day.day) == (2, 29) else day.day).isoformat()


def test_the_reports_json_holds_every_figure_with_its_query(folder: Path) -> None:
    days = [datetime.now(UTC).date()]
    found = json.loads(run(folder, "report", "sharepoint", "--json", "--stale-years", "12")[1])
    days.append(datetime.now(UTC).date())
    assert found["schema"] == "fortnight.access_report/1"
    figures = {one["code"]: one for one in found["figures"]}
    assert (figures["everyone"]["value"], figures["everyone"]["section"]) == (4, "oversharing")
    assert figures["everyone"]["rows"][0]["first_observed"].startswith("2026-11-20T05:00:00")
    assert figures["versions"]["value"] is None and figures["versions"]["missing"] == "versions"
    assert figures["stale"]["value"] == 0 and any(twelve_years_before(day) in figures["stale"]["sql"] for day in days)
    assert found["first_scan"].startswith("2026-11-01")


def test_an_item_is_explained_with_its_links(folder: Path) -> None:
    code, said, _ = run(folder, "explain", "sharepoint", "--item", "/公開/図面.pdf", "--lang", "en")
    assert code == 0
    assert "Guest ← Read on /sites/q/規程/公開 (older than the first scan of 2026-11-01)" in said
    assert "Links there: 1 for anyone, to view, without expiry: 1" in said
    assert "Bob ← administrator of the site collection" in said


def test_a_person_is_explained_in_numbers_and_chains(folder: Path) -> None:
    code, said, _ = run(folder, "explain", "sharepoint", "--person", ALICE, "--lang", "en")
    assert code == 0
    assert f"Alice <{ALICE}>: items 4, scopes 4" in said
    found = json.loads(run(folder, "explain", "sharepoint", "--person", ALICE, "--json")[1])
    assert found["schema"] == "fortnight.access_explain/1"
    assert [found["person"]["items"], found["items"]] == [4, []]


def test_where_one_person_is_asked_about_nobody_else_is_counted(folder: Path) -> None:
    _, said, error = run(folder, "explain", "sharepoint", "--item", "/手順/設備.docx", "--person", GUEST, "--lang", "en")
    assert "readers" not in said, "others do read it"
    assert '--item "/手順/設備.docx"` lists who does' in error


@pytest.mark.parametrize(
    ("item", "person", "code", "said"),
    [
        ("/控え/設備.docx", ALICE, 0, ""),
        ("/公開/図面.pdf", GUEST, 0, ""),
        ("/控え/設備.docx", GUEST, 0, ""),  # by the link that names them
        ("/手順/設備.docx", GUEST, 1, "does not read"),
        ("/鍵/給与.xlsx", ALICE, 1, "is not known"),
    ],
)
def test_whether_that_person_reads_that_item_is_the_exit_code(folder: Path, item: str, person: str, code: int, said: str) -> None:
    ended, _, error = run(folder, "explain", "sharepoint", "--item", item, "--person", person, "--lang", "en")
    assert (ended, said in error) == (code, True), error


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [
        (("--item", "/nothing.txt"), 1, "Nothing in sharepoint is called"),
        (("--person", "stranger@partner.example"), 1, "Nobody in sharepoint is known as"),
        (("--person", "left@sakura-seiki.example"), 1, "Nobody in sharepoint is known as"),
        ((), 2, "Nothing was named to explain"),
    ],
)
def test_what_is_not_there_ends_with_1_and_a_question_without_a_subject_with_2(
    folder: Path, arguments: tuple[str, ...], code: int, said: str
) -> None:
    ended, _, error = run(folder, "explain", "sharepoint", *arguments, "--lang", "en")
    assert (ended, said in error) == (code, True), error


def test_a_system_that_was_never_pulled_ends_with_1_and_one_that_is_not_there_with_2(folder: Path) -> None:
    assert run(folder, "report", "kintone")[0] == 1
    assert run(folder, "report", "crm")[0] == 2
