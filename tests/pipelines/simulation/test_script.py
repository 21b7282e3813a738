"""The script of a simulation: what it may say, what is refused by name, and when its steps happen."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest

from connectors.errors import FixConfiguration
from pipelines.simulation.home import Note
from pipelines.simulation.script import Decide, Outage, Script, Switch, read_script
from pipelines.simulation.world import events

TOKYO = ZoneInfo("Asia/Tokyo")
NOTE = Note(start="2026-11-01", days=5, script="", cursor="2026-11-01T00:00:00+09:00")


def written(folder: Path, text: str) -> Script:
    path = folder / "script.yaml"
    path.write_text(text, encoding="utf-8")
    return read_script(path)[0]


def test_the_shipped_script_renames_on_day_4_takes_the_erp_down_on_day_6_and_misses_the_slot_of_day_8() -> None:
    script, _ = read_script(None)
    doings = {(step.day, step.do) for step in script.steps}
    assert {(4, "break"), (4, "forge_check"), (6, "outage"), (8, "switch_off"), (8, "launch"), (9, "backfill")} <= doings
    assert {(one.day, one.green_days) for one in script.expect} >= {(8, 0), (16, 8), (22, 14)}


def test_the_shipped_script_signs_where_the_rules_ask_for_a_person_and_says_count_and_eligibility_apart() -> None:
    script, _ = read_script(None)
    signed = {(step.day, step.what): step.by for step in script.steps if isinstance(step, Decide)}
    assert signed[5, "accept"] == ("akari.mori", "kenta.suzuki"), "a breaking change needs two people, in the gate as in the contract"
    assert signed[8, "week-one"] == ("kenta.suzuki",), "a week has seven days"
    assert len(set(signed[23, "promote"])) == 2
    assert {(one.day, one.eligibility) for one in script.expect if one.green_days is None} >= {(22, "eligible"), (24, "eligible")}


def test_an_expectation_may_be_of_the_gates_word_alone_but_says_something(tmp_path: Path) -> None:
    (one,) = written(tmp_path, "expect:\n  - {day: 3, index: support, eligibility: suspended}\n").expect
    assert (one.green_days, one.eligibility) == (None, "suspended")
    with pytest.raises(FixConfiguration, match="green_days and eligibility"):
        written(tmp_path, "expect:\n  - {day: 3, index: support}\n")


def test_a_step_happens_at_its_time_of_day_in_the_projects_zone() -> None:
    step = Switch(day=3, at="05:30", do="switch_off")
    assert step.instant(date(2026, 11, 1), TOKYO) == datetime(2026, 11, 2, 20, 30, tzinfo=UTC)


def test_an_unquoted_time_which_yaml_takes_for_a_number_is_the_time_it_looks_like(tmp_path: Path) -> None:
    script = written(tmp_path, "steps:\n  - {day: 1, at: 12:30, do: switch_off}\n")
    assert [step.at for step in script.steps] == ["12:30"]


def test_an_outage_is_its_beginning_for_every_service_and_one_end() -> None:
    script = Script(steps=(Outage(day=2, at="04:58", do="outage", system="erp", minutes=5),))
    found = events(script, NOTE, TOKYO)
    assert [event.verb for event in found] == ["break", "break", "break", "heal"]
    assert {event.body.get("service") for event in found[:3]} == {"SakuraErp", "hanbai", "zumen"}
    assert (found[-1].at - found[0].at).total_seconds() == 300


@pytest.mark.parametrize(
    ("text", "place"),
    [
        ("steps:\n  - {day: 0, at: '05:00', do: switch_off}\n", "day"),
        ("steps:\n  - {day: 1, at: '25:00', do: switch_off}\n", "at"),
        ("steps:\n  - {day: 1, at: '05:00', do: dance}\n", "steps"),
        ("steps:\n  - {day: 1, at: '05:00', do: outage, system: mail, minutes: 5}\n", "system"),
        ("steps:\n  - {day: 1, at: '05:00', do: switch_off, sometimes: 1}\n", "sometimes"),
        ("steps:\n  - {day: 1, at: '05:00', do: decide, what: dance, of: i, by: [a], why: b}\n", "what"),
        ("steps:\n  - {day: 1, at: '05:00', do: decide, what: promote, of: i, by: [], why: b}\n", "by"),
    ],
    ids=["no day 0", "no 25 o'clock", "no such step", "no such system", "nothing beside it", "no such decision", "nobody signs"],
)
def test_a_script_that_says_something_else_is_refused_by_place(tmp_path: Path, text: str, place: str) -> None:
    with pytest.raises(FixConfiguration) as refused:
        written(tmp_path, text)
    assert refused.value.code == "simulate.bad_script"
    assert place in str(refused.value.params["place"])


def test_a_script_that_is_no_yaml_is_refused_in_a_sentence(tmp_path: Path) -> None:
    with pytest.raises(FixConfiguration) as refused:
        written(tmp_path, "steps: [")
    assert refused.value.code == "simulate.unreadable"
