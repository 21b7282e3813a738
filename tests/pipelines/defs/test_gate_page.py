"""What an operator reads of an index: letters for days, a picture that says the same, and where the runbook tells what to do."""

from __future__ import annotations

import io
from datetime import date, timedelta
from pathlib import Path

import dagster as dg
import pytest
from PIL import Image
from small_project import FAQ, write_project

from pipelines.defs.calendar_picture import IN_PLACE, CalendarRow, alt_text, letters, picture, strip_markdown, worst_days
from pipelines.defs.gate_page import state_metadata
from pipelines.evidence.gate import GateState, StreamState
from pipelines.evidence.reasons import reason
from pipelines.evidence.spans import LETTERS
from pipelines.project import Project, load
from pipelines.reports.runbook import QUIET, link_of, red_codes, section_of

FIRST = date(2026, 11, 2)
VERDICTS = ("green", "red", "missing", "excused", "green")
RUNBOOK = Path(__file__).resolve().parents[3] / "infra" / "project" / "runbook.md"


def days(*verdicts: str) -> tuple[tuple[date, str], ...]:
    return tuple((FIRST + timedelta(days=at), verdict) for at, verdict in enumerate(verdicts))


@pytest.fixture
def state() -> GateState:
    missed = reason("seal.slot_missed", slot="05:00")
    stream = StreamState("kintone/faq", 1, days(*VERDICTS), missed)  # pyright: ignore[reportArgumentType]
    short = reason("gate.streak_short", stream="kintone/faq", green_days=1, required_days=14)
    return GateState("support", "ineligible", 1, 14, (stream,), (short,))


def project(folder: Path, runbook: str) -> Project:
    return load(write_project(folder, FAQ, indexes={"support": {"streams": ["kintone/faq"], "runbook": runbook}}))


def test_days_are_letters_and_not_colours_alone() -> None:
    row = CalendarRow("kintone/faq", days(*VERDICTS), 1)
    assert letters(row, [day for day, _ in row.days]) == "GR–EG"
    assert len(set(LETTERS.values())) == len(LETTERS)


def test_who_sees_no_picture_is_told_the_same() -> None:
    told = alt_text([CalendarRow("kintone/faq", days(*VERDICTS), 1)], 14)
    assert "GR–EG" in told and "1 of 14" in told and "2026-11-02 to 2026-11-06" in told


@pytest.mark.parametrize("streams", [0, 1, 40])
def test_the_picture_is_a_small_png_whatever_the_index(streams: int) -> None:
    rows = [CalendarRow(f"system/stream-{at}", days(*["green"] * 60), 14) for at in range(streams)]
    made = picture(rows, 14)
    with Image.open(io.BytesIO(made)) as image:
        assert image.format == "PNG"
        assert image.width < 1200
    assert len(made) < 30_000


@pytest.mark.parametrize("mix", [("green",), ("green", "red", "missing", "excused", "unsealed"), ("missing", "red"), ()])
def test_the_strip_of_two_weeks_is_short_enough_to_be_shown_in_place(mix: tuple[str, ...]) -> None:
    rows = [CalendarRow("kintone/faq", days(*[mix[at % len(mix)] for at in range(30)] if mix else ()), 3)]
    assert len(strip_markdown(rows)) < IN_PLACE


def test_a_day_of_an_index_is_as_green_as_its_least_green_stream() -> None:
    rows = [CalendarRow("a/b", days("green", "green", "red"), 0), CalendarRow("a/c", days("green", "excused", "missing"), 0)]
    assert [verdict for _, verdict in worst_days(rows)] == ["green", "excused", "missing"]


def test_the_check_page_has_the_table_the_numbers_that_plot_and_the_runbooks_words(tmp_path: Path, state: GateState) -> None:
    folder = tmp_path / "p"
    told = state_metadata(project(folder, "runbook.md"), state)
    assert "runbook seal.slot_missed" not in told, "there is no such file yet"
    (folder / "runbook.md").write_text(
        "# R\n\n## seal.slot_missed\n\nStart the daemon.\n\n## gate.streak_short\n\nWait.\n", encoding="utf-8"
    )
    told = state_metadata(project(folder, "runbook.md"), state)
    table = told["calendar"]
    assert isinstance(table, dg.TableMetadataValue)
    (row,) = table.records
    assert [row.data[f"11-0{at}"] for at in range(2, 7)] == list("GR–EG")
    assert told["green_days"].value == 1
    assert told["runbook seal.slot_missed"].value == "Start the daemon."
    reasons = told["reasons"]
    assert isinstance(reasons, dg.TableMetadataValue)
    assert [one.data["runbook"] for one in reasons.records] == ["runbook.md#gatestreak_short", "runbook.md#sealslot_missed"]


def test_a_runbook_with_an_address_is_linked_at_its_section(tmp_path: Path, state: GateState) -> None:
    told = state_metadata(project(tmp_path, "https://wiki.example/runbook"), state)
    assert told["runbook seal.slot_missed"].value == "https://wiki.example/runbook#sealslot_missed"


def test_the_example_runbook_has_a_section_for_every_code_that_can_hold_a_day_or_an_index_back() -> None:
    assert not [code for code in red_codes() if not section_of(RUNBOOK, code)]
    assert len(red_codes()) > 50 and not set(red_codes()) & QUIET


def test_a_section_ends_where_the_next_begins(tmp_path: Path) -> None:
    path = tmp_path / "runbook.md"
    path.write_text("## A\n### seal.late (遅れ)\n\none\n\n#### more\ntwo\n### seal.stale\nthree\n", encoding="utf-8")
    assert section_of(path, "seal.late") == "one\n\n#### more\ntwo"
    assert section_of(path, "seal.lat") == section_of(None, "seal.late") == ""
    assert link_of("", "seal.late") == ""
