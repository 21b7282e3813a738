"""What an app's owner has saved and not deployed: told by ``contract diff --preview`` and by ``doctor`` while every pull still goes on."""

from __future__ import annotations

import base64
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from click.testing import Result
from conformance.live import project_for, with_contract, without_our_variables
from typer.testing import CliRunner

from infra.sandbox import process
from infra.sandbox.company.people import person
from infra.sandbox.kintone.directory import password
from pipelines.cli.main import app
from pipelines.project import Project

STREAM = "kintone/customers"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("prepared")
    process.up(folder, base_port=0, only=("kintone", "erp"))
    yield folder
    process.down(folder)


@pytest.fixture(scope="module")
def project(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    made = project_for(tmp_path_factory.mktemp("prepared-project") / "project", home)
    return with_contract(with_contract(made, STREAM), "erp/suppliers")


@pytest.fixture
def prepared(home: Path) -> Iterator[None]:
    """The code of a field is changed in the app's settings, and nobody has pressed "Update app" yet."""
    named = process.environment(home)
    pair = base64.b64encode(f"{named['KINTONE_LOGIN']}:{named['KINTONE_PASSWORD']}".encode()).decode()
    with httpx.Client(base_url=named["KINTONE_URL"], verify=named["FORTNIGHT_CA_FILE"]) as owner:
        owner.headers["X-Cybozu-Authorization"] = pair
        number = owner.get("/k/v1/apps.json", params={"codes[0]": "CUSTOMERS"}).json()["apps"][0]["appId"]
        renamed = {"フリガナ": {"type": "SINGLE_LINE_TEXT", "code": "ふりがな"}}
        assert owner.put("/k/v1/preview/app/form/fields.json", json={"app": number, "properties": renamed}).status_code == 200
        yield
        assert owner.post("/k/v1/preview/app/deploy.json", json={"apps": [{"app": number}], "revert": True}).status_code == 200


def fortnight(project: Project, *arguments: str, **variables: str) -> Result:
    environment: dict[str, Any] = without_our_variables() | {"FORTNIGHT_PROJECT": str(project.folder)} | variables
    return CliRunner().invoke(app, list(arguments), env=environment)


def test_diff_names_what_is_coming_and_what_is_in_force_is_still_as_promised(project: Project, prepared: None) -> None:
    done = fortnight(project, "contract", "diff", STREAM, "--preview", "--json")
    assert done.exit_code == 1
    (change,) = json.loads(done.stdout)["changes"]
    assert (change["kind"], change["field"], change["new"], change["policy"]) == ("renamed", "フリガナ", "ふりがな", "ask")
    assert fortnight(project, "contract", "diff", STREAM).exit_code == 0


def test_doctor_says_that_pulls_will_stop_and_is_well_as_long_as_they_do_not(project: Project, prepared: None) -> None:
    english, japanese = (fortnight(project, "doctor", "kintone", "--lang", lang) for lang in ("en", "ja"))
    assert (english.exit_code, japanese.exit_code) == (0, 0)
    assert "once the app is updated pulls will stop: renamed フリガナ → ふりがな" in english.stdout
    assert "アプリを更新すると取り込みが止まります" in japanese.stdout and "フリガナ → ふりがな" in japanese.stdout


def test_where_nothing_waits_doctor_says_nothing_of_it_and_diff_that_nothing_does(project: Project) -> None:
    done = fortnight(project, "contract", "diff", STREAM, "--preview", "--lang", "en")
    assert done.exit_code == 0 and "nothing that is saved and not yet deployed touches contract version 1" in done.stdout
    done = fortnight(project, "doctor", "kintone", "--lang", "en")
    assert done.exit_code == 0 and "deployed" not in done.stdout and "once the app is updated" not in done.stdout


def test_who_may_not_manage_the_app_is_told_that_it_was_not_looked_at(project: Project, home: Path) -> None:
    running = process.status(home)
    assert running is not None
    seller = person("yui.takahashi")
    as_seller = {"KINTONE_LOGIN": seller.login, "KINTONE_PASSWORD": password(running.seed, seller)}
    done = fortnight(project, "doctor", "kintone", "--lang", "en", **as_seller)
    assert "what is saved and not yet deployed may not be read with these credentials (kintone." in done.stdout


def test_a_system_without_settings_that_wait_refuses_to_look_ahead(project: Project) -> None:
    done = fortnight(project, "contract", "diff", "erp/suppliers", "--preview", "--json")
    assert done.exit_code == 2 and "contract.no_preview" in done.output
