"""What a pull refuses to believe, what it carries on, and what it finds that earlier pulls missed."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from dataclasses import dataclass, field, replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scripted import START, STREAM, Row, Source, held, names, project_of, run

from connectors.access import Access, Scope
from connectors.errors import AnswerIsNo
from connectors.protocol import SOURCE_VERSION, Cursor, Known, Page, Stream, Window
from pipelines.clock import FixedClock
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.pull.guard import guard
from pipelines.pull.outcome import Request, Result
from pipelines.pull.run import pull


@dataclass
class Bisecting(Source):
    """A source that is told what we hold and names what is gone; ``asked_rows`` counts how often it wanted to see the keys."""

    asked_rows: int = 0
    known: list[int] = field(default_factory=list)

    def pull(self, stream: Stream, window: Window, cursor: Cursor | None = None, known: Known | None = None) -> Iterator[Page]:
        pages = list(super().pull(stream, window, cursor))
        if known is None:
            yield from pages
            return
        self.known.append(known.count)
        yield from pages
        extra: list[tuple[int, Row]] = []
        if known.count != len(self.rows):
            self.asked_rows += 1
            rows = known.rows()
            assert rows.schema == pa.schema([("id", pa.int64()), (SOURCE_VERSION, pa.string())])
            ours = set(rows["id"].to_pylist())
            extra = [(number, Row(gone=True)) for number in sorted(ours - self.rows.keys()) if number is not None]
        yield replace(self._page(extra), total=len(self.rows))


def many(count: int) -> dict[int, Row]:
    return {number: Row(f"部品{number}") for number in range(1, count + 1)}


def test_a_quiet_pull_asks_for_no_keys_and_for_no_count(tmp_path: Path) -> None:
    project, source = project_of(tmp_path, cursor={"field": "updated_at", "deletes": "count-then-bisect"}), Bisecting(many(30))
    assert run(project, source).succeeded
    counted: list[int] = []

    def counts() -> int:
        counted.append(1)
        return len(source.rows)

    source.counted = counts
    source.later()
    assert run(project, source).succeeded
    assert (source.asked_rows, source.listed, counted, source.known) == (0, 0, [], [30])


def test_what_the_connector_finds_gone_becomes_a_tombstone_and_no_key_is_listed(tmp_path: Path) -> None:
    project, source = project_of(tmp_path, cursor={"field": "updated_at", "deletes": "count-then-bisect"}), Bisecting(many(30))
    run(project, source)
    source.later()
    del source.rows[3], source.rows[17]
    source.put(31, name="新しい部品")
    result = run(project, source)
    assert result.succeeded and result.counts["deleted"] == 2
    assert set(names(project)) == set(source.rows)
    assert (source.asked_rows, source.listed) == (1, 0)


def test_held_rows_count_among_what_the_connector_is_told_we_know(tmp_path: Path) -> None:
    rows = many(10) | {11: Row(bad=True)}
    project, source = project_of(tmp_path, cursor={"field": "updated_at", "deletes": "count-then-bisect"}), Bisecting(rows)
    run(project, source)
    source.later()
    run(project, source)
    assert source.known == [11] and held(project) == ["11"]


@pytest.mark.parametrize("full", [True, False])
def test_more_vanished_rows_than_a_day_explains_stop_the_pull_and_nothing_is_lost(tmp_path: Path, full: bool) -> None:
    project, source = project_of(tmp_path), Source(many(200))
    run(project, source)
    source.later()
    for number in range(1, 31):
        del source.rows[number]
    refused = run(project, source, full=full)
    assert isinstance(refused.error, AnswerIsNo) and refused.error.code == "pull.vanished"
    assert "--accept-gone" in refused.error.say("en") and "30" in refused.error.say("ja")
    assert len(names(project)) == 200
    assert run(project, source, full=full, accept_gone=True).succeeded
    assert set(names(project)) == set(source.rows)


def test_a_contract_that_most_rows_no_longer_fit_stops_the_pull_instead_of_emptying_the_stream(tmp_path: Path) -> None:
    project, source = project_of(tmp_path), Source(many(200))
    run(project, source)
    source.later()
    source.rows |= {number: Row(bad=True, at=source.now) for number in range(1, 31)}
    refused = run(project, source, full=True)
    assert isinstance(refused.error, AnswerIsNo) and refused.error.code == "pull.held_back"
    assert all("30" in refused.error.say(lang) and "--accept-gone" in refused.error.say(lang) for lang in ("ja", "en"))
    assert len(names(project)) == 200
    assert run(project, source, full=True, accept_gone=True).counts["quarantined"] == 30
    assert len(names(project)) == 170


def test_rows_that_come_right_again_within_a_pull_are_not_held(tmp_path: Path) -> None:
    project, source = project_of(tmp_path), Source(many(200))
    run(project, source)
    source.later()
    bad = [(number, Row(bad=True, at=source.now)) for number in range(1, 31)]
    source.pages = lambda: iter([bad, sorted(source.rows.items())])
    result = run(project, source, full=True)
    assert result.succeeded and result.counts["quarantined"] == 0 and len(names(project)) == 200


def test_a_few_deleted_rows_of_a_small_table_are_believed(tmp_path: Path) -> None:
    project, source = project_of(tmp_path), Source(many(12))
    run(project, source)
    source.later()
    for number in range(1, 7):
        del source.rows[number]
    assert run(project, source).succeeded
    assert len(names(project)) == 6


@dataclass
class Ruled(Source):
    """A source that fingerprints its rules, and whose rows may name their readers."""

    view: str = "rules-1"
    read: int = 0
    resolved: list[str] = field(default_factory=list)
    restricted: dict[str, str] = field(default_factory=dict)

    def access(self, stream: Stream) -> Access:
        self.read += 1
        return Access(self.rights, (), (), self.restricted, view=self.view)

    def scopes(self, stream: Stream, ids: Collection[str]) -> tuple[Scope, ...]:
        self.resolved += ids
        return tuple(Scope(one, one, (f"user:books:{one.partition('=')[2]}",)) for one in ids)


def test_while_rules_move_absent_rows_are_not_taken_for_deleted_however_few(tmp_path: Path) -> None:
    project, source = project_of(tmp_path), Ruled(many(50))
    run(project, source)
    source.later()
    source.view, source.revision = "rules-2", "2"
    del source.rows[1]
    refused = run(project, source)
    assert isinstance(refused.error, AnswerIsNo) and refused.error.code == "pull.vanished_with_rights"
    assert len(names(project)) == 50
    assert run(project, source, accept_gone=True).succeeded
    del source.rows[2]
    source.later()
    assert run(project, source).succeeded, "the rules stand again"


def test_a_feed_that_names_its_deletions_is_believed() -> None:
    contract = read_contract_with(deletes="feed")
    guard(contract, vanished=1000, live=1000, view_moved=True, accepted=False)


@given(vanished=st.integers(0, 500), live=st.integers(0, 500), moved=st.booleans())
def test_the_guard_lets_pass_only_what_is_nothing_or_little_or_accepted(vanished: int, live: int, moved: bool) -> None:
    contract = read_contract_with(deletes="count-then-keys")
    little = vanished <= 20 or vanished <= 0.05 * live
    try:
        guard(contract, vanished=vanished, live=live, view_moved=moved, accepted=False)
    except AnswerIsNo:
        assert vanished and (moved or not little)
    else:
        assert not vanished or (little and not moved)
    guard(contract, vanished=vanished, live=live, view_moved=moved, accepted=True)


def read_contract_with(deletes: str) -> Any:
    import tempfile

    with tempfile.TemporaryDirectory() as folder:
        return project_of(Path(folder), cursor={"field": "updated_at", "deletes": deletes}).contract(STREAM)


def test_rights_that_stand_are_carried_on_for_an_hour_and_then_read_again(tmp_path: Path) -> None:
    project, source = project_of(tmp_path), Ruled(many(5))

    def go(minutes: int) -> None:
        assert pull(project, Request(STREAM), FixedClock(START + timedelta(minutes=minutes)), connector=source).succeeded
        source.later()

    go(0)
    go(40)
    assert source.read == 1
    scopes = Warehouse(project.root).read("scopes", STREAM)
    assert scopes is not None and scopes["principals"].to_pylist() == [["everyone:books"]]
    go(80)
    assert source.read == 2


def test_rights_that_were_read_under_a_clock_far_ahead_do_not_stand_until_that_day_comes(tmp_path: Path) -> None:
    project, source = project_of(tmp_path), Ruled(many(5))
    for days in (365, 0):
        assert pull(project, Request(STREAM), FixedClock(START + timedelta(days=days)), connector=source).succeeded
        source.later()
    assert source.read == 2


def test_a_moved_revision_has_the_rights_read_at_once(tmp_path: Path) -> None:
    project, source = project_of(tmp_path), Ruled(many(5))
    run(project, source)
    source.revision = "2"
    run(project, source)
    assert source.read == 2


def test_scopes_that_rows_make_by_their_values_are_resolved_and_stay_while_rows_point_at_them(tmp_path: Path) -> None:
    project, source = project_of(tmp_path), Ruled({1: Row(scope="books:3?user=sato"), 2: Row()})
    run(project, source)
    source.later()
    source.put(3, scope="books:3?user=mori")
    run(project, source)
    scopes = Warehouse(project.root).read("scopes", STREAM)
    assert scopes is not None
    assert dict(zip(scopes["scope"].to_pylist(), scopes["principals"].to_pylist(), strict=True)) == {
        "all": ["everyone:books"],
        "books:3?user=mori": ["user:books:mori"],
        "books:3?user=sato": ["user:books:sato"],
    }
    assert source.resolved == ["books:3?user=sato", "books:3?user=mori"], "one that is known is not asked for again"


def test_the_scopes_of_columns_that_each_row_makes_are_resolved_beside_those_of_the_rows(tmp_path: Path) -> None:
    project, source = project_of(tmp_path), Ruled({1: Row(scope="all#buyer.user=sato"), 2: Row(scope="all#buyer.user=mori")})
    source.restricted = {"name": "books:name?"}
    run(project, source)
    scopes = Warehouse(project.root).read("scopes", STREAM)
    assert scopes is not None
    found = dict(zip(scopes["scope"].to_pylist(), scopes["principals"].to_pylist(), strict=True))
    assert found["books:name?buyer.user=sato"] == ["user:books:sato"] and found["books:name?buyer.user=mori"] == ["user:books:mori"]
    assert set(found) == {
        "all",
        *(f"{scope}buyer.user={one}" for scope in ("all#", "books:name?") for one in ("sato", "mori")),
    }


def test_what_the_incremental_way_missed_is_found_within_a_week_mended_and_counted(tmp_path: Path) -> None:
    project, source = project_of(tmp_path), Source(many(5))

    def go(day: int) -> Result:
        return pull(project, Request(STREAM), FixedClock(START + timedelta(days=day)), connector=source)

    assert go(0).counts["missed"] == 0
    source.rows[3] = Row("時刻を変えずに直した部品")
    source.later()
    source.put(4, name="ふつうに直した部品")
    source.later()
    assert go(1).succeeded
    assert names(project)[3] == "部品3"
    source.later()
    result = go(7)
    assert source.asked[-1].full and names(project)[3] == "時刻を変えずに直した部品"
    balance = next(check for check in result.checks if check.name == "balance")
    assert result.counts["missed"] == 1 and balance.numbers["missed"] == 1


@dataclass
class Fed(Source):
    """A source with a change feed: with a cursor come the entries of ``told`` behind it, without one every row."""

    told: list[tuple[int, Row]] = field(default_factory=list)
    resumed: list[bool] = field(default_factory=list)

    def tell(self, number: int, **change: Any) -> None:
        self.put(number, **change)
        self.told.append((number, self.rows[number]))

    def pull(self, stream: Stream, window: Window, cursor: Cursor | None = None, known: Known | None = None) -> Iterator[Page]:
        self.resumed.append(cursor is not None)
        start = cursor.state["at"] if cursor else 0
        self.cursor = {"at": len(self.told)}
        self.pages = (lambda: iter([self.told[start:]])) if cursor else None
        yield from super().pull(stream, window if cursor is None else Window(), None)


def fed(folder: Path, count: int = 40) -> tuple[Project, Fed]:
    rights = tuple(Scope(id, id, ("everyone:books",)) for id in ("all", "few"))
    return project_of(folder, cursor={"field": "updated_at", "deletes": "feed"}), Fed(many(count), rights=rights, cursor={"at": 0})


def on_day(project: Project, source: Source, day: int) -> Result:
    return pull(project, Request(STREAM), FixedClock(START + timedelta(days=day)), connector=source)


def test_what_a_feed_never_told_is_found_within_a_week_mended_and_counted(tmp_path: Path) -> None:
    project, source = fed(tmp_path)
    on_day(project, source, 0)
    source.later()
    source.tell(1, name="フィードが言った部品")
    assert on_day(project, source, 1).counts["missed"] == 0 and source.resumed == [False, True]
    source.rows[2] = replace(source.rows[2], name="フィードが言わなかった部品")
    source.rows[3] = replace(source.rows[3], scope="few")
    del source.rows[4]
    source.tell(5, name="今週フィードが言った部品")
    source.later()
    result = on_day(project, source, 8)
    assert result.succeeded and result.counts["missed"] == 3
    assert names(project) == {number: row.name for number, row in source.rows.items()}
    rows = Warehouse(project.root).current(STREAM)
    assert rows is not None and dict(zip(rows["id"].to_pylist(), rows["_scope"].to_pylist(), strict=True))[3] == "few"
    source.later()
    assert on_day(project, source, 9).succeeded and source.resumed[-1], "and then goes on from the feed"


def test_what_is_saved_while_the_weekly_pass_reads_is_no_miss(tmp_path: Path) -> None:
    project, source = fed(tmp_path)
    on_day(project, source, 0)
    source.later()

    def saved() -> None:
        if not source.resumed[-1]:
            source.later()
            source.put(7, name="読んでいる間に直した部品")

    source.before_pull = saved
    result = on_day(project, source, 8)
    assert result.counts["changed"] == 1 and result.counts["missed"] == 0


def test_a_feed_that_forgot_rows_is_red_no_longer_than_to_the_weekly_pass(tmp_path: Path) -> None:
    project, source = fed(tmp_path)
    on_day(project, source, 0)
    source.later()
    source.rows[41] = Row("戻された部品")
    for day in (1, 6):
        refused = on_day(project, source, day)
        assert refused.error is not None and refused.error.code == "pull.unbalanced"
    assert on_day(project, source, 7).counts["missed"] == 1
    assert names(project)[41] == "戻された部品"


def test_a_mass_of_rows_that_no_feed_called_deleted_stops_the_weekly_pass(tmp_path: Path) -> None:
    project, source = fed(tmp_path)
    on_day(project, source, 0)
    source.later()
    source.rows = many(10)
    refused = on_day(project, source, 8)
    assert refused.error is not None and refused.error.code == "pull.vanished"
    assert len(names(project)) == 40


@settings(max_examples=20, deadline=None)
@given(data=st.data())
def test_however_many_pages_bring_a_few_keys_each_is_compared_with_what_is_held(tmp_path_factory: Any, data: Any) -> None:
    project = project_of(tmp_path_factory.mktemp("keys"))
    source = Source(many(40), page=3)
    run(project, source)
    source.later()
    moved = data.draw(st.sets(st.integers(1, 45), max_size=30))
    for number in moved:
        source.put(number, name=f"改{number}")
    result = run(project, source)
    assert result.succeeded and result.counts["changed"] == len(moved)
    assert names(project) == {number: row.name for number, row in source.rows.items()}
