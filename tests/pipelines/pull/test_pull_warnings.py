"""A warning stands as long as the rows that it is of may stand: until everything was read again, not until the next quiet pull."""

from __future__ import annotations

from pathlib import Path

import pytest
from scripted import Row, Source, project_of, run

from pipelines.project import Project
from pipelines.pull.outcome import Check, Result

RULE = {"expect": "expect_column_values_to_match_regex", "column": "名前", "regex": "^部品", "severity": "warning"}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return project_of(tmp_path / "project", expectations=[RULE])


@pytest.fixture
def source() -> Source:
    return Source({number: Row(f"部品{number}") for number in range(1, 13)} | {5: Row("名無し")})


def values(result: Result) -> Check:
    assert result.succeeded, result.error
    return next(check for check in result.checks if check.name == "values")


def of_the_rule(check: Check) -> list[tuple[str, str]]:
    return [(row["verdict"], row["observed"]) for row in check.rows if row["expectation"] == RULE["expect"]]


def test_a_warning_outlives_pulls_that_do_not_read_its_rows(project: Project, source: Source) -> None:
    first = values(run(project, source))
    assert not first.passed and first.severity == "warning"
    ((_, observed),) = of_the_rule(first)
    for _ in range(3):
        source.later()
        source.put(3, name="部品 三")
        check = values(run(project, source))
        assert not check.passed and check.severity == "warning"
        ((verdict, said),) = of_the_rule(check)
        assert verdict == "warn" and said.startswith(f"{observed} (read ") and said.count("(read ") == 1
    source.later()
    quiet = values(run(project, source))
    assert [verdict for verdict, _ in of_the_rule(quiet)] == ["warn"], "not even a pull without a row forgets it"


def test_a_warning_is_over_once_everything_was_read_and_holds(project: Project, source: Source) -> None:
    run(project, source)
    source.later()
    source.put(5, name="部品5")
    assert not values(run(project, source)).passed, "of the rows that did not come nobody knows"
    assert values(run(project, source, full=True)).passed
    source.later()
    assert values(run(project, source)).passed


def test_rows_that_miss_the_rule_anew_are_told_as_they_are_now(project: Project, source: Source) -> None:
    run(project, source)
    source.later()
    source.put(6, name="無名")
    ((verdict, said),) = of_the_rule(values(run(project, source)))
    assert verdict == "warn" and "無名" in said and "(read " not in said
