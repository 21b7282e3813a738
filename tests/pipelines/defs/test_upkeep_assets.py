"""Upkeep in Dagster: the audit of answers forgets by itself, every night."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from pathlib import Path

import dagster as dg
from small_project import FAQ, definitions_of, write_project

from pipelines.clock import WallClock
from pipelines.defs.keys import AUDIT
from pipelines.project import load
from pipelines.serving.audit.log import audit_of
from pipelines.serving.audit.row import AuditHit, AuditRow

INDEXES = {"support": {"streams": ["kintone/faq"]}}


def row(at: datetime, query: str) -> AuditRow:
    return AuditRow(
        asked_at=at,
        trace_id=query,
        person="misaki.sato@sakura-seiki.example",
        client="c",
        action="search",
        query=query,
        k=5,
        principals=1,
        closures={"kintone/faq": frozenset({"everyone:kintone"})},
        membership_read_at=at,
        overlay_read_at=at,
        index="support",
        release=1,
        content_hash="h",
        mode="exact",
        visible=1,
        refused=0,
        decision="answered",
        hits=(AuditHit(1, "c1", "d1", "4", "r1"),),
    )


def test_words_past_their_time_go_at_night_without_anybody_asking_and_the_chain_holds(tmp_path: Path) -> None:
    folder = write_project(tmp_path, FAQ, indexes=INDEXES)
    log, now = audit_of(load(folder)), WallClock().now()
    log.record(row(now - timedelta(days=91), "old words"))
    log.record(row(now, "new words"))
    definitions = definitions_of(folder)
    with dg.instance_for_test() as instance:
        run = definitions.resolve_job_def("audit").execute_in_process(instance=instance)
    (made,) = run.get_asset_materialization_events()
    assert run.success and made.asset_key == AUDIT
    assert made.step_materialization_data.materialization.metadata["words"].value == 1
    assert [one["query"] for one in log.rows()] == ["", "new words"]
    assert log.verify().ok


def test_the_audits_night_has_a_schedule_where_there_is_an_index_and_none_where_nothing_answers(tmp_path: Path) -> None:
    definitions = definitions_of(write_project(tmp_path / "with", FAQ, indexes=INDEXES))
    with dg.build_schedule_context(scheduled_execution_time=datetime(2026, 11, 27, tzinfo=UTC)) as context:
        assert isinstance(definitions.get_schedule_def("audit_daily")(context), dg.RunRequest)
    without = definitions_of(write_project(tmp_path / "without", FAQ))
    assert "audit" not in {job.name for job in without.jobs or []}
