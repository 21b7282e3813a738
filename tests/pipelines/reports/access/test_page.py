"""The page of the access report: every figure with its query, nothing loaded, nothing taken for markup, no secret."""

from __future__ import annotations

import json
import re
from pathlib import Path

import pytest

from pipelines.cli.access import plain
from pipelines.project import Project
from pipelines.reports.access.figures import FIGURES, Limits
from pipelines.reports.access.page import render
from pipelines.reports.access.report import Report
from pipelines.reports.access.write import make_report, write_page

from . import world as w


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Project:
    return w.company(tmp_path_factory.mktemp("company"))


@pytest.fixture(scope="module")
def report(project: Project) -> Report:
    return make_report(project, "sharepoint", Limits(w.NOW))


@pytest.fixture(scope="module")
def page(report: Report) -> str:
    return render(report)


def test_every_figure_stands_with_its_number_its_query_and_the_place_of_its_table(report: Report, page: str) -> None:
    from html import unescape

    shown = unescape(page)
    for figure in FIGURES:
        found = report.figure(figure.code)
        assert f'<h3 id="{figure.code}">' in page
        assert found.sql in shown
        assert found.value is None or f"reports/access/sharepoint/{figure.code}" in page
    for _, sql in report.views:
        assert sql in shown


def test_it_loads_nothing_and_runs_no_script(page: str) -> None:
    assert "<script" not in page
    assert not re.findall(r"(?:src|href)=\"(?!#)", page)


def test_the_age_of_a_grant_is_claimed_only_as_far_as_it_is_known(page: str) -> None:
    assert "older than the first scan of 2026-11-01" in page
    assert "最初の走査（2026-11-01）より前から" in page
    assert "2026-11-20 14:00" in page


def test_what_was_not_measured_says_so_and_what_to_add_to_the_contract(page: str) -> None:
    assert "Not measured." in page
    assert "add it to the contracts of libraries" in page
    assert "測定なし" in page


def test_names_from_the_source_are_text_and_never_markup(tmp_path: Path) -> None:
    made = w.project(tmp_path)
    evil = "<img src=x onerror=alert(1)>"
    w.publish(made, "sharepoint/rules", {**w.TABLES, "scopes": [{**one, "title": evil} for one in w.TABLES["scopes"]]})
    text = render(make_report(made, "sharepoint", Limits(w.NOW)))
    assert evil not in text
    assert "&lt;img" in text


def test_the_address_of_an_item_or_a_link_never_leaves(report: Report, page: str) -> None:
    said = page + json.dumps(plain(report, Path("page.html"), "en"), ensure_ascii=False)
    assert "https://" not in said
    assert "d" * 13 not in said


def test_the_first_rows_are_shown_with_the_full_number(project: Project) -> None:
    short = render(make_report(project, "sharepoint", Limits(w.NOW), top=2))
    assert "The first 2 of 8 rows." in short
    assert "8 行のうち先頭の 2 行" in short


def test_it_names_the_command_that_makes_it_again(project: Project) -> None:
    made = make_report(project, "sharepoint", Limits(w.NOW, 5, 20), top=7)
    assert "fortnight access report sharepoint --stale-years 5 --oversized-mb 20 --top 7 --json" in render(made)


def test_it_is_one_file_where_it_was_asked_for(project: Project, report: Report, tmp_path: Path) -> None:
    assert write_page(report, project, tmp_path / "out") == tmp_path / "out" / "sharepoint.html"
    assert write_page(report, project) == project.home / "access" / "sharepoint.html"
    assert [path.name for path in (tmp_path / "out").iterdir()] == ["sharepoint.html"]
