"""The sandbox's clock where a simulation holds it: it stands where it was put, never goes back, and runs on when it is let go."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

from infra.sandbox.clock import SandboxClock

ORIGIN = datetime(2026, 11, 1, tzinfo=UTC)


def test_a_held_clock_stands_at_the_very_instant_until_it_is_put_forward() -> None:
    clock, noon = SandboxClock(ORIGIN), ORIGIN + timedelta(days=2, hours=12)
    assert clock.stand_at(noon) == noon == clock.now() == clock.now()
    assert clock.advance(timedelta(hours=1)) == noon + timedelta(hours=1) == clock.now()
    assert clock.days_lived() == 2


def test_a_clock_is_never_put_back() -> None:
    clock = SandboxClock(ORIGIN)
    later = clock.stand_at(ORIGIN + timedelta(days=3))
    assert clock.stand_at(ORIGIN) == later


def test_a_clock_that_is_let_go_runs_on_from_where_it_stood() -> None:
    clock = SandboxClock(ORIGIN)
    held = clock.stand_at(ORIGIN + timedelta(days=3))
    assert clock.run_on() >= held
    assert clock.now() - held < timedelta(hours=1), "it goes on from there, and not from the machine's time"
    assert clock.run_on() >= held, "saying it twice does no harm"
