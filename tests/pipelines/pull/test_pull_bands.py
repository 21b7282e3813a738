"""A stream that lives day by day: what its green days showed is what the next day is held to."""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Any

import pytest
from scripted import START, STREAM, Chosen, Row, Source, mended, project_of

from connectors.errors import FixConfiguration
from connectors.protocol import Window
from pipelines.clock import FixedClock
from pipelines.evidence.chain import Entry
from pipelines.evidence.plan import claims_of, ledger_of
from pipelines.evidence.reasons import reason
from pipelines.landing import numbers
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.pull.green import Green
from pipelines.pull.outcome import Check, Request, Result
from pipelines.pull.replay import replay
from pipelines.pull.run import pull

#: Everything is read every day, and the newest save tells how old the data are.
WHOLE = {"field": "updated_at", "lookback": "PT5M", "reconcile": "P0D"}


ACCEPTED = {"by": "伊藤", "at": "2026-06-09", "why": "旧製品を整理した"}


class Life:
    """One stream of ``size`` rows, of which a few are saved each day."""

    def __init__(self, folder: Path, size: int = 60, **contract: Any) -> None:
        self.project: Project = project_of(folder / "project", **{"cursor": WHOLE, "vanishing": {"share": 1}, **contract})
        self.source = Source({n: Row(f"部品{n}", START - timedelta(hours=9)) for n in range(1, size + 1)}, page=50)
        self.day = 0

    @property
    def now(self) -> datetime:
        return START + timedelta(days=self.day)

    def live(self, days: int = 1, *, saves: int = 3, **request: Any) -> Result:
        """So many days, each with its saves and its pull; the result of the last."""
        result: Result | None = None
        for _ in range(days):
            self.day += 1
            for number in list(self.source.rows)[:saves]:
                self.source.now = self.now - timedelta(hours=2)
                self.source.put(number, name=f"版{self.day}")
            self.source.now = self.now
            result = pull(self.project, Request(STREAM, **request), FixedClock(self.now), connector=self.source)
        assert result is not None
        return result

    def seal(self, result: Result, verdict: str = "green") -> None:
        """Write down that the day of this pull was sealed, and that the pull counted."""
        day = result.started_at.astimezone(UTC).date()
        same: dict[str, Any] = {
            "environment": "staging",
            "clock": "simulated",
            "subject": STREAM,
            "day": day,
            "finished_at": result.finished_at,
        }
        under = reason("seal.judged_under", policy="p", last_good_at=None)
        ledger_of(self.project).append(
            [
                Entry(kind="evidence", pull_id=result.pull_id, outcome=result.outcome, verdict="counted", **same),
                Entry(kind="seal", verdict=verdict, reasons=(under,), **same),
            ]
        )


def bands(result: Result) -> Check:
    return next(check for check in result.checks if check.name == "bands")


def wrong(result: Result) -> list[tuple[str, str]]:
    return [(row["expectation"], row["column"]) for row in bands(result).rows if row["verdict"] not in ("pass", "info")]


def test_a_week_of_good_pulls_says_nothing_but_that_it_learns(tmp_path: Path) -> None:
    life = Life(tmp_path)
    for day in range(7):
        check = bands(life.live())
        assert check.passed and not check.rows and f"{day} of 7" in check.summary.say("en")  # type: ignore[attr-defined]
    assert bands(life.live()).rows


def test_a_table_that_shrinks_to_a_tenth_is_named_in_both_languages(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.live(14)
    life.source.rows = {n: row for n, row in life.source.rows.items() if n <= 6}
    result = life.live()
    check = bands(result)
    assert result.succeeded and not check.passed and check.severity == "warning"
    assert ("band_live", "") in wrong(result)
    said = {lang: check.summary.say(lang) for lang in ("en", "ja")}  # type: ignore[attr-defined]
    assert "live rows: outside what the last 14 green days showed: 60 (band 54–66), now 6" in said["en"]
    assert "有効な行数" in said["ja"] and "今回は 6" in said["ja"] and "since" in said["ja"]
    assert check.numbers["live"] == 6 and check.numbers["outside"] >= 1


def test_a_column_that_is_suddenly_empty_in_half_of_the_rows_is_named(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.live(8)
    for number in range(10, 40):
        life.source.put(number, name=None)
    assert ("band_nulls", "名前") in wrong(life.live())


def test_a_source_in_which_nobody_works_any_more_is_named_by_the_age_of_what_it_has(tmp_path: Path) -> None:
    life = Life(tmp_path)
    assert wrong(life.live(10)) == []
    for _ in range(3):
        assert ("band_freshness", "") in wrong(life.live(saves=0)), "a silent day warns, and so it teaches nobody that silence is usual"


def test_a_table_that_nobody_ever_touches_is_not_called_stale(tmp_path: Path) -> None:
    life = Life(tmp_path)
    for _ in range(16):
        assert wrong(life.live(saves=0)) == []


def test_a_flood_of_changes_is_named_and_as_many_pulls_as_you_like_in_a_day_are_not(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.live(9)
    for _ in range(3):
        assert wrong(life.live(0 + 1, saves=3)) == []
        again = pull(life.project, Request(STREAM), FixedClock(life.now + timedelta(minutes=20)), connector=life.source)
        assert wrong(again) == []
    assert ("band_changed", "") in wrong(life.live(saves=60))


def test_incremental_pulls_keep_the_age_of_the_newest_row_though_they_read_none(tmp_path: Path) -> None:
    life = Life(tmp_path, cursor={"field": "updated_at", "lookback": "PT5M", "reconcile": "P90D"})
    life.live(9)
    result = life.live(saves=0)
    assert result.counts["read"] == 0 and bands(result).numbers["age_hours"] == 26
    assert bands(result).numbers["changed_a_day"] == 0


def test_a_red_day_teaches_nothing_however_often_it_comes(tmp_path: Path) -> None:
    life = Life(tmp_path)
    for _ in range(8):
        life.seal(life.live())
    all_rows = dict(life.source.rows)
    life.source.rows = {n: row for n, row in all_rows.items() if n <= 6}
    for _ in range(10):
        result = life.live()
        assert ("band_live", "") in wrong(result)
        life.seal(result, "red")
    life.source.rows = all_rows
    result = life.live()
    row = next(row for row in bands(result).rows if row["expectation"] == "band_live")
    assert (row["verdict"], row["learned"]) == ("pass", "60 in 8 green days")


def test_only_pulls_that_counted_on_days_sealed_green_teach_once_anything_is_sealed(tmp_path: Path) -> None:
    life = Life(tmp_path)
    first = life.live()
    assert set(Green(life.project).pulls(STREAM, life.now)) == {first.started_at.date()}, "nothing is sealed: checks that passed are enough"
    life.seal(first)
    by_hand = life.live()
    red = life.live()
    life.seal(red, "red")
    assert Green(life.project).pulls(STREAM, life.now) == {first.started_at.date(): first.pull_id}
    assert by_hand.succeeded


def test_what_taught_one_pull_is_read_again_once_the_ledger_says_more(tmp_path: Path) -> None:
    life = Life(tmp_path)
    first, second = life.live(), life.live()
    green = Green(life.project)
    life.seal(first)
    assert green.pulls(STREAM, life.now) == {first.started_at.date(): first.pull_id}
    life.seal(second)
    both = {one.started_at.date(): one.pull_id for one in (first, second)}
    assert green.pulls(STREAM, life.now) == both
    assert ledger_of(life.project).move_details(second.started_at.date()) == 1
    assert green.pulls(STREAM, life.now) == both, "a pull whose details were moved teaches as before"


def test_of_unsealed_days_those_with_a_warning_and_backfills_teach_nothing(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.live()
    (claim,) = claims_of(life.project).read()
    assert Green(life.project).pulls(STREAM, life.now) == {claim.day: claim.pull_id}
    life.source.rights = (*life.source.rights, type(life.source.rights[0])("few", "few", (), resolved=False, reason="closed"))
    assert not all(check.passed for check in life.live().checks)
    assert set(Green(life.project).pulls(STREAM, life.now).values()) == {claim.pull_id}


def test_a_replay_after_a_day_outside_its_bands_makes_no_good_day_of_it(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.source = Chosen({**life.source.rows, 99: Row("釘", START - timedelta(hours=9), bad=True)}, page=50)
    life.live(8)
    life.source.rows = {n: row for n, row in life.source.rows.items() if n <= 6 or n == 99}
    red = life.live()
    assert ("band_live", "") in wrong(red)
    mended(life.source, 99)
    again = replay(life.project, STREAM, [], FixedClock(life.now + timedelta(minutes=5)), connector=life.source)
    assert again.landed == ("99",)
    assert red.started_at.date() not in Green(life.project).pulls(STREAM, life.now + timedelta(hours=1))


def test_what_a_person_accepted_as_gone_is_the_new_level_and_learning_begins_anew(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.live(8)
    life.source.rows = {n: row for n, row in life.source.rows.items() if n <= 6}
    accepted = life.live(accept_gone=True)
    assert wrong(accepted) == []
    assert ("band_live", "") not in wrong(life.live())
    kept = numbers.get(Warehouse(life.project.root).store, STREAM, life.live().pull_id)
    assert kept is not None and kept.numbers.since["live"] == accepted.started_at


def test_a_new_version_that_says_since_makes_the_new_level_right(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.live(8)
    life.source.rows = {n: row for n, row in life.source.rows.items() if n <= 6}
    assert ("band_live", "") in wrong(life.live())
    day = (life.now + timedelta(days=1)).date()
    life.project = project_of(
        tmp_path / "project", cursor=WHOLE, vanishing={"share": 1}, version=2, bands={"since": day}, accepted=ACCEPTED
    )
    assert wrong(life.live()) == []


def test_a_critical_band_ends_the_pull_before_anything_is_published(tmp_path: Path) -> None:
    life = Life(tmp_path, bands={"live": {"min": 50, "severity": "critical"}})
    assert life.live().succeeded
    life.source.rows = {n: row for n, row in life.source.rows.items() if n <= 6}
    result = life.live()
    assert result.outcome == "failed" and result.error is not None and "≥ 50" in result.error.say("en")
    published = Warehouse(life.project.root).published(STREAM)
    assert published is not None and published.number == 1


def test_a_window_of_the_past_is_held_to_no_band_and_leaves_the_count_of_changes_alone(tmp_path: Path) -> None:
    life = Life(tmp_path)
    life.live(9)
    past = pull(life.project, Request(STREAM, window=Window(START, START + timedelta(days=1))), FixedClock(life.now), connector=life.source)
    assert past.succeeded and bands(past).passed and not bands(past).rows
    assert wrong(life.live()) == []


def test_values_that_a_contract_calls_confidential_are_in_no_check(tmp_path: Path) -> None:
    fields = [
        {"name": "id", "source": "id", "type": "int64", "required": True},
        {"name": "名前", "source": "name", "type": "string", "sensitivity": "confidential"},
        {"name": "updated_at", "source": "at", "type": "timestamp[us, UTC]"},
    ]
    rule = {"expect": "expect_column_values_to_be_in_set", "column": "名前", "value_set": ["x"], "severity": "warning"}
    result = Life(tmp_path, fields=fields, expectations=[rule]).live()
    values = next(check for check in result.checks if check.name == "values")
    assert not values.passed and "60 of 60 missed" in str(values.rows) and "部品" not in str(values.rows)


def test_numbers_that_somebody_broke_end_the_pull_with_what_to_do(tmp_path: Path) -> None:
    life = Life(tmp_path)
    last = life.live()
    path = Path(life.project.root) / "profile" / STREAM / f"{last.pull_id}.json"
    path.write_text("{", encoding="utf-8")
    result = life.live()
    assert isinstance(result.error, FixConfiguration) and result.error.code == "landing.numbers_broken"
    path.write_text('{"schema": "fortnight.numbers/0"}', encoding="utf-8")
    assert life.live().succeeded, "what another version wrote teaches nothing, and stops nobody"


@pytest.mark.parametrize("days", [8])
def test_numbers_come_back_from_the_store_as_they_were(tmp_path: Path, days: int) -> None:
    life = Life(tmp_path)
    result = life.live(days)
    kept = numbers.get(Warehouse(life.project.root).store, STREAM, result.pull_id)
    assert kept is not None and kept.numbers.live == 60 and kept.numbers.columns["名前"].nulls == 0
    assert kept.newest == life.now - timedelta(hours=2) and kept.taken == 3 * (days - 1)
    assert date.fromisoformat(str(kept.numbers.at.date())) == life.now.date()
