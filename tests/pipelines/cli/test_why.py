"""Reasons as a person reads them: what is equal once with its count, times in the project's zone, fingerprints short, changed terms by name."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import pytest
from lived import INDEX, lived, write
from ruamel.yaml import YAML
from typer.testing import CliRunner

from pipelines.cli.main import app
from pipelines.cli.why import Teller, changes
from pipelines.clock import WallClock
from pipelines.evidence.chain import fingerprint, instant_text
from pipelines.evidence.gate import GatePolicy
from pipelines.evidence.history import policy_entry, recorded_terms
from pipelines.evidence.plan import environment_of, gate_policy, ledger_of
from pipelines.evidence.reasons import CODES, reason
from pipelines.project import Project, load

STREAMS = tuple(f"kintone/{name}" for name in "abcdefghi")
TOKYO = "Asia/Tokyo"


def no_days(*streams: str) -> list[object]:
    return [reason("gate.no_sealed_day", stream=stream, required_days=14) for stream in streams]


@pytest.mark.parametrize(
    ("lang", "said"),
    [
        ("en", "9 streams have no sealed day yet (all of them); 14 green days in a row are needed."),
        ("ja", "9 個のストリームに、封印済みの日がまだありません（すべて）。連続した緑の日が 14 日必要です。"),
    ],
)
def test_reasons_that_differ_by_the_stream_alone_are_one_line_with_its_count(lang: str, said: str) -> None:
    assert Teller(lang, TOKYO, len(STREAMS)).lines(no_days(*STREAMS)) == [said]


def test_streams_are_named_where_they_are_not_all_and_one_alone_has_its_own_sentence() -> None:
    teller = Teller("en", TOKYO, 3)
    (two,) = teller.lines(no_days("kintone/a", "kintone/b"))
    assert two.startswith("2 streams") and "(kintone/a, kintone/b)" in two
    assert teller.lines(no_days("kintone/a")) == ["kintone/a has no sealed day yet; 14 green days in a row are needed."]


def test_reasons_that_say_something_else_stay_apart_and_in_their_order() -> None:
    short = [
        reason("gate.streak_short", stream=stream, green_days=days, required_days=14) for stream, days in zip("abc", (3, 5, 3), strict=True)
    ]
    lines = Teller("en", TOKYO, 3).lines([*short, reason("gate.week_one_unsigned")])
    assert [line[:9] for line in lines] == ["2 streams", "b: 5 of 1", "The first"]


def test_every_sentence_for_many_belongs_to_a_reason_and_takes_its_facts() -> None:
    from connectors.messages import catalogue
    from tests.connectors.test_messages import placeholders

    many = {
        code: f"gate.{code.removeprefix('gate.many.')}" for code in catalogue() if code.startswith("gate.many.") and code != "gate.many.all"
    }
    assert len(many) > 5
    for code, one in many.items():
        assert placeholders(catalogue()[code]["en"]) <= {*CODES[one], "count", "names"}, code


def test_times_are_said_in_the_projects_zone_to_the_minute() -> None:
    slot = datetime(2026, 11, 27, 20, 0, 0, 123456, tzinfo=UTC)
    said = Teller("en", TOKYO).say(reason("seal.slot_missed", slot=instant_text(slot)))
    assert said == "Nothing filled the slot of 2026-11-28 05:00."


def test_a_fingerprint_is_said_by_its_first_eight_digits() -> None:
    whole = fingerprint("a contract")
    said = Teller("en", TOKYO).say(reason("gate.contract_not_accepted", stream="kintone/a", fingerprint=whole))
    assert f"({whole[7:15]})" in said and "sha256" not in said


def test_what_changed_of_a_policy_is_named_and_what_did_not_is_not() -> None:
    before = GatePolicy(streams=("a/b", "a/c"))
    after = GatePolicy(green_days=13, streams=("a/b", "a/d"), fact_valid_days=(("rollback_drill", 30),))
    assert changes(before.terms(), before.terms()) == ""
    told = "fact_valid_days -rollback_drill=90 +rollback_drill=30; green_days 14 → 13; streams -a/c +a/d"
    assert changes(before.terms(), after.terms()) == told


@pytest.fixture
def project(tmp_path: Path) -> Project:
    """A project with one green day whose gate asks for 13 days since its policy was recorded."""
    project = lived(tmp_path / "project", days=1)
    told = YAML(typ="safe").load(project.folder / "project.yaml")
    told["indexes"][INDEX]["gate"] = {"green_days": 13}
    write(project.folder / "project.yaml", told)
    return load(project.folder)


def status(project: Project) -> str:
    return CliRunner().invoke(app, ["gate", "status", INDEX, "--project", str(project.folder), "--lang", "en"]).stdout


def test_a_changed_policy_is_told_by_the_terms_that_changed(project: Project) -> None:
    assert "- The gate policy is not the recorded one: green_days 14 → 13. Recording it starts the count again." in status(project)


def test_where_the_ledger_holds_no_terms_a_changed_policy_is_told_by_two_short_fingerprints(project: Project) -> None:
    """Rows of before terms were written down."""
    own, other = gate_policy(project, INDEX).fingerprint(), GatePolicy(green_days=20).fingerprint()
    ledger = ledger_of(project)
    ledger.push([policy_entry(INDEX, other, environment_of(project), "wall", WallClock().now())])
    assert recorded_terms(ledger.read(), INDEX) is None
    said = status(project)
    assert f"The gate policy ({own[7:15]}) is not the recorded one ({other[7:15]})." in said and "sha256" not in said
