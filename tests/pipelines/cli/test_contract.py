"""``fortnight contract`` as an operator uses it, on a kintone whose owner changes things: diff, the page, accept by two, pull."""

from __future__ import annotations

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conformance.live import ORIGIN, project_for, with_contract
from typer.testing import CliRunner, Result

from infra.sandbox import process
from pipelines.cli.main import app
from pipelines.project import Project

STREAM = "kintone/faq"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("kintone")
    process.up(folder, origin=ORIGIN, base_port=0, only=("kintone",))
    try:
        yield folder
    finally:
        process.down(folder)


@pytest.fixture
def project(tmp_path: Path, home: Path) -> Project:
    found = with_contract(project_for(tmp_path / "project", home), STREAM, owners={"business": "mio.matsumoto@sakura-seiki.example"})
    assert fortnight(found, "pull", STREAM).exit_code == 0
    return found


def fortnight(project: Project, *arguments: str) -> Result:
    return CliRunner().invoke(app, [*arguments, "--project", str(project.folder)], catch_exceptions=False)


def test_a_renamed_field_is_named_priced_explained_and_accepted_by_two(project: Project, home: Path, tmp_path: Path) -> None:
    process.control(home, "rename_field", {"app": "FAQ", "code": "回答", "new_code": "答え"}, server="kintone")
    try:
        page = tmp_path / "page.html"
        diff = fortnight(project, "contract", "diff", STREAM, "--json", "--page", str(page))
        said = json.loads(diff.stdout)
        assert diff.exit_code == 1
        assert [(one["kind"], one["field"], one["new"], one["effect"]) for one in said["changes"]] == [
            ("renamed", "回答", "答え", "breaks")
        ]
        assert said["deployed"]["by"] and said["deployed"]["at"]
        html = page.read_text(encoding="utf-8")
        for part in (
            "回答",
            "答え",
            said["deployed"]["by"],
            "利用者を壊す",
            "breaks readers",
            "mio.matsumoto",
            f"fortnight contract accept {STREAM}",
        ):
            assert part in html
        assert not re.search(r"<script|src=|https?://", html), "the page loads nothing"
        first = fortnight(project, "contract", "accept", STREAM, "--by", "Akari Mori", "--why", "the owner renamed it", "--json")
        assert first.exit_code == 0 and json.loads(first.stdout) | {"differences": []} == {
            "schema": "fortnight.contract_accept/1", "stream": STREAM, "version": 2, "written": True, "second": True, "differences": [],
        }  # fmt: skip
        assert "contract.one_person" in fortnight(project, "pull", STREAM, "--json").stdout
        waits = fortnight(project, "contract", "diff", STREAM, "--json")
        assert waits.exit_code == 1 and json.loads(waits.stdout)["waits"]["code"] == "contract.one_person"
        examined = fortnight(project, "doctor", "--json")
        assert examined.exit_code == 2
        assert "contract.one_person" in {one["code"] for one in json.loads(examined.stdout)["findings"] if one["subject"] == STREAM}
        again = fortnight(project, "contract", "accept", STREAM, "--by", "akari mori", "--lang", "ja")
        assert again.exit_code == 1 and "別の人" in again.stderr
        assert fortnight(project, "contract", "accept", STREAM, "--by", "Riku Ikeda").exit_code == 0
        assert fortnight(project, "pull", STREAM).exit_code == 0
        assert fortnight(project, "contract", "diff", STREAM).exit_code == 0
        nothing = fortnight(project, "contract", "accept", STREAM, "--by", "Riku Ikeda", "--lang", "en")
        assert nothing.exit_code == 0 and "nothing waits" in nothing.stdout
    finally:
        process.control(home, "rename_field", {"app": "FAQ", "code": "答え", "new_code": "回答"}, server="kintone")


def test_show_says_how_much_of_a_contract_is_described_and_who_relies_on_it(project: Project) -> None:
    said = json.loads(fortnight(project, "contract", "show", STREAM, "--json").stdout)
    assert said["described"]["owners"] == 1 and 0 < said["described"]["score"] < 1 and said["consumers"] == []


def test_an_editor_gets_the_schema_of_a_contracts_file(project: Project) -> None:
    done = CliRunner().invoke(app, ["contract", "schema"], catch_exceptions=False)
    said = json.loads(done.stdout)
    assert {"stream", "version", "fields", "drift", "accepted"} <= said["properties"].keys()
    from jsonschema import Draft202012Validator
    from ruamel.yaml import YAML

    contract = YAML(typ="safe").load((project.folder / "contracts" / f"{STREAM}.yaml").read_text(encoding="utf-8"))
    validator = Draft202012Validator(said)
    assert list(validator.iter_errors(contract)) == []
    assert [error.json_path for error in validator.iter_errors(contract | {"drift": {"retyped": "evolve"}})] == ["$.drift.retyped"]


@pytest.mark.skipif(shutil.which("chromium") is None, reason="chromium is not installed")
def test_the_page_is_drawn_by_a_real_browser_with_both_languages_on_it(project: Project, home: Path, tmp_path: Path) -> None:
    process.control(home, "rename_field", {"app": "FAQ", "code": "回答", "new_code": "答え"}, server="kintone")
    try:
        page = tmp_path / "page.html"
        fortnight(project, "contract", "diff", STREAM, "--page", str(page))
        drawn = subprocess.run(
            ["chromium", "--headless", "--no-sandbox", "--disable-gpu", f"--user-data-dir={tmp_path / 'browser'}", "--dump-dom", page.as_uri()],
            capture_output=True, text=True, timeout=60, check=True,
        ).stdout  # fmt: skip
        assert "何が変わったか" in drawn and "What changed" in drawn and "取り込みを止めました" in drawn
    finally:
        process.control(home, "rename_field", {"app": "FAQ", "code": "答え", "new_code": "回答"}, server="kintone")
