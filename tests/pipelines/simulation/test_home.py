"""The home of a simulation: what is copied, what is its own, and how it remembers how far it was lived."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest

from connectors.errors import FixConfiguration
from pipelines.project import load
from pipelines.simulation import home as homes
from pipelines.simulation.days import last_day
from pipelines.simulation.home import Note

PROJECT = """name: small
environment: production
start: "2026-01-01"
storage: {root: s3://elsewhere/data}
systems: {kintone: {kind: kintone, base_url: {env: KINTONE_URL}, auth: {api_tokens: [{env: KINTONE_TOKEN}]}}}
"""
NOTE = Note(
    start="2026-11-01", days=5, script=homes.fingerprint("steps: []"), cursor="2026-11-02T05:00:00+09:00", done=(0, 2), lived=({"day": 1},)
)


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    project = tmp_path / "project"
    project.mkdir()
    (project / "project.yaml").write_text(PROJECT, encoding="utf-8")
    (project / ".env").write_text("KINTONE_URL=https://real.example\n", encoding="utf-8")
    (project / "data").mkdir()
    return project


def test_a_home_is_the_sandboxs_with_storage_and_first_day_of_its_own_whatever_the_project_is(folder: Path) -> None:
    home = folder / ".fortnight" / "simulated"
    homes.make(load(folder), home, date(2026, 11, 1))
    made = load(home)
    assert (made.environment, made.file.start, made.root) == ("sandbox", "2026-11-01", str(home / "data"))
    assert made.home.is_relative_to(home)
    assert not (home / ".env").exists() and not (home / ".fortnight").exists()


def test_a_folder_that_holds_anything_else_is_left_alone(folder: Path, tmp_path: Path) -> None:
    other = tmp_path / "other"
    other.mkdir()
    (other / "thesis.txt").write_text("years of work", encoding="utf-8")
    with pytest.raises(FixConfiguration) as refused:
        homes.make(load(folder), other, date(2026, 11, 1))
    assert refused.value.code == "simulate.no_home"
    assert (other / "thesis.txt").read_text(encoding="utf-8") == "years of work"


def test_a_simulation_is_made_anew_over_an_earlier_one(folder: Path, tmp_path: Path) -> None:
    home = tmp_path / "home"
    homes.make(load(folder), home, date(2026, 11, 1))
    homes.keep(home, NOTE)
    (home / "left-over").write_text("", encoding="utf-8")
    homes.make(load(folder), home, date(2026, 11, 2))
    assert not (home / "left-over").exists() and homes.note_of(home) is None


def test_a_note_reads_as_it_was_kept(tmp_path: Path) -> None:
    homes.keep(tmp_path, NOTE)
    assert homes.note_of(tmp_path) == NOTE


def test_only_the_script_it_was_begun_with_goes_on_and_more_days_may_be_asked_for(tmp_path: Path) -> None:
    with pytest.raises(FixConfiguration) as nothing:
        homes.resumable(tmp_path, "steps: []", None)
    assert nothing.value.code == "simulate.nothing_to_resume"
    homes.keep(tmp_path, NOTE)
    assert homes.resumable(tmp_path, "steps: []", None) == NOTE
    assert homes.resumable(tmp_path, "steps: []", 9) == NOTE.model_copy(update={"days": 9})
    with pytest.raises(FixConfiguration) as other:
        homes.resumable(tmp_path, "steps: [1]", None)
    assert other.value.code == "simulate.other_script"


def test_a_variable_of_the_shell_never_leads_a_simulation_to_a_real_source(
    folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "home"
    homes.make(load(folder), home, date(2026, 11, 1))
    (home / ".env").write_text("# sandbox\nKINTONE_URL=https://localhost:18081\n", encoding="utf-8")
    assert homes.opened(home).environment == "sandbox"
    monkeypatch.setenv("KINTONE_URL", "https://real.example")
    with pytest.raises(FixConfiguration) as refused:
        homes.opened(home)
    assert refused.value.params["variables"] == "KINTONE_URL"


@pytest.mark.parametrize(
    ("settings", "place"),
    [
        ("{kind: kintone, base_url: https://real.example}", "systems.own.base_url"),
        ("{kind: kintone, base_url: {env: REAL}}", "systems.own.base_url"),
        ("{kind: soap, wsdl: {env: SANDBOX}, services: {old: {wsdl: https://real.example/?wsdl}}}", "systems.own.services.old.wsdl"),
        ("{kind: sharepoint, authority: {env: SANDBOX}, host: {env: SANDBOX}, sites: [/sites/a]}", "systems.own.graph"),
        ("{kind: sharepoint, authority: {env: SANDBOX}, graph: {env: SANDBOX}, host: {env: SANDBOX}, sites: [/sites/a]}", ""),
    ],
    ids=["a literal", "a variable of another name", "of a second service", "the vendor's own", "all of it the sandbox's"],
)
def test_an_address_in_the_projects_own_file_never_does_either(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, settings: str, place: str
) -> None:
    monkeypatch.setenv("REAL", "https://real.example")
    (tmp_path / ".env").write_text("SANDBOX=https://localhost:18081/x\n", encoding="utf-8")
    text = f"name: small\nenvironment: sandbox\nenv_file: .env\nsystems: {{own: {settings}}}\n"
    (tmp_path / "project.yaml").write_text(text, encoding="utf-8")
    if not place:
        assert homes.opened(tmp_path).environment == "sandbox"
        return
    with pytest.raises(FixConfiguration) as refused:
        homes.opened(tmp_path)
    assert (refused.value.code, refused.value.params["places"]) == ("simulate.real_place", place)


@pytest.mark.parametrize(("hour", "expected"), [(15, 26), (16, 26), (17, 27)], ids=["midnight in Tokyo", "before the seal", "after it"])
def test_the_last_day_that_can_have_been_lived_is_the_newest_that_could_be_sealed(folder: Path, hour: int, expected: int) -> None:
    assert last_day(load(folder), datetime(2026, 11, 27, hour, tzinfo=UTC)) == date(2026, 11, expected)


def test_what_is_asked_of_lived_days_is_asked_in_the_night_that_followed_them_whatever_time_it_is_now(tmp_path: Path) -> None:
    with pytest.raises(FixConfiguration, match="No simulation"):
        homes.night_after(tmp_path)
    homes.keep(tmp_path, NOTE)
    night = homes.night_after(tmp_path)
    assert (night.now(), night.kind) == (datetime(2026, 11, 1, 20, tzinfo=UTC), "simulated")
