"""The alerts sensor: what it finds in ledger and runs since it last looked, and that nothing it meets ends a tick badly."""

from __future__ import annotations

import json
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import dagster as dg
import pytest
from small_project import CUSTOMERS, definitions_of, write_project

from connectors.errors import FixConfiguration
from pipelines.clock import WallClock
from pipelines.defs.alerts import sweep
from pipelines.evidence.chain import Entry
from pipelines.evidence.errors import LedgerBroken
from pipelines.evidence.ledger import Ledger
from pipelines.evidence.plan import ledger_of
from pipelines.evidence.reasons import reason
from pipelines.landing.published import open_store
from pipelines.project import Project, load

CHANNELS = {"ui": "https://dagster.example", "channels": {"ops": {"kind": "teams", "url": {"env": "NO_SUCH_VARIABLE"}}}}


@pytest.fixture
def project(tmp_path: Path) -> Project:
    indexes = {"support": {"streams": ["kintone/customers"]}}
    return load(write_project(tmp_path, CUSTOMERS, alerts=CHANNELS, indexes=indexes))


@pytest.fixture
def instance() -> Iterator[dg.DagsterInstance]:
    with dg.DagsterInstance.ephemeral() as opened:
        yield opened


def failed(instance: dg.DagsterInstance, **tags: str) -> None:
    told = {name.replace("__", "/"): value for name, value in tags.items()}
    instance.add_run(dg.DagsterRun(job_name="pull_kintone", status=dg.DagsterRunStatus.FAILURE, tags=told))


def due(project: Project) -> list[str]:
    """The kinds of what waits to be sent."""
    import obstore

    store = open_store(project.root)
    paths = [str(meta["path"]) for chunk in obstore.list(store, prefix="alerts/due") for meta in chunk]
    return sorted(json.loads(bytes(obstore.get(store, path).bytes()))["event"]["kind"] for path in paths)


def finding() -> Entry:
    said = (reason("seal.runless", pull_id="p-1"),)
    return Entry(kind="finding", environment="sandbox", clock="wall", subject="kintone/customers", day=date(2026, 11, 20), reasons=said)


def test_what_lies_before_the_first_look_is_nobodys_news(project: Project, instance: dg.DagsterInstance) -> None:
    ledger_of(project).push([finding()])
    assert sweep(project, instance, WallClock()) == 0
    assert sweep(project, instance, WallClock()) == 0


def test_a_finding_is_told_once(project: Project, instance: dg.DagsterInstance) -> None:
    sweep(project, instance, WallClock())
    ledger_of(project).push([finding()])
    assert [sweep(project, instance, WallClock()) for _ in range(2)] == [1, 0]
    assert due(project) == ["security_finding"]


@pytest.mark.parametrize("unreadable", ["head", "read"])
def test_a_ledger_that_does_not_hold_is_told_and_what_was_not_read_is_told_when_it_holds_again(
    project: Project, instance: dg.DagsterInstance, monkeypatch: pytest.MonkeyPatch, unreadable: str
) -> None:
    sweep(project, instance, WallClock())
    ledger_of(project).push([finding()])

    def broken(*_: object, **__: object) -> None:
        raise LedgerBroken("ledger.broken", seq=1, why="two rows under one number")

    with monkeypatch.context() as patched:
        patched.setattr(Ledger, unreadable, broken)
        failed(instance, dagster__schedule_name="pull_kintone_daily")
        assert sweep(project, instance, WallClock()) == 2
        assert due(project) == ["run_failed", "security_finding"], "no other source of news is hidden by it"
        assert sweep(project, instance, WallClock()) == 0, "once a day"
    assert sweep(project, instance, WallClock()) == 1
    assert due(project) == ["run_failed", "security_finding", "security_finding"]


def test_a_file_of_the_project_that_is_none_is_said_and_hides_no_failed_run(project: Project, instance: dg.DagsterInstance) -> None:
    sweep(project, instance, WallClock())
    ledger_of(project).push([finding()])
    (project.folder / "calendar.yaml").write_text("years: [", encoding="utf-8")
    failed(instance, dagster__schedule_name="seal_daily")
    with pytest.raises(FixConfiguration, match=r"calendar\.yaml"):
        sweep(project, instance, WallClock())
    assert due(project) == ["run_failed", "security_finding"]


def test_a_failed_run_is_told_unless_it_is_retried_or_somebody_launched_it(project: Project, instance: dg.DagsterInstance) -> None:
    sweep(project, instance, WallClock())
    failed(instance, dagster__schedule_name="pull_kintone_daily", dagster__will_retry="true")
    failed(instance)
    assert sweep(project, instance, WallClock()) == 0
    failed(instance, dagster__schedule_name="pull_kintone_daily", dagster__partition="2026-11-20")
    assert sweep(project, instance, WallClock()) == 1
    assert due(project) == ["run_failed"]


def test_a_channel_without_its_secret_leaves_the_tick_whole_and_the_alert_waiting(project: Project, instance: dg.DagsterInstance) -> None:
    repository = definitions_of(project.folder).get_repository_def()

    def tick() -> str:
        context = dg.build_sensor_context(instance=instance, repository_def=repository, sensor_name="alerts")
        return str(repository.get_sensor_def("alerts").evaluate_tick(context).skip_message)

    assert tick() == "0 new; 0 arrived, 0 to be sent again"
    ledger_of(project).push([finding()])
    assert tick() == "1 new; 0 arrived, 1 to be sent again"
    assert due(project) == ["security_finding"]


def test_a_project_without_channels_has_no_such_sensor(tmp_path: Path) -> None:
    names = {sensor.name for sensor in definitions_of(write_project(tmp_path, CUSTOMERS)).sensors or ()}
    assert names == {"kintone_changes"}
