"""Days lived by the command itself: a rename, a forged check, an outage healed in the run, a missed slot; stopped half-way and gone on with."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ruamel.yaml import YAML
from typer.testing import CliRunner

from infra.sandbox import process
from pipelines.cli.main import app
from pipelines.evidence.chain import Entry
from pipelines.evidence.decisions import terms_of
from pipelines.evidence.plan import book_of, claims_of, ledger_of
from pipelines.project import load
from pipelines.simulation.home import Note, keep, note_of

ROOT = Path(__file__).resolve().parents[3]
START = "2026-11-02"
STREAM = "kintone/faq"
SCRIPT = """
steps:
  - {day: 2, at: "03:00", do: break, system: kintone, name: rename-field, given: {app: FAQ, field: 回答, to: 答え}}
  - {day: 2, at: "14:00", do: forge_check, stream: kintone/faq, check: drift}
  - {day: 3, at: "04:00", do: accept, stream: kintone/faq, by: akari.mori@sakura-seiki.example, why: renamed by its owner}
  - {day: 3, at: "04:30", do: accept, stream: kintone/faq, by: kenta.suzuki@sakura-seiki.example, why: seen and agreed}
  - {day: 3, at: "04:40", do: decide, what: accept, of: kintone/faq, by: [akari.mori, kenta.suzuki], why: seen and agreed}
  - {day: 3, at: "04:58", do: outage, system: kintone, minutes: 5}
  - {day: 4, at: "04:00", do: switch_off}
  - {day: 4, at: "09:00", do: switch_on}
  - {day: 4, at: "10:00", do: launch, system: kintone}
  - {day: 4, at: "11:00", do: backfill, stream: kintone/faq, first: 4, last: 4}
  - {day: 5, at: "03:00", do: crash, system: kintone}
"""


@dataclass(frozen=True)
class Told:
    home: Path
    stopped: subprocess.CompletedProcess[str]
    resumed: subprocess.CompletedProcess[str]

    def rows(self, kind: Any) -> list[Entry]:
        return [row.entry for row in ledger_of(load(self.home)).read(kinds=(kind,), subjects=(STREAM,))]


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Told]:
    """Five days of one stream: interrupted after the first, then gone on with."""
    folder = tmp_path_factory.mktemp("simulated")
    project, script = folder / "project", folder / "script.yaml"
    (project / "contracts" / "kintone").mkdir(parents=True)
    yaml = YAML()
    content = yaml.load((ROOT / "infra/project/project.yaml").read_text(encoding="utf-8"))
    content["systems"] = {"kintone": content["systems"]["kintone"]}
    content["indexes"] = {}
    with (project / "project.yaml").open("w", encoding="utf-8") as target:
        yaml.dump(content, target)
    contract = (ROOT / "infra/project/contracts/kintone/faq.yaml").read_text(encoding="utf-8")
    (project / "contracts/kintone/faq.yaml").write_text(contract, encoding="utf-8")
    shutil.copy(ROOT / "infra/project/people.yaml", project / "people.yaml")
    script.write_text(SCRIPT, encoding="utf-8")
    asked = ["--project", str(project), "--script", str(script), "--home", str(folder / "home"), "--lang", "en"]
    first = subprocess.Popen(
        [sys.executable, "-m", "pipelines.cli", "simulate", *asked, "--days", "5", "--start", START, "--port", "0"],
        cwd=ROOT,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    assert first.stdout is not None
    said: list[str] = []
    for text in first.stdout:
        said.append(text)
        if text.startswith("day  1"):
            first.send_signal(signal.SIGINT)
            break
    out, err = first.communicate(timeout=300)
    stopped = subprocess.CompletedProcess(first.args, first.returncode, "".join(said) + out, err)
    again = [sys.executable, "-m", "pipelines.cli", "simulate", *asked, "--resume", "--json"]
    resumed = subprocess.run(again, cwd=ROOT, capture_output=True, text=True, check=False, timeout=600)
    yield Told(folder / "home", stopped, resumed)
    process.down(folder / "home" / ".fortnight" / "sandbox")


@pytest.mark.parametrize(
    "late",
    ["steps: [{day: 3, at: '05:00', do: switch_off}]", "expect: [{day: 3, index: support, green_days: 3}]"],
    ids=["step", "expectation"],
)
def test_what_a_script_says_of_a_day_that_is_not_lived_is_refused_before_an_earlier_simulation_makes_way(tmp_path: Path, late: str) -> None:
    script, home = tmp_path / "script.yaml", tmp_path / "home"
    script.write_text(late + "\n", encoding="utf-8")
    home.mkdir()
    keep(home, Note(start=START, days=2, script="", cursor=START))
    asked = ["--project", str(ROOT / "infra/project"), "--script", str(script), "--home", str(home), "--days", "2", "--port", "0"]
    said = CliRunner().invoke(app, ["simulate", *asked, "--lang", "en"])
    assert said.exit_code == 2
    assert "on day 3, but only 2 days are lived" in said.stderr
    assert note_of(home) is not None


@pytest.mark.parametrize("inside", ["", "deeper"], ids=["file", "below a file"])
def test_a_home_that_cannot_be_a_folder_is_refused_in_a_sentence(tmp_path: Path, inside: str) -> None:
    (tmp_path / "taken").write_text("mine", encoding="utf-8")
    asked = ["--project", str(ROOT / "infra/project"), "--home", str(tmp_path / "taken" / inside), "--days", "1", "--port", "0"]
    said = CliRunner().invoke(app, ["simulate", *asked, "--lang", "en"])
    assert said.exit_code == 2
    assert "No simulation can be made at" in said.stderr
    assert (tmp_path / "taken").read_text(encoding="utf-8") == "mine"


def test_ctrl_c_ends_between_two_slots_and_says_how_to_go_on(lived: Told) -> None:
    assert lived.stopped.returncode == 4, lived.stopped.stderr
    assert "simulate --resume" in lived.stopped.stderr
    assert f"day  1 {START} kintone G" in lived.stopped.stdout


def test_the_days_that_were_left_are_lived_and_each_is_what_the_rules_make_of_it(lived: Told) -> None:
    assert lived.resumed.returncode == 0, lived.resumed.stderr
    told = json.loads(lived.resumed.stdout)
    assert (told["clock"], told["environment"]) == ("simulated", "sandbox")
    assert [(day["day"], day["seals"][STREAM]) for day in told["days"]] == [
        (1, "green"),
        (2, "red"),
        (3, "green"),
        (4, "missing"),
        (5, "green"),
    ]


def test_a_forged_check_leaves_the_day_of_the_rename_red(lived: Told) -> None:
    (seal,) = [row for row in lived.rows("seal") if str(row.day) == "2026-11-03"]
    assert "seal.drift_waiting" in {reason.code for reason in seal.reasons}


def test_an_outage_over_the_slot_is_healed_by_the_runs_own_second_try(lived: Told) -> None:
    (seal,) = [row for row in lived.rows("seal") if str(row.day) == "2026-11-04"]
    assert seal.verdict == "green"
    assert "seal.healed" in {reason.code for reason in seal.reasons}
    tries = [claim for claim in claims_of(load(lived.home)).read() if str(claim.day) == "2026-11-04"]
    assert [claim.outcome for claim in tries] == ["failed", "succeeded"]
    assert (tries[1].started_at - tries[0].started_at).total_seconds() >= 300, "the clock passed the wait, nobody sat through it"


def test_a_run_whose_worker_died_is_healed_by_the_retry_of_dagsters_daemon(lived: Told) -> None:
    (seal,) = [row for row in lived.rows("seal") if str(row.day) == "2026-11-06"]
    assert seal.verdict == "green"
    assert [(reason.code, reason.params.get("attempts")) for reason in seal.reasons if reason.code == "seal.healed"] == [("seal.healed", 2)]
    (kept,) = [row for row in lived.rows("evidence") if str(row.day) == "2026-11-06"]
    assert (kept.trigger, kept.verdict) == ("retry", "counted")
    assert kept.run_id != kept.root_run_id


def test_neither_a_run_by_hand_nor_a_backfill_fills_a_missed_slot(lived: Told) -> None:
    kept = [row for row in lived.rows("evidence") if str(row.day) == "2026-11-05"]
    assert {(row.trigger, row.verdict) for row in kept} == {("manual", "not_counted"), ("backfill", "not_counted")}


def test_the_gate_is_told_of_the_new_contract_by_two_people_with_keys_of_the_simulation(lived: Told) -> None:
    project = load(lived.home)
    book = book_of(project)
    accepted = [row for row in book.rows if row.entry.verdict == "accept"]
    assert [row.entry.actor for row in accepted if book.signatures(row)] == ["akari.mori", "kenta.suzuki"]
    assert {row.entry.clock for row in accepted} == {"simulated"}
    terms = terms_of(accepted[1].entry, "decision.contract_accepted")
    assert terms is not None
    assert terms["after"] == project.contract(STREAM).fingerprint() != terms["before"]


def test_everything_is_marked_by_the_clock_of_the_process_and_the_chain_holds(lived: Told) -> None:
    project = load(lived.home)
    rows = ledger_of(project).read()
    assert {row.entry.clock for row in rows} == {"simulated"}
    assert {row.entry.environment for row in rows} == {"sandbox"}
    assert {claim.clock for claim in claims_of(project).read()} == {"simulated"}
    assert ledger_of(project).verify().ok


def test_the_days_stand_in_dagster_at_their_own_instants_with_their_partitions(lived: Told) -> None:
    import dagster as dg

    from pipelines.defs.instance import instance_of

    project = load(lived.home)
    with instance_of(project) as instance:
        partitions = instance.get_materialized_partitions(dg.AssetKey(["kintone", "faq"]))
        (daily,) = [state for state in instance.all_instigator_state() if state.origin.instigator_name == "pull_kintone_daily"]
        ticks = instance.get_ticks(daily.instigator_origin_id, daily.selector_id)
    # Day 4 was filled by hand and by the backfill: Dagster shows it, the seal knows better.
    assert partitions == {"2026-11-02", "2026-11-04", "2026-11-05", "2026-11-06"}
    assert len({tick.timestamp for tick in ticks if tick.run_ids}) == 4
