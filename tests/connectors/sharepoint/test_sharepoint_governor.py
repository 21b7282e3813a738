"""Who waits for what: pauses that are everybody's, units of the minute and the day, the line. By a clock that only sleeping moves."""

from __future__ import annotations

import multiprocessing
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest
from hypothesis import given
from hypothesis import strategies as st
from pydantic import ValidationError
from sharepoint_time import LONG, START, Source, Time, governed, said, tenant_config
from sharepoint_world import GRAPH

from connectors.errors import FixConfiguration, SourceUnavailable
from connectors.sharepoint.governor import Governor
from connectors.sharepoint.limits import Limits
from connectors.sharepoint.marks import Marks
from connectors.transport import TransportOptions

# --- pauses -------------------------------------------------------------------------------------------------------------------------


def test_a_worker_that_waits_for_a_pause_which_is_made_longer_waits_for_the_longer_one() -> None:
    time = Time()
    gate = governed(time)
    gate.hold(5)
    lengthened = False

    def sleep(seconds: float) -> None:
        nonlocal lengthened
        time.sleep(seconds)
        if not lengthened:
            lengthened = True
            gate.hold(20)

    Governor(tenant_config(f"contoso-{time.number}"), LONG, clock=time.clock, sleep=sleep).enter("GET", f"{GRAPH}/v1.0/sites/root")
    assert time.now - START >= 25


def test_a_pause_nobody_waits_for_is_told_with_its_hour_and_outlives_the_process(tmp_path: Path) -> None:
    time = Time()
    options = TransportOptions(state=tmp_path / "calls")
    source = Source(time, said(429, Retry_After="3600"))
    with pytest.raises(SourceUnavailable):
        source.api(governed(time, options=options), options=options).json("sites/root")
    time.now += 600
    next_process = governed(time, options=options)
    with pytest.raises(SourceUnavailable) as caught:
        next_process.enter("GET", f"{GRAPH}/v1.0/sites/root")
    assert caught.value.code == "sharepoint.paused" and caught.value.retry_after == pytest.approx(3000)
    hour = f"{datetime.fromtimestamp(START + 3600, UTC):%Y-%m-%d %H:}"
    assert hour in caught.value.say("ja") and hour in caught.value.say("en")
    governed(time, "fabrikam", options=options).enter("GET", f"{GRAPH}/v1.0/sites/root")
    time.now += 3001
    next_process.enter("GET", f"{GRAPH}/v1.0/sites/root")


def test_a_clock_that_was_put_back_does_not_leave_a_pause_of_days() -> None:
    time = Time()
    gate = governed(time)
    gate.hold(100)
    time.now -= 3 * 86_400
    gate.admit(1)
    assert time.slept == []


# --- the minute ---------------------------------------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.floats(0, 20), st.sampled_from([0, 1, 2, 5])), min_size=1, max_size=120),
    st.floats(50, 6250),
)
def test_in_any_sixty_seconds_no_more_than_the_minutes_units_are_let_through(steps: list[tuple[float, int]], minute: float) -> None:
    marks, now, passed = Marks(), START, list[tuple[float, int]]()
    for gap, price in steps:
        now += gap
        passed.append((marks.take(price, now, minute), price))
    for start, _ in passed:
        inside = sum(price for at, price in passed if start <= at < start + 60)
        assert inside <= minute * (1 + 1e-6), "but for what floating point makes of instants since 1970"


def test_a_few_requests_after_a_rest_wait_for_nothing_and_many_are_spread() -> None:
    time = Time()
    gate = governed(time, licences=500)
    for _ in range(60):
        gate.admit(1)
    assert time.slept == []
    for _ in range(1_250):
        gate.admit(1)
    assert 1_250 / 625 * 60 <= time.now - START <= 1_250 / 500 * 60, "half of 1,250 a minute, and not much less"


def test_nothing_left_until_the_reset_is_a_pause() -> None:
    time = Time()
    gate = governed(time)
    gate.heard(said(200, RateLimit_Remaining="0", RateLimit_Reset="9"))
    gate.admit(1)
    assert time.now - START >= 9


def test_graphs_percentage_slows_the_more_the_nearer_the_limit_is() -> None:
    spent: list[float] = []
    for used in ("0.5", "0.8", "0.95", "1.4"):
        time = Time()
        gate = governed(time, licences=500, share=1.0)
        gate.heard(said(200, x_ms_throttle_limit_percentage=used))
        for _ in range(20):
            gate.admit(1)
        spent.append(time.now - START)
    assert spent[0] == 0 and spent == sorted(spent) and spent[3] > spent[2] > spent[1] > 0


@pytest.mark.parametrize("raw", ["", "soon", "-3", "nan", "inf", "1e400", "４０"])
def test_headers_that_say_nothing_readable_change_nothing(raw: str) -> None:
    time = Time()
    gate = governed(time)
    headers = [(b"RateLimit-Remaining", raw.encode()), (b"RateLimit-Reset", b"30"), (b"x-ms-throttle-limit-percentage", raw.encode())]
    gate.heard(httpx.Response(200, headers=headers))
    gate.heard(httpx.Response(200, headers=[(b"RateLimit-Remaining", b"0"), (b"RateLimit-Reset", raw.encode())]))
    gate.admit(1)
    assert time.slept == []


# --- the day ------------------------------------------------------------------------------------------------------------------------


def test_a_day_that_is_spent_is_source_unavailable_with_the_hour_and_ends() -> None:
    time = Time()
    gate = governed(time, units_per_minute=1_000_000, units_per_day=100, share=0.5)
    for _ in range(10):
        gate.admit(5)
    with pytest.raises(SourceUnavailable) as caught:
        gate.admit(1)
    assert caught.value.code == "sharepoint.units_spent" and gate.used() == 50
    wait = caught.value.retry_after
    assert wait is not None and 86_400 <= wait <= 90_000
    hour = f"{datetime.fromtimestamp(START + wait, UTC):%Y-%m-%d %H:%M}"
    assert hour in caught.value.say("ja") and hour in caught.value.say("en")
    gate.admit(0)
    time.now += wait - 1
    with pytest.raises(SourceUnavailable):
        gate.admit(1)
    time.now += 2
    gate.admit(1)
    assert gate.used() == 1


@given(st.lists(st.tuples(st.integers(0, 40_000), st.sampled_from([1, 2, 5])), max_size=60))
def test_no_twenty_four_hours_hold_more_than_the_days_units(steps: list[tuple[int, int]]) -> None:
    marks, now, passed = Marks(), int(START), list[tuple[int, int]]()
    for gap, price in steps:
        now += gap
        marks.tidy(now)
        free = marks.room_at(price, 20)
        if free is not None:
            assert free > now
            continue
        marks.take(price, now, 10_000)
        passed.append((now, price))
    assert all(sum(price for at, price in passed if start <= at < start + 86_400) <= 20 for start, _ in passed)


def test_most_of_a_day_is_said_aloud_once(caplog: pytest.LogCaptureFixture) -> None:
    gate = governed(Time(), units_per_minute=1_000_000, units_per_day=100, share=1.0)
    for _ in range(95):
        gate.admit(1)
    assert sum("at 100 we stop" in line for line in caplog.messages) == 1


# --- the line -----------------------------------------------------------------------------------------------------------------------


def test_downloads_share_the_bandwidth_that_was_set() -> None:
    time = Time()
    downloads = [governed(time, bandwidth=1_000_000) for _ in range(4)]
    for _ in range(100):
        for one in downloads:
            one.received(65_536)
    assert time.now - START == pytest.approx(400 * 65_536 / 1_000_000, rel=0.02)


def test_without_a_bandwidth_nothing_is_held() -> None:
    time = Time()
    governed(time).received(10**12)
    assert time.slept == []


# --- processes ----------------------------------------------------------------------------------------------------------------------


def spend(folder: str, times: int) -> None:
    gate = Governor(tenant_config(units_per_minute=10_000_000), TransportOptions(state=Path(folder)))
    for _ in range(times):
        gate.admit(1)


def test_two_processes_count_into_one_file_and_lose_nothing(tmp_path: Path) -> None:
    start = multiprocessing.get_context("spawn")
    both = [start.Process(target=spend, args=(str(tmp_path), 300)) for _ in range(2)]
    for one in both:
        one.start()
    for one in both:
        one.join(60)
    assert [one.exitcode for one in both] == [0, 0]
    assert Governor(tenant_config(), TransportOptions(state=tmp_path)).used() == 600


def hold(folder: str, seconds: float) -> None:
    Governor(tenant_config(), TransportOptions(state=Path(folder))).hold(seconds)


def test_a_pause_that_one_process_met_stops_the_other(tmp_path: Path) -> None:
    mine = Governor(tenant_config(), TransportOptions(state=tmp_path, max_wait=5))
    mine.admit(1)
    other = multiprocessing.get_context("spawn").Process(target=hold, args=(str(tmp_path), 600))
    other.start()
    other.join(60)
    with pytest.raises(SourceUnavailable) as caught:
        mine.admit(1)
    assert caught.value.code == "sharepoint.paused"


def test_a_damaged_file_is_a_configuration_error_that_names_it(tmp_path: Path) -> None:
    gate = Governor(tenant_config(), TransportOptions(state=tmp_path))
    gate.admit(1)
    (file,) = tmp_path.glob("*.json")
    file.write_text('{"not_before": "tomorrow"}')
    with pytest.raises(FixConfiguration, match=file.name):
        gate.admit(1)


def test_a_folder_that_cannot_be_made_is_a_configuration_error(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    with pytest.raises(FixConfiguration) as caught:
        Governor(tenant_config(), TransportOptions(state=tmp_path / "file" / "below"))
    assert caught.value.code == "transport.state"


# --- settings -----------------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("licences", "minute", "day"),
    [(None, 1_250, 1_200_000), (1_000, 1_250, 1_200_000), (1_001, 2_500, 2_400_000), (15_000, 3_750, 3_600_000),
     (50_000, 5_000, 4_800_000), (50_001, 6_250, 6_000_000)],
)  # fmt: skip
def test_licences_give_the_units_of_their_tier(licences: int | None, minute: int, day: int) -> None:
    whole = Limits(licences=licences, share=1.0)
    assert (whole.minute, whole.day) == (minute, day)
    assert Limits(licences=licences).minute == minute / 2


@pytest.mark.parametrize(
    "wrong",
    [{"licences": 5, "units_per_minute": 5}, {"share": 0}, {"share": 1.5}, {"company": "桜精機"}, {"company": "A|B"}, {"bandwidth": 0}],
)
def test_limits_that_make_no_sense_are_refused(wrong: dict[str, object]) -> None:
    with pytest.raises(ValidationError):
        Limits.model_validate(wrong)
