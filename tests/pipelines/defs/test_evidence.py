"""From a real pull in a real Dagster instance to a sealed day: what the witness reads, and what the sealer makes of it."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from dagster_inside import daemon_of, tick_schedules
from small_project import CUSTOMERS, FAQ, write_env, write_project

from connectors.errors import AnswerIsNo
from infra.sandbox import process
from pipelines.cli.launch import run_job
from pipelines.clock import FixedClock, WallClock
from pipelines.defs.instance import instance_of
from pipelines.defs.seal import seal_project
from pipelines.defs.witness import witness
from pipelines.evidence.errors import ClockWentBack, LedgerBusy
from pipelines.evidence.lease import leased
from pipelines.evidence.plan import book_of, claims_of, ledger_of
from pipelines.evidence.seals import Seal
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load
from pipelines.pull.outcome import Progress, silent

#: Rules that the live customers cannot meet: the credit limit of some is empty.
UNMEETABLE = CUSTOMERS | {
    "expectations": [{"expect": "expect_column_values_to_not_be_null", "column": "credit_limit", "severity": "critical"}]
}


@dataclass(frozen=True)
class Today:
    """The day these tests live, with a slot on its first second: pulls run on the wall clock, as they do in production."""

    zone: str
    opens_at: datetime

    @property
    def project(self) -> dict[str, Any]:
        return {"timezone": self.zone, "schedule": {"hour": 0, "minute": 0}}

    @property
    def key(self) -> str:
        return self.opens_at.date().isoformat()

    @property
    def after_it_closed(self) -> FixedClock:
        return FixedClock(self.opens_at + timedelta(days=1, hours=1, minutes=10), kind="wall")


@pytest.fixture
def today() -> Today:
    """In Tokyo, or in London when Tokyo's day is about to end under the test."""
    zone = "Asia/Tokyo" if datetime.now(ZoneInfo("Asia/Tokyo")).hour < 23 else "Europe/London"
    return Today(zone, datetime.now(ZoneInfo(zone)).replace(hour=0, minute=0, second=0, microsecond=0))


@pytest.fixture
def broken_kintone(kintone: Path) -> Iterator[Path]:
    """The shared kintone for a test that breaks its answers; whole again afterwards."""
    yield kintone
    process.control(kintone, "heal", {}, server="kintone")


def live_the_slot(folder: Path, today: Today) -> Project:
    """Dagster's own scheduler comes to the slot, and its run ends."""
    with daemon_of(folder) as daemon:
        tick_schedules(daemon, today.opens_at - timedelta(seconds=30), today.opens_at + timedelta(seconds=1))
    return load(folder)


def sealed(project: Project, today: Today) -> dict[str, Seal]:
    with instance_of(project) as instance:
        return {seal.stream: seal for seal in seal_project(project, instance, today.after_it_closed)}


def codes(seal: Seal) -> set[str]:
    return {reason.code for reason in seal.reasons}


def only_run(project: Project) -> dg.DagsterRun:
    with instance_of(project) as instance:
        (run,) = instance.get_runs()
    return run


def test_a_pull_launched_by_the_schedule_makes_its_day_green(tmp_path: Path, kintone: Path, today: Today) -> None:
    project = live_the_slot(write_project(tmp_path, CUSTOMERS, home=kintone, **today.project), today)
    (claim,) = claims_of(project).read()
    run = only_run(project)
    assert run.tags["dagster/partition"] == today.key
    assert (claim.trigger, claim.run_id, claim.day.isoformat(), claim.slot) == ("schedule", run.run_id, today.key, today.opens_at)
    seal = sealed(project, today)["kintone/customers"]
    assert (seal.verdict, seal.day.isoformat(), seal.reasons) == ("green", today.key, ())
    assert ledger_of(project).verify().ok


def test_a_sandbox_endpoint_never_makes_a_day_green_in_production(tmp_path: Path, kintone: Path, today: Today) -> None:
    project = live_the_slot(write_project(tmp_path, CUSTOMERS, home=kintone, environment="production", **today.project), today)
    (claim,) = claims_of(project).read()
    assert claim.outcome == "succeeded"
    assert claim.endpoint.sandbox
    seal = sealed(project, today)["kintone/customers"]
    assert seal.verdict == "missing"
    assert "seal.sandbox_endpoint" in codes(seal)


def test_a_run_started_by_hand_is_recorded_and_the_day_is_missing_all_the_same(tmp_path: Path, kintone: Path, today: Today) -> None:
    project = load(write_project(tmp_path, CUSTOMERS, home=kintone, **today.project))
    with instance_of(project) as instance:
        assert run_job(project, "pull_kintone", WallClock(), silent, partition=today.key, instance=instance).success
    (claim,) = claims_of(project).read()
    assert (claim.trigger, claim.outcome, claim.run_id) == ("manual", "succeeded", only_run(project).run_id)
    seal = sealed(project, today)["kintone/customers"]
    assert seal.verdict == "missing"
    assert codes(seal) == {"seal.slot_missed", "seal.manual"}
    (kept,) = [row.entry for row in ledger_of(project).read(kinds=("evidence",))]
    assert (kept.pull_id, kept.verdict) == (claim.pull_id, "not_counted")


def test_the_seal_job_seals_a_closed_day_once_and_shows_it_as_a_table(tmp_path: Path, kintone: Path, today: Today) -> None:
    project = live_the_slot(write_project(tmp_path, CUSTOMERS, home=kintone, **today.project), today)
    with instance_of(project) as instance:
        first, second = (run_job(project, "seal", today.after_it_closed, silent, instance=instance) for _ in range(2))
    assert first.success
    assert second.success
    (made,) = first.asset_materializations_for_node("evidence__ledger")
    assert [record.data for record in made.metadata["table"].records] == [
        {"stream": "kintone/customers", "day": today.key, "verdict": "green", "reasons": ""}
    ]
    (again,) = second.asset_materializations_for_node("evidence__ledger")
    assert again.metadata["sealed"].value == 0
    assert again.metadata["head"] == made.metadata["head"]


def test_a_job_run_in_this_process_lives_under_the_clock_it_was_given_and_tells_its_steps(
    tmp_path: Path, kintone: Path, today: Today
) -> None:
    project = load(write_project(tmp_path, CUSTOMERS, home=kintone, **today.project))
    noon, told = FixedClock(today.opens_at + timedelta(hours=12)), list[Progress]()
    with instance_of(project) as instance:
        assert run_job(project, "pull_kintone", noon, told.append, partition=today.key, instance=instance).success
    (claim,) = claims_of(project).read()
    assert (claim.clock, claim.started_at, claim.finished_at) == ("simulated", noon.at, noon.at)
    assert {progress.stream for progress in told} == {"kintone/customers"}
    assert [progress.step for progress in told][-1] == "publish"


def test_a_run_by_hand_that_wears_the_tags_of_a_schedule_stands_in_no_tick(tmp_path: Path, kintone: Path, today: Today) -> None:
    folder = write_project(tmp_path, CUSTOMERS, home=kintone, **today.project)
    with daemon_of(folder) as daemon:
        repository = next(iter(daemon.create_request_context().code_locations)).get_repositories()
        assert repository  # the location loaded; nothing ticks
        from pipelines.definitions import defs

        forged = {
            "dagster/schedule_name": "pull_kintone_daily",
            "dagster/tick": "1",
            ".dagster/scheduled_execution_time": today.opens_at.isoformat(),
        }
        assert (
            defs.resolve_job_def("pull_kintone").execute_in_process(instance=daemon.instance, partition_key=today.key, tags=forged).success
        )
    project = load(folder)
    (claim,) = claims_of(project).read()
    assert claim.trigger == "schedule"
    seal = sealed(project, today)["kintone/customers"]
    assert seal.verdict == "missing"
    assert "seal.not_in_tick" in codes(seal)
    assert [row.entry.kind for row in ledger_of(project).read(kinds=("finding",))] == ["finding"]


def test_a_stream_that_fails_its_rules_is_red_and_its_neighbour_in_the_same_run_is_green(
    tmp_path: Path, kintone: Path, today: Today
) -> None:
    project = live_the_slot(write_project(tmp_path, UNMEETABLE, FAQ, home=kintone, **today.project), today)
    assert only_run(project).status == dg.DagsterRunStatus.FAILURE
    seals = sealed(project, today)
    assert seals["kintone/customers"].verdict == "red"
    assert "seal.check_failed" in codes(seals["kintone/customers"])
    assert (seals["kintone/faq"].verdict, seals["kintone/faq"].reasons) == ("green", ())


def test_a_failing_check_shows_its_table_and_the_step_says_the_sentence(tmp_path: Path, kintone: Path, today: Today) -> None:
    project = load(write_project(tmp_path, UNMEETABLE, home=kintone, **today.project))
    with instance_of(project) as instance:
        result = run_job(project, "pull_kintone", WallClock(), silent, partition=today.key, instance=instance)
    assert not result.success
    (values,) = [check for check in result.get_asset_check_evaluations() if check.check_name == "values"]
    assert not values.passed
    assert values.severity == dg.AssetCheckSeverity.ERROR
    rows = [record.data for record in values.metadata["table"].records]
    assert {row["verdict"] for row in rows if row["column"] == "credit_limit"} == {"FAIL"}
    assert set(rows[0]) == {"expectation", "column", "expected", "observed", "verdict"}
    said = step_failure(project, result.dagster_run)
    assert "the check values failed" in said
    assert "Nothing was published" in said


def test_wrong_credentials_are_said_in_a_sentence_and_never_tried_again(tmp_path: Path, kintone: Path, today: Today) -> None:
    folder = write_project(tmp_path, CUSTOMERS, home=kintone, **today.project)
    env = (folder / ".env").read_text(encoding="utf-8").splitlines()
    secret = next(line.partition("=")[2] for line in env if line.startswith("KINTONE_PASSWORD="))
    (folder / ".env").write_text(
        "\n".join("KINTONE_PASSWORD=geheim" if line.startswith("KINTONE_PASSWORD=") else line for line in env), encoding="utf-8"
    )
    project = live_the_slot(folder, today)
    run = only_run(project)
    assert run.status == dg.DagsterRunStatus.FAILURE
    assert run.tags.get("dagster/will_retry") != "true"
    with instance_of(project) as instance:
        logs = instance.all_logs(run.run_id)
    said = step_failure(project, run)
    assert "refused the login name or password" in said
    assert "Check the login" in said
    assert not [entry for entry in logs if secret in str(entry) or "geheim" in str(entry)]
    assert len(claims_of(project).read()) == 1
    seal = sealed(project, today)["kintone/customers"]
    assert seal.verdict == "red"
    assert "seal.pull_failed" in codes(seal)


def test_a_slot_that_finds_a_pull_by_hand_in_its_way_waits_for_it_and_the_day_is_green(
    tmp_path: Path, kintone: Path, today: Today, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.defs.assets.WAITS", (0, 0))
    folder = write_project(tmp_path, CUSTOMERS, home=kintone, **today.project)
    writing, refused = Warehouse.writing, [0]

    def first_in_the_way(self: Warehouse, stream: str, by: str = "") -> Any:
        if not refused[0]:
            refused[0] += 1
            raise AnswerIsNo("landing.busy", stream=stream)
        return writing(self, stream, by)

    monkeypatch.setattr(Warehouse, "writing", first_in_the_way)
    project = live_the_slot(folder, today)
    seal = sealed(project, today)["kintone/customers"]
    assert (refused, seal.verdict, seal.healed) == ([1], "green", 1)


def test_a_source_that_was_down_at_its_slot_is_asked_again_in_the_same_run_and_the_day_shows_as_healed(
    tmp_path: Path, broken_kintone: Path, today: Today, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.defs.assets.WAITS", (0, 0))
    folder = write_project(tmp_path, CUSTOMERS, home=broken_kintone, **today.project)
    # Longer than the connector's own patience with one request, shorter than a second try.
    process.control(broken_kintone, "fault", {"kind": "503", "count": 5, "path": "record"}, server="kintone")
    project = live_the_slot(folder, today)
    assert only_run(project).status == dg.DagsterRunStatus.SUCCESS
    first, second = claims_of(project).read()
    assert (first.outcome, second.outcome) == ("failed", "succeeded")
    assert first.run_id == second.run_id
    seal = sealed(project, today)["kintone/customers"]
    assert (seal.verdict, codes(seal), seal.healed) == ("green", {"seal.healed"}, 1)


def test_a_source_that_stays_down_ends_the_run_with_its_sentence_and_the_day_red(
    tmp_path: Path, broken_kintone: Path, today: Today, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pipelines.defs.assets.WAITS", (0,))
    folder = write_project(tmp_path, CUSTOMERS, home=broken_kintone, **today.project)
    write_env(folder, process.environment(broken_kintone) | {"KINTONE_URL": "https://localhost:1"})
    project = live_the_slot(folder, today)
    run = only_run(project)
    assert run.status == dg.DagsterRunStatus.FAILURE
    assert "did not answer in" in step_failure(project, run)
    assert [claim.outcome for claim in claims_of(project).read()] == ["failed", "failed"]
    assert sealed(project, today)["kintone/customers"].verdict == "red"


def test_a_missing_secret_is_a_sentence_and_not_a_traceback(tmp_path: Path, kintone: Path, today: Today) -> None:
    folder = write_project(tmp_path, CUSTOMERS, home=kintone, **today.project)
    write_env(folder, {name: value for name, value in process.environment(kintone).items() if name != "KINTONE_PASSWORD"})
    project = live_the_slot(folder, today)
    said = step_failure(project, only_run(project))
    assert said.startswith("The environment variable KINTONE_PASSWORD is not set; systems.kintone.auth.password.password refers to it.")
    assert claims_of(project).read() == ()


def test_a_backfill_of_three_days_is_one_run_whose_claim_says_backfill(tmp_path: Path, kintone: Path, today: Today) -> None:
    project = load(write_project(tmp_path, CUSTOMERS, home=kintone, **today.project))
    with instance_of(project) as instance:
        result = run_job(
            project,
            "pull_kintone",
            WallClock(),
            silent,
            span=("2026-11-01", "2026-11-03"),
            streams=("kintone/customers",),
            instance=instance,
        )
        assert result.success
        assert len(instance.get_runs()) == 1
        assert set(instance.get_materialized_partitions(dg.AssetKey(["kintone", "customers"]))) == {
            "2026-11-01",
            "2026-11-02",
            "2026-11-03",
        }
    (claim,) = claims_of(project).read()
    assert (claim.trigger, claim.slot) == ("backfill", None)
    seal = sealed(project, today)["kintone/customers"]
    assert seal.verdict == "missing"
    assert "seal.backfill" in codes(seal)


def test_the_witness_counts_a_planned_check_as_planned_and_never_as_passed(tmp_path: Path, kintone: Path, today: Today) -> None:
    """Every check after the one that failed was planned and never judged."""
    project = live_the_slot(write_project(tmp_path, UNMEETABLE, home=kintone, **today.project), today)
    with instance_of(project) as instance:
        seen = witness(project, instance, today.opens_at)
    (run,) = seen.runs
    assert (run.status, run.failed_streams, run.backfill) == ("failed", ("kintone/customers",), False)
    (tick,) = seen.ticks
    assert (tick.kind, tick.name, tick.at, tick.run_ids) == ("schedule", "pull_kintone_daily", today.opens_at, (run.run_id,))
    facts = {fact.name: (fact.status, fact.passed) for fact in seen.checks}
    assert facts == {
        "drift": ("succeeded", True),
        "schema": ("succeeded", True),
        "access": ("succeeded", True),
        "values": ("failed", False),
        "bands": ("planned", None),
        "balance": ("planned", None),
    }


def test_posts_to_the_webserver_without_any_run_change_nothing_and_stand_in_the_ledger_as_findings(
    tmp_path: Path, kintone: Path, today: Today
) -> None:
    """The webserver takes them from anybody: that is its own code here, over the project's instance."""
    from dagster_webserver.app import create_app_from_workspace_process_context
    from starlette.testclient import TestClient

    folder = write_project(tmp_path, CUSTOMERS, FAQ, home=kintone, indexes={"support": {"streams": ["kintone/faq"]}}, **today.project)
    with daemon_of(folder) as daemon:
        browser = TestClient(create_app_from_workspace_process_context(daemon))
        for name in ("drift", "schema", "access", "values", "bands", "balance"):
            assert browser.post("/report_asset_check/kintone/customers", params={"check_name": name, "passed": "true"}).status_code == 200
        for asset in ("kintone/customers", "production/support", "evidence/ledger"):
            assert browser.post(f"/report_asset_materialization/{asset}", params={"partition": today.key}).status_code == 200
        tick_schedules(daemon, today.opens_at - timedelta(seconds=30), today.opens_at + timedelta(seconds=1))
    project = load(folder)
    found = sealed(project, today)
    assert {stream: seal.verdict for stream, seal in found.items()} == {"kintone/customers": "green", "kintone/faq": "green"}
    findings = [row.entry for row in ledger_of(project).read(kinds=("finding",))]
    assert {entry.reasons[0].code for entry in findings} == {"seal.runless_event"}
    assert sorted((entry.subject, entry.reasons[0].params["kind"]) for entry in findings) == [
        ("evidence/ledger", "materialization"),
        *[("kintone/customers", "check")] * 6,
        ("kintone/customers", "materialization"),
        ("production/support", "materialization"),
    ]


def test_a_second_sealer_is_refused_and_a_clock_set_back_a_year_writes_nothing(tmp_path: Path, kintone: Path, today: Today) -> None:
    project = live_the_slot(write_project(tmp_path, CUSTOMERS, home=kintone, **today.project), today)
    with leased(project.root, "another:1", today.after_it_closed), pytest.raises(LedgerBusy, match="another:1 is sealing"):
        sealed(project, today)
    assert sealed(project, today)["kintone/customers"].verdict == "green"
    head = ledger_of(project).head()
    with instance_of(project) as instance, pytest.raises(ClockWentBack, match="before the last seal"):
        seal_project(project, instance, FixedClock(today.after_it_closed.at - timedelta(days=365), kind="wall"))
    assert ledger_of(project).head() == head


def test_evidence_outlives_every_run_of_dagster_and_the_machine_it_was_made_on(tmp_path: Path, kintone: Path, today: Today) -> None:
    project = live_the_slot(write_project(tmp_path / "here", CUSTOMERS, home=kintone, **today.project), today)
    sealed(project, today)
    with instance_of(project) as instance:
        for run in instance.get_runs():
            instance.delete_run(run.run_id)
    other = tmp_path / "there"
    shutil.copytree(project.folder, other, ignore=shutil.ignore_patterns(".fortnight"))
    moved = load(other)
    assert book_of(moved).head == ledger_of(project).head()
    assert sealed(moved, today) == {}, "what is sealed stays sealed, though the new instance knows no run of it"
    assert [row.entry.verdict for row in ledger_of(moved).read(kinds=("seal",))] == ["green"]


def step_failure(project: Project, run: dg.DagsterRun) -> str:
    """What the one failed step of a run says to the operator."""
    with instance_of(project) as instance:
        events = [entry.dagster_event for entry in instance.all_logs(run.run_id) if entry.dagster_event]
    (failure,) = [event for event in events if event.is_step_failure]
    return str(failure.step_failure_data.user_failure_data.description)
