"""What doctor says of the project's own files: people who cannot sign, alerts that cannot be sent, a runbook that proves nothing."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from conformance.live import write_yaml
from typer.testing import CliRunner

from pipelines.cli.doctor_files import own_files
from pipelines.cli.main import app
from pipelines.evidence.signing import make_key
from pipelines.project import load

STREAM = "kintone/faq"
CONTRACT = {
    "stream": STREAM,
    "version": 1,
    "source": {"app_code": "FAQ"},
    "key": ["id"],
    "fields": [{"name": "id", "source": "$id", "type": "int64"}],
}
TEAMS = {"ops": {"kind": "teams", "url": {"env": "NOBODYS_TEAMS_WEBHOOK"}}}


def found(folder: Path, variables: str = "", **project: Any) -> tuple[int, dict[str, tuple[bool, str, str]]]:
    """Doctor's exit code, and its findings by subject: whether it is well, the code, the sentence."""
    write_yaml(folder / "project.yaml", {"name": "x", "environment": "staging", "env_file": ".env", "systems": {}} | project)
    (folder / ".env").write_text(variables, encoding="utf-8")
    done = CliRunner().invoke(app, ["doctor", "--project", str(folder), "--json", "--lang", "en"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, {one["subject"]: (one["ok"], one["code"], one["found"]) for one in json.loads(done.stdout)["findings"]}


def of_index(folder: Path, **index: Any) -> list[tuple[str, bool, int, str]]:
    """What is found in the files of a project with one stream and one index, without asking its system: subject, whether it is well, exit, sentence."""
    systems = {"kintone": {"kind": "kintone", "base_url": "https://x.cybozu.com", "auth": {"api_tokens": [{"env": "NOBODYS_TOKEN"}]}}}
    indexes = {"support": {"streams": [STREAM]} | index}
    write_yaml(folder / "project.yaml", {"name": "x", "environment": "staging", "systems": systems, "indexes": indexes})
    write_yaml(folder / "contracts" / f"{STREAM}.yaml", CONTRACT)
    return [(one.subject, one.ok, one.exit, one.found) for one in own_files(load(folder))]


def test_of_files_that_are_well_nothing_is_said(tmp_path: Path) -> None:
    write_yaml(tmp_path / "people.yaml", {"people": [{"id": "mori"}, {"id": "suzuki"}]})
    assert found(tmp_path) == (0, {})
    assert of_index(tmp_path, runbook="runbook.md") == []


def test_two_people_who_share_a_key_are_named(tmp_path: Path) -> None:
    key = make_key(tmp_path / "k", "k")
    write_yaml(tmp_path / "people.yaml", {"people": [{"id": "mori", "keys": [key]}, {"id": "suzuki", "keys": [{"file": "k.pub"}]}]})
    code, told = found(tmp_path)
    ok, why, said = told["people.yaml"]
    assert (code, ok, why) == (2, False, "people.invalid")
    assert "suzuki and mori share" in said


@pytest.mark.parametrize("text", ["people: [", "people: [{id: mori, keys: [{key: x, expires: 2026-13-45}]}]"], ids=["no YAML", "no date"])
def test_people_who_cannot_be_read_are_said_to_be_so(tmp_path: Path, text: str) -> None:
    (tmp_path / "people.yaml").write_text(text, encoding="utf-8")
    code, told = found(tmp_path)
    assert (code, told["people.yaml"][:2]) == (2, (False, "people.unreadable"))


@pytest.mark.parametrize("data", [False, True], ids=["before the first pull", "with a storage"])
def test_an_alert_channel_without_its_variable_is_named_with_it(tmp_path: Path, data: bool) -> None:
    if data:
        (tmp_path / "data").mkdir()
    code, told = found(tmp_path, alerts={"channels": TEAMS})
    ok, why, said = told["alert channel ops"]
    assert (code, ok, why) == (2, False, "project.missing_variable")
    assert "NOBODYS_TEAMS_WEBHOOK" in said and "alerts.channels.ops.url" in said
    code, told = found(tmp_path, "NOBODYS_TEAMS_WEBHOOK=https://teams.example/hook\n", alerts={"channels": TEAMS})
    assert (code, [one[:2] for one in told.values()]) == (0, [(True, "doctor.alerts_unused")] if data else [])


@pytest.mark.parametrize(
    ("channel", "missing"),
    [
        ({"kind": "slack", "url": {"env": "SET"}}, ""),
        ({"kind": "webhook", "url": {"env": "SET"}, "secret": {"env": "UNSET"}}, "UNSET"),
        (
            {
                "kind": "email",
                "host": "mail.example",
                "user": "me",
                "password": {"env": "UNSET"},
                "from": "me@x.example",
                "to": ["you@x.example"],
            },
            "UNSET",
        ),
    ],
    ids=["all there", "a webhook's secret", "a mail server's password"],
)
def test_every_secret_of_a_channel_counts(tmp_path: Path, channel: dict[str, Any], missing: str) -> None:
    code, told = found(tmp_path, "SET=https://hooks.example/x\n", alerts={"channels": {"ops": channel, "other": TEAMS["ops"]}})
    assert code == 2 and "NOBODYS_TEAMS_WEBHOOK" in told["alert channel other"][2]
    assert (missing in told["alert channel ops"][2]) if missing else "alert channel ops" not in told


def test_a_runbook_that_is_an_address_is_said_to_prove_nothing(tmp_path: Path) -> None:
    ((subject, ok, code, said),) = of_index(tmp_path, runbook="https://wiki.example/runbook")
    assert (subject, ok, code) == ("indexes.support.runbook", False, 1)
    assert said.startswith("https://wiki.example/runbook is an address")


def test_a_stream_of_an_index_that_no_contract_has_is_named_with_the_index_and_what_is_near(tmp_path: Path) -> None:
    ((subject, ok, code, said),) = of_index(tmp_path, streams=[STREAM, "kintone/faqs"])
    assert (subject, ok, code) == ("indexes.support.streams", False, 2)
    assert "indexes.support.streams names kintone/faqs" in said and "Near it: kintone/faq." in said
