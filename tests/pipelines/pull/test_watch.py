"""What a change sensor remembers: a change is forgotten only when a pull that came after it ended well."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from typing import Any

from hypothesis import given
from hypothesis import strategies as st

from pipelines.pull.watch import PATIENCE, Fate, Looked, Watched, decide

NOW = datetime(2026, 11, 20, tzinfo=UTC)
S = "kintone/faq"


def step(memory: Watched, text: str, fate: Fate = "running", now: datetime = NOW) -> tuple[bool, Watched]:
    """One look that finds ``text``, and what became of the pull asked for before."""
    ask, after = decide(memory, Looked({S: text}), lambda stream, mark, at: fate, f"mark-{now.isoformat()}", now)
    return ask == (S,), Watched.read(after.write())


def test_a_change_is_pulled_once_and_then_known() -> None:
    asked, memory = step(Watched(), "r1:120")
    assert asked
    assert step(memory, "r1:120", "running")[0] is False
    asked, memory = step(memory, "r1:120", "done")
    assert not asked
    assert step(memory, "r1:120")[0] is False


def test_a_launch_that_was_lost_is_asked_for_again_at_once() -> None:
    memory = step(Watched(), "r1:120")[1]
    assert step(memory, "r1:120", "lost")[0]


def test_a_pull_that_failed_is_asked_for_again_when_patience_ends() -> None:
    memory = step(Watched(), "r1:120")[1]
    for soon in (timedelta(minutes=5), PATIENCE - timedelta(seconds=1)):
        asked, memory = step(memory, "r1:120", "failed", NOW + soon)
        assert not asked
    assert step(memory, "r1:120", "failed", NOW + PATIENCE)[0]


def test_a_change_during_a_pull_is_pulled_after_it() -> None:
    memory = step(Watched(), "r1:120")[1]
    asked, memory = step(memory, "r1:121", "running")
    assert not asked
    assert step(memory, "r1:121", "done")[0]


def test_a_source_that_comes_back_to_what_it_was_is_pulled_again() -> None:
    memory = step(step(Watched(), "a")[1], "a", "done")[1]
    asked, memory = step(memory, "b")
    assert asked
    assert step(memory, "a", "done")[0]


def test_a_source_that_says_its_last_pull_saw_everything_is_left_alone() -> None:
    asked, memory = step(Watched(), "")
    assert not asked
    asked, memory = step(memory, "3:abc")
    assert asked
    assert step(memory, "", "done")[0] is False


def test_a_cursor_that_an_operator_spoilt_remembers_nothing() -> None:
    assert Watched.read("{not json") == Watched.read('{"kintone/faq": "r1:1"}') == Watched()


@given(st.lists(st.tuples(st.sampled_from("abc"), st.sampled_from(["lost", "running", "done", "failed"])), max_size=12))
def test_no_history_of_failures_loses_the_last_change(history: list[tuple[str, Any]]) -> None:
    """Whatever happened, once pulls end well again the source's last state is the one known."""
    memory, now = Watched(), NOW
    for text, fate in history:
        now += timedelta(minutes=5)
        memory = step(memory, text, fate, now)[1]
    last = history[-1][0] if history else "a"
    for _ in range(3):
        now += timedelta(minutes=5)
        memory = step(memory, last, "done", now)[1]
    assert memory.streams[S].seen == last
    assert memory.streams[S].asked is None
