"""Maintenance windows: on record before they begin, or worth nothing."""

from __future__ import annotations

from dataclasses import replace
from datetime import UTC, datetime, timedelta

import pytest
from pydantic import ValidationError

from pipelines.due import Maintenance
from pipelines.evidence.chain import GENESIS, ChainRow, Entry, instant_text, link
from pipelines.evidence.decisions import decision_entry
from pipelines.evidence.places import places_of
from pipelines.evidence.reasons import reason
from pipelines.evidence.seals import MaintenanceWindow
from pipelines.evidence.windows import unrecorded, window_entry, windows_of

from .worlds import DATE, PRODUCTION, SLOT, STREAM, at, calendar, codes, lived

HOUR = timedelta(hours=1)
STARTS, ENDS = SLOT - HOUR, SLOT + HOUR


def windows(*entries: Entry, signed: bool = True, sealed_at: datetime | None = STARTS) -> tuple[MaintenanceWindow, ...]:
    """The windows of a chain behind which a seal was made at ``sealed_at``."""
    rows = link(entries, GENESIS)
    seals = [] if sealed_at is None else [(len(rows) + 1, sealed_at)]
    plans = calendar(streams=(STREAM, "erp/items"))
    return windows_of(rows, plans, lambda row: signed, places_of(rows), seals, approvers=("sato", "mori"))


def declared(now: datetime, subject: str = "kintone") -> Entry:
    return window_entry(subject, STARTS, ENDS, "棚卸", "production", "wall", now)


def excuse(now: datetime, who: str = "ikeda") -> Entry:
    terms = reason("decision.window", starts_at=instant_text(STARTS), ends_at=instant_text(ENDS))
    return decision_entry("excuse", STREAM, terms, "棚卸", GENESIS, "production", "wall", now, who)


def sealed(day_offset: int) -> Entry:
    told = reason("seal.judged_under", policy="p", last_good_at=None)
    day = DATE + timedelta(days=day_offset)
    return Entry("seal", "production", "wall", STREAM, day, finished_at=at(DATE), verdict="green", reasons=(told,))


def test_a_window_of_a_system_excuses_its_streams_and_no_others():
    (window,) = windows(declared(STARTS - HOUR))
    assert (window.stream, window.starts_at, window.ends_at, window.why) == (STREAM, STARTS, ENDS, "棚卸")


def test_an_excused_day_is_shown_as_excused_and_never_green():
    found = lived().judge(replace(PRODUCTION, windows=windows(declared(STARTS - HOUR))))
    assert (found.verdict, codes(found)) == ("excused", ["seal.excused_window"])


def test_a_window_declared_after_it_began_excuses_nothing_and_is_named():
    found = replace(PRODUCTION, windows=windows(declared(STARTS + timedelta(minutes=1))))
    assert codes(lived().judge(found)) == ["seal.window_declared_late"]


def test_a_window_that_stands_behind_its_days_seal_is_late_whatever_time_it_names():
    rows = (sealed(-1), sealed(0), declared(STARTS - 24 * HOUR))
    found = lived().judge(replace(PRODUCTION, windows=windows(*rows)))
    assert codes(found) == ["seal.window_declared_late"]


@pytest.mark.parametrize("sealed_at", [None, STARTS + timedelta(seconds=1)], ids=["no seal", "a seal made after it began"])
def test_a_window_of_the_open_day_needs_a_second_person_for_a_clock_can_be_set_back(sealed_at: datetime | None):
    alone = excuse(STARTS - HOUR, "sato")
    assert [each.proven for each in windows(alone, sealed_at=sealed_at)] == [False]
    assert [each.proven for each in windows(declared(STARTS - HOUR), sealed_at=sealed_at)] == [False]
    assert [each.proven for each in windows(alone, alone, sealed_at=sealed_at)] == [False, False], "the same person twice"
    second_too_late, _ = windows(alone, excuse(STARTS + HOUR, "mori"), sealed_at=sealed_at)
    assert not second_too_late.proven
    assert [each.proven for each in windows(alone, excuse(STARTS - HOUR, "mori"), sealed_at=sealed_at)] == [True, True]
    by_one_approver = windows(alone, excuse(STARTS - HOUR, "ikeda"), sealed_at=sealed_at)
    assert [each.proven for each in by_one_approver] == [False, False], "an operator alone excludes no day, nor beside an approver"


def test_a_signed_window_counts_and_an_unsigned_one_does_not():
    assert [window.declared_by for window in windows(excuse(STARTS - HOUR))] == ["ikeda"]
    assert windows(excuse(STARTS - HOUR), signed=False) == ()


def test_a_window_that_calls_itself_the_sealers_without_being_so_is_none():
    assert windows(replace(declared(STARTS - HOUR), actor="somebody"), signed=False) == ()


def test_a_window_of_the_project_file_is_put_on_record_once():
    own = Maintenance.model_validate({"of": "kintone", "from": "2026-11-16T04:00", "until": "2026-11-16T06:00", "why": "棚卸"})
    ((subject, starts, ends, why),) = unrecorded([own], (), "Asia/Tokyo")
    assert (subject, starts, ends) == ("kintone", STARTS, ENDS), "04:00 and 06:00 in Tokyo"
    rows: tuple[ChainRow, ...] = link([window_entry(subject, starts, ends, why, "production", "wall", at(DATE))], GENESIS)
    assert unrecorded([own], rows, "Asia/Tokyo") == []


@pytest.mark.parametrize(
    "told",
    [
        {"of": "kintone", "from": "2026-11-16T06:00", "until": "2026-11-16T04:00", "why": "x"},
        {"of": "kintone", "from": "2026-11-16T04:00Z", "until": "2026-11-16T06:00", "why": "x"},
        {"of": "kintone", "from": "2026-11-16T04:00", "until": "2026-11-16T06:00", "why": ""},
    ],
    ids=["backwards", "two kinds of time", "no reason"],
)
def test_a_window_that_makes_no_sense_is_refused(told: dict):
    with pytest.raises(ValidationError):
        Maintenance.model_validate(told)


def test_times_of_another_zone_are_kept():
    own = Maintenance(of="erp", from_=datetime(2026, 11, 16, 1, tzinfo=UTC), until=datetime(2026, 11, 16, 2, tzinfo=UTC), why="x")
    ((_, starts, _, _),) = unrecorded([own], (), "Asia/Tokyo")
    assert starts == datetime(2026, 11, 16, 1, tzinfo=UTC)
