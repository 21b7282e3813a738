"""What belongs to a whole system is read once a run, for a while, and never passes for newer than it is."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta

import pytest

from connectors.readings import SPAN, Readings

START = datetime(2026, 11, 21, tzinfo=UTC)


class Run:
    """A clock, and a source that counts how often it is asked."""

    def __init__(self) -> None:
        self.now, self.asked = START, list[str]()
        self.readings = Readings(lambda: self.now)

    def read(self, what: str = "users", answer: str = "sato") -> str:
        def ask() -> str:
            self.asked.append(what)
            return answer

        return self.readings.once(what, ask)


def test_a_reading_stands_for_the_span_and_then_is_made_anew() -> None:
    run = Run()
    assert run.read(answer="sato") == "sato"
    run.now += SPAN - timedelta(seconds=1)
    assert run.read(answer="mori") == "sato"
    run.now += timedelta(seconds=1)
    assert run.read(answer="mori") == "mori" and len(run.asked) == 2


def test_two_things_are_two_readings() -> None:
    run = Run()
    assert (run.read("users", "sato"), run.read("groups", "quality"), run.read("users", "?")) == ("sato", "quality", "sato")


def test_without_a_clock_nothing_is_shared() -> None:
    run = Run()
    run.readings = Readings()
    assert (run.read(answer="sato"), run.read(answer="mori")) == ("sato", "mori")


def test_a_reading_from_the_future_is_not_believed() -> None:
    run = Run()
    run.read()
    run.now -= timedelta(hours=1)
    assert run.read(answer="mori") == "mori"


def test_an_error_is_no_reading() -> None:
    run = Run()

    def broken() -> str:
        raise ValueError

    with pytest.raises(ValueError):
        run.readings.once("users", broken)
    assert run.read() == "sato"


def test_of_several_things_only_those_that_are_not_there_are_asked_for() -> None:
    run = Run()
    asked: list[list[str]] = []

    def ask(keys: object) -> dict[str, str]:
        assert isinstance(keys, list)
        asked.append(keys)
        return {key: key.upper() for key in keys}

    assert run.readings.each("groups", ["a", "b"], ask) == {"a": "A", "b": "B"}
    assert run.readings.each("groups", ["b", "c"], ask) == {"b": "B", "c": "C"}
    assert run.readings.each("groups", ["a", "c"], ask) == {"a": "A", "c": "C"}
    assert asked == [["a", "b"], ["c"]]


def test_who_watches_is_told_the_age_of_the_oldest_that_was_there_and_of_none_that_was_made_now() -> None:
    run = Run()
    with run.readings.watched() as used:
        run.read("users")
    assert used.oldest is None
    run.now += timedelta(minutes=1)
    run.read("groups")
    run.now += timedelta(minutes=1)
    with run.readings.watched() as used:
        run.read("groups")
        run.read("users")
        run.read("new")
    assert used.oldest == START
    with run.readings.watched() as used:
        run.read("groups")
    assert used.oldest == START + timedelta(minutes=1)


def test_nothing_older_than_was_asked_for_is_taken() -> None:
    run = Run()
    run.read(answer="sato")
    run.now += timedelta(seconds=30)
    with run.readings.watched(after=START) as used:
        assert run.read(answer="mori") == "mori" and used.oldest is None
    with run.readings.watched(after=START):
        assert run.read(answer="?") == "mori"


def test_asked_anew_nothing_is_taken_even_within_the_same_instant_and_the_others_get_the_newer_one() -> None:
    run = Run()
    run.read(answer="sato")
    with run.readings.anew() as used:
        assert run.read(answer="mori") == "mori"
    assert used.oldest is None
    assert run.read(answer="?") == "mori"
