"""``fortnight index omitted`` names what a candidate leaves out, in both languages and as JSON."""

from __future__ import annotations

import json
import shutil
from datetime import UTC, datetime
from pathlib import Path

import pytest
from cli_lines import english_lines
from click.testing import Result
from typer.testing import CliRunner

from pipelines.cli.main import app
from pipelines.index.releases import Coverage, Manifest, Omission, record_candidate
from pipelines.project import load

ROOT = Path(__file__).resolve().parents[3]
INDEX = "product-support"
LEFT = (
    Omission(document="sharepoint/manuals#9#file:ab", name="点検表.xlsx", code="hidden_sheet", detail="裏"),
    Omission(document="sharepoint/manuals#2#file:cd", name="壊.docx", code="damaged", detail="zip"),
)


@pytest.fixture(scope="module")
def project(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example project with one candidate that leaves two things out, and a later one that leaves out nothing."""
    folder = tmp_path_factory.mktemp("omitted") / "project"
    shutil.copytree(ROOT / "infra" / "project", folder, ignore=shutil.ignore_patterns(".fortnight", "data", ".env"))
    for number, omitted in ((1, LEFT), (2, ())):
        record_candidate(
            load(folder).root,
            Manifest(
                index=INDEX,
                number=number,
                created_at=datetime(2026, 11, 2, tzinfo=UTC),
                inputs={},
                model_id="m",
                revision="1",
                dim=1,
                chunker="c",
                table="t",
                documents={},
                chunks=0,
                access=Coverage(chunks=0, resolved=0, scopes_unresolved={}),
                omitted=omitted,
                content_hash=f"sha256:{number}",
            ),
        )
    return folder


def fortnight(project: Path, *arguments: str) -> Result:
    return CliRunner().invoke(app, ["index", "omitted", INDEX, *arguments, "--project", str(project)])


def test_each_thing_left_out_has_its_reason_and_those_of_a_kind_stand_together(project: Path) -> None:
    done = fortnight(project, "--release", "1", "--lang", "en")
    assert done.exit_code == 0, done.output
    lines = [line.strip() for line in done.output.splitlines()]
    assert lines == [
        "product-support/1: 2 left out",
        "1 × damaged",
        "sharepoint/manuals#2#file:cd  壊.docx",
        "The file is damaged (zip).",
        "1 × hidden_sheet",
        "sharepoint/manuals#9#file:ab  点検表.xlsx",
        "The hidden sheet “裏” is left out; the rest of the file is in.",
    ]


def test_in_japanese_nothing_of_it_is_english(project: Path) -> None:
    done = fortnight(project, "--release", "1", "--lang", "ja")
    assert "ファイルが壊れています(zip)。" in done.output
    assert english_lines(done.output) == []


def test_the_newest_candidate_is_asked_when_none_is_named(project: Path) -> None:
    assert fortnight(project, "--lang", "en").output.strip() == "product-support/2: nothing is left out."


def test_as_json_it_keeps_its_promise(project: Path) -> None:
    told = json.loads(fortnight(project, "--release", "1", "--json", "--lang", "en").stdout)
    assert told["schema"] == "fortnight.index_omitted/1"
    assert [(one["code"], one["reason"][:8]) for one in told["omitted"]] == [("damaged", "The file"), ("hidden_sheet", "The hidd")]


def test_a_candidate_that_is_not_there_is_said_to_be_none(project: Path) -> None:
    assert fortnight(project, "--release", "7", "--lang", "en").exit_code == 2
