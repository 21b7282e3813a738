"""The fortnight of the demo: how it says what was not as its script has it, and (soak) all twenty-four days of it to the promotion."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from soaking import rounds

from connectors.errors import AnswerIsNo
from infra.sandbox import process
from pipelines.cli.demo_days import as_the_script_says
from pipelines.cli.simulate import expectation

ROOT = Path(__file__).resolve().parents[3]
INDEX = "product-support"
DAYS = 24
MET = {
    "day": 16,
    "index": INDEX,
    "green_days": 8,
    "eligibility": "ineligible",
    "found": 8,
    "found_eligibility": "ineligible",
    "holds": True,
}
CLOSED = {
    "day": 22,
    "index": INDEX,
    "green_days": None,
    "eligibility": "eligible",
    "found": 14,
    "found_eligibility": "ineligible",
    "holds": False,
}


def told(*expected: dict[str, Any], refused: tuple[dict[str, str], ...] = ()) -> dict[str, Any]:
    return {"home": "/home", "expected": list(expected), "days": [{"day": 23, "refused": list(refused)}]}


def test_an_index_that_is_not_eligible_though_its_days_are_green_is_told_by_its_word_and_not_by_its_days() -> None:
    with pytest.raises(AnswerIsNo, match="After day 22") as wrong:
        as_the_script_says(told(MET, CLOSED), "en")
    assert "otherwise: eligible; it was: ineligible" in wrong.value.say()
    assert wrong.value.exit_code == 1


def test_a_promotion_that_the_gate_refused_ends_the_demo_with_no() -> None:
    with pytest.raises(AnswerIsNo, match="On day 23") as wrong:
        as_the_script_says(told(MET, refused=({"do": "decide.promote", "code": "decide.not_eligible", "message": "…"},)), "en")
    assert "two people signed for production" in wrong.value.say()


def test_days_as_the_script_has_them_end_well() -> None:
    as_the_script_says(told(MET), "en")


def test_what_was_expected_is_said_in_the_readers_language() -> None:
    assert expectation(MET, "en") == ("8 green days, ineligible", "8 green days, ineligible")
    assert expectation(CLOSED, "ja")[0] != expectation(CLOSED, "en")[0]


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[dict[str, Any]]:
    """The command itself on the streams of the example's index. Its questions are held to a lower target: how well they are answered is
    another test's matter."""
    project = tmp_path_factory.mktemp("demo") / "project"
    shutil.copytree(ROOT / "infra/project", project, ignore=shutil.ignore_patterns(".fortnight", "data", ".env"))
    yaml = YAML()
    content = yaml.load((project / "project.yaml").read_text(encoding="utf-8"))
    content["indexes"][INDEX]["evaluation"]["recall_at_5"] = 0.75
    with (project / "project.yaml").open("w", encoding="utf-8") as target:
        yaml.dump(content, target)
    wanted = set(content["indexes"][INDEX]["streams"])
    for contract in (project / "contracts").rglob("*.yaml"):
        if contract.relative_to(project / "contracts").with_suffix("").as_posix() not in wanted:
            contract.unlink()
    asked = ["demo", "--project", str(project), "--days", str(rounds(DAYS)), "--no-ui", "--port", "0", "--json"]
    try:
        done = subprocess.run([sys.executable, "-m", "pipelines.cli", *asked], cwd=ROOT, capture_output=True, text=True, check=False)
    finally:
        process.down(project / ".fortnight/simulated/.fortnight/sandbox")
    assert done.returncode == 0, done.stderr
    yield json.loads(done.stdout.splitlines()[-1])


@pytest.mark.soak
def test_every_day_ends_as_the_rules_say(demo: dict[str, Any]) -> None:
    assert [one for one in demo["expected"] if not one["holds"]] == []
    counts = {day["day"]: day["gate"][0]["green_days"] for day in demo["days"]}
    assert counts == {day: green for day, green in _rules().items() if day <= rounds(DAYS)}
    assert all(day["refused"] == [] for day in demo["days"])


@pytest.mark.soak
def test_two_people_promote_on_the_morning_of_day_23_and_the_first_days_are_reviewed(demo: dict[str, Any]) -> None:
    if rounds(DAYS) < DAYS:
        assert demo["promoted"] == [], "no index is promoted before its fortnight is over"
        return
    states = {day["day"]: day["gate"][0]["eligibility"] for day in demo["days"]}
    assert (states[16], states[21], states[22]) == ("ineligible", "ineligible", "eligible")
    (promoted,) = demo["promoted"]
    assert promoted["signed_by"] == "kenta.suzuki, akari.mori"
    assert set(promoted["reviews_due"]) == set(promoted["reviewed"])


def _rules() -> dict[int, int]:
    """Green days in a row after each day: red on day 4 (a rename that waits), missing on day 8 (no tick in its slot)."""
    found, row = dict[int, int](), 0
    for day in range(1, DAYS + 1):
        row = 0 if day in (4, 8) else row + 1
        found[day] = row
    return found
