"""Schedules: which day a tick asks for, and which days ask for nothing."""

from __future__ import annotations

from datetime import UTC, date, datetime, time
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import dagster as dg
import pytest
from hypothesis import given
from hypothesis import strategies as st
from small_project import CUSTOMERS, FAQ, definitions_of, write_project, write_yaml

from pipelines.due import Schedule, jitter
from pipelines.evidence.errors import CalendarError
from pipelines.evidence.plan import cadence_of, default_cadence
from pipelines.project import load

TOKYO = ZoneInfo("Asia/Tokyo")
BUSINESS_DAYS = {"hour": 5, "minute": 0, "days": "jp_business", "closed": {"years": [2026], "days": ["2026-11-03", "2026-11-23"]}}


def tick(folder: Path, name: str, at: datetime) -> Any:
    """What one tick of a schedule says; ``at`` is handed over in UTC, as Dagster does it."""
    repository = definitions_of(folder).get_repository_def()
    with dg.DagsterInstance.ephemeral() as instance:
        context = dg.build_schedule_context(instance=instance, scheduled_execution_time=at.astimezone(UTC), repository_def=repository)
        return repository.get_schedule_def(name).evaluate_tick(context)


def test_a_tick_at_five_in_tokyo_asks_for_the_partition_of_that_civil_day(tmp_path: Path) -> None:
    """At 05:00 in Tokyo it is still yesterday in UTC."""
    said = tick(write_project(tmp_path, CUSTOMERS), "pull_kintone_daily", datetime(2026, 11, 21, 5, tzinfo=TOKYO))
    assert [request.partition_key for request in said.run_requests] == ["2026-11-21"]


def test_the_day_a_slot_asks_for_exists_as_a_partition_at_the_first_second_of_that_day(tmp_path: Path) -> None:
    job = definitions_of(write_project(tmp_path, CUSTOMERS)).resolve_job_def("pull_kintone")
    assert job.partitions_def is not None
    midnight = datetime(2026, 11, 21, tzinfo=TOKYO)
    with dg.partition_loading_context(effective_dt=midnight):
        assert job.partitions_def.get_last_partition_key() == "2026-11-21"


def test_a_saturday_asks_for_a_pull_when_the_project_runs_daily(tmp_path: Path) -> None:
    said = tick(write_project(tmp_path, CUSTOMERS), "pull_kintone_daily", datetime(2026, 11, 28, 5, tzinfo=TOKYO))
    assert [request.partition_key for request in said.run_requests] == ["2026-11-28"]


@pytest.mark.parametrize("day", [23, 28, 29], ids=["labour thanksgiving day, a monday", "saturday", "sunday"])
def test_a_closed_day_is_skipped_and_said_by_date(tmp_path: Path, day: int) -> None:
    folder = write_project(tmp_path, CUSTOMERS, schedule=BUSINESS_DAYS)
    said = tick(folder, "pull_kintone_daily", datetime(2026, 11, day, 5, tzinfo=TOKYO))
    assert said.run_requests == []
    assert f"2026-11-{day}" in said.skip_message
    assert "jp_business" in said.skip_message


def test_the_business_day_after_a_holiday_asks_again(tmp_path: Path) -> None:
    folder = write_project(tmp_path, CUSTOMERS, schedule=BUSINESS_DAYS)
    said = tick(folder, "pull_kintone_daily", datetime(2026, 11, 24, 5, tzinfo=TOKYO))
    assert [request.partition_key for request in said.run_requests] == ["2026-11-24"]


def test_a_stream_of_its_own_hours_and_weekdays_is_asked_for_then_and_its_neighbour_as_ever(tmp_path: Path) -> None:
    """The customers at five every day; the FAQ at nine and five in the afternoon of Mondays and Thursdays."""
    own = {"kintone/faq": {"times": ["09:00", "17:00"], "days": ["mon", "thu"]}}
    folder = write_project(tmp_path, CUSTOMERS, FAQ, schedule={"hour": 5, "streams": own})

    def asked(day: int, hour: int) -> list[Any]:
        said = tick(folder, "pull_kintone_daily", datetime(2026, 11, day, hour, tzinfo=TOKYO))
        return [[key.to_user_string() for key in request.asset_selection] for request in said.run_requests]

    assert definitions_of(folder).get_repository_def().get_schedule_def("pull_kintone_daily").cron_schedule == [
        "0 5 * * *",
        "0 9 * * *",
        "0 17 * * *",
    ]
    assert asked(23, 5) == asked(24, 5) == [["kintone/customers"]]
    assert asked(23, 9) == asked(23, 17) == asked(26, 9) == [["kintone/faq"]], "Monday and Thursday"
    assert asked(24, 9) == asked(24, 17) == []


def test_the_frozen_table_decides_over_the_project_files_own_list(tmp_path: Path) -> None:
    folder = write_project(tmp_path, CUSTOMERS, schedule=BUSINESS_DAYS)
    write_yaml(folder / "calendar.yaml", {"years": {2026: "holidays 0.1"}, "holidays": {date(2026, 11, 24): "x"}, "company": []})
    assert tick(folder, "pull_kintone_daily", datetime(2026, 11, 24, 5, tzinfo=TOKYO)).run_requests == []
    assert tick(folder, "pull_kintone_daily", datetime(2026, 11, 23, 5, tzinfo=TOKYO)).run_requests != []


def test_a_year_nobody_froze_is_an_error_and_not_a_holiday(tmp_path: Path) -> None:
    folder = write_project(tmp_path, CUSTOMERS, schedule=BUSINESS_DAYS)
    with pytest.raises(Exception) as raised:
        tick(folder, "pull_kintone_daily", datetime(2027, 1, 4, 5, tzinfo=TOKYO))
    assert isinstance(raised.value, CalendarError) or isinstance(raised.value.__cause__, CalendarError)


def test_the_index_waits_for_the_pulls_and_skips_with_them(tmp_path: Path) -> None:
    folder = write_project(tmp_path, FAQ, schedule=BUSINESS_DAYS, indexes={"support": {"streams": ["kintone/faq"]}})
    (asked,) = tick(folder, "index_support_daily", datetime(2026, 11, 24, 6, 30, tzinfo=TOKYO)).run_requests
    assert (asked.partition_key, asked.tags["fortnight/waits"]) == ("2026-11-24", "pulls")
    assert tick(folder, "index_support_daily", datetime(2026, 11, 23, 6, 30, tzinfo=TOKYO)).run_requests == []


def test_sealing_happens_on_every_day_since_a_closed_day_needs_its_seal_too(tmp_path: Path) -> None:
    folder = write_project(tmp_path, CUSTOMERS, schedule=BUSINESS_DAYS)
    said = tick(folder, "seal_daily", datetime(2026, 11, 23, 1, 10, tzinfo=TOKYO))
    assert len(said.run_requests) == 1
    assert said.run_requests[0].partition_key is None


def test_each_systems_slot_is_put_off_by_its_own_jitter_and_is_the_slot_that_is_due(tmp_path: Path) -> None:
    project = load(write_project(tmp_path, CUSTOMERS, schedule={"hour": 5, "minute": 0, "jitter_minutes": 30}))
    minutes = jitter("kintone", 30)
    (cadence,) = {cadence_of(project, stream) for stream in project.contracts}
    assert cadence.times == (time(5, minutes),)
    schedule = definitions_of(tmp_path).get_repository_def().get_schedule_def("pull_kintone_daily")
    assert schedule.cron_schedule == f"{minutes} 5 * * *"
    assert default_cadence(project).times == (time(5, 0),), "an index is no system"


@given(st.text(min_size=1, max_size=20), st.integers(0, 55), st.integers(0, 1439), st.integers(1, 24))
def test_a_jitter_stays_within_its_budget_and_never_leaves_the_day(system: str, most: int, minute: int, close: int) -> None:
    at = f"{minute // 60:02d}:{minute % 60:02d}"
    schedule = Schedule(hour=minute // 60, minute=minute % 60, jitter_minutes=most, close_hour=close)
    (slot,) = schedule.of(f"{system.replace('/', '-')}/stream").clock
    moved = slot.hour * 60 + slot.minute
    assert minute <= moved <= minute + most, at
    if minute < close * 60:
        assert moved < close * 60
