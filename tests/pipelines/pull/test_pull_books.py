"""The books of a pull: every row the source has is live, held or named, whatever the source does while it is being read."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from scripted import START, STREAM, Row, Source, held, names, project_of, run

from connectors.access import UNRESOLVED, Scope
from connectors.errors import AnswerIsNo, BrokenReply, CannotSay, Interrupted, SourceUnavailable
from connectors.protocol import Stream
from expectations.quarantine import Fault
from pipelines.evidence.plan import claims_of
from pipelines.landing.quarantine import history
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return project_of(tmp_path / "project")


def rows(count: int) -> dict[int, Row]:
    return {number: Row(f"部品{number}") for number in range(1, count + 1)}


def numbers(source: Source) -> dict[int, str]:
    return {number: row.name for number, row in source.rows.items() if not row.bad}


# --- a source that can't say ----------------------------------------------------------------------------------------------------


class Silent(Source):
    """It gives rows and says neither how many it has nor which."""

    def count(self, stream: Stream) -> int:
        raise CannotSay("soap.not_complete", stream=stream.id, operation="ReadNews")

    def keys(self, stream: Stream) -> Iterator[pa.RecordBatch]:
        raise CannotSay("soap.not_complete", stream=stream.id, operation="ReadNews")


@pytest.mark.parametrize("full", [True, False])
def test_what_a_source_that_can_not_say_leaves_out_stays_live_or_held(project: Project, full: bool) -> None:
    source = Silent(rows(25) | {7: Row(bad=True)})
    assert run(project, source).succeeded
    source.later()
    source.rows = {3: replace(source.rows[3], name="新しい名前", at=source.now), 30: Row("部品30", at=source.now)}
    result = run(project, source, full=full)
    assert result.succeeded, result.error
    assert result.counts["deleted"] == 0
    assert set(names(project)) == {*range(1, 7), *range(8, 26), 30} and names(project)[3] == "新しい名前" and held(project) == ["7"]


def test_the_books_of_a_source_that_can_not_say_are_unverified_and_nobody_calls_them_balanced(project: Project) -> None:
    result = run(project, Silent(rows(3)))
    books = result.balance
    assert result.succeeded and books is not None
    assert (books.source, books.landed, books.difference, books.verified, books.balanced) == (None, 3, None, False, False)
    check = next(one for one in result.checks if one.name == "balance")
    assert (check.passed, check.severity, check.rows[0]["source"]) == (False, "warning", "?") and "UNVERIFIED" in check.summary
    assert "source" not in check.numbers
    (claim,) = claims_of(project).read()
    assert (claim.balance.source, claim.balance.verified) == (None, False)


# --- quarantine -----------------------------------------------------------------------------------------------------------------


def test_a_row_that_cannot_be_typed_is_held_with_its_reason_and_the_books_balance(project: Project) -> None:
    source = Source(rows(25) | {7: Row(bad=True)})
    result = run(project, source)
    assert result.succeeded and result.balance is not None
    assert (result.balance.source, result.balance.landed, result.balance.quarantined) == (25, 24, 1)
    (kept,) = history(Warehouse(project.root), STREAM)
    assert (kept.key, kept.faults, kept.raw) == ("7", (Fault("名前", "type.mismatch"),), '{"id": 7}')
    assert (kept.pull_id, kept.contract_version, kept.since, kept.left_at) == (result.pull_id, 1, result.started_at, None)


def test_a_held_row_stays_held_and_the_books_balance_while_later_pulls_do_not_see_it(project: Project) -> None:
    source = Source(rows(25) | {7: Row(bad=True)})
    run(project, source)
    for _ in range(2):
        source.later()
        source.put(3, name="新しい名前")
        result = run(project, source)
        assert result.succeeded, result.error
        assert result.counts["read"] == 1 and result.counts["quarantined"] == 1
    assert held(project) == ["7"] and names(project) == numbers(source)
    assert source.listed == 0, "nothing was deleted, so nothing had to be listed"


def test_a_held_row_that_is_mended_at_the_source_is_live_again(project: Project) -> None:
    source = Source(rows(12) | {7: Row(bad=True)})
    run(project, source)
    source.later()
    source.put(7, name="直した", bad=False)
    assert run(project, source).succeeded
    assert held(project) == [] and names(project)[7] == "直した"


def test_a_held_row_that_is_deleted_at_the_source_is_held_no_longer(project: Project) -> None:
    source = Source(rows(12) | {7: Row(bad=True)})
    run(project, source)
    source.later()
    del source.rows[7]
    result = run(project, source)
    assert result.succeeded and held(project) == [] and len(names(project)) == 11


def test_a_live_row_whose_new_state_cannot_be_typed_is_held_and_its_old_state_ends(project: Project) -> None:
    source = Source(rows(12))
    run(project, source)
    source.later()
    source.put(7, bad=True)
    result = run(project, source)
    assert result.succeeded and held(project) == ["7"] and 7 not in names(project)
    source.later()
    source.put(7, bad=True)
    assert run(project, source).succeeded
    assert held(project) == ["7"]


def test_a_row_held_on_one_page_and_good_on_a_later_one_is_counted_once(project: Project) -> None:
    source = Source(rows(3))
    source.pages = lambda: iter([[(1, Row(bad=True)), (2, source.rows[2])], [(1, source.rows[1]), (3, source.rows[3])]])
    result = run(project, source)
    assert result.succeeded, result.error
    assert held(project) == [] and names(project) == numbers(source)


# --- a source that moves, repeats itself or lies ----------------------------------------------------------------------------------


def test_a_source_that_counts_more_than_it_gives_publishes_nothing(project: Project) -> None:
    source = Source(rows(25))
    assert run(project, source).succeeded
    before = names(project)
    source.later()
    source.put(4, name="後")
    source.counted = lambda: 26
    for full in (False, True):
        result = run(project, source, full=full)
        assert isinstance(result.error, AnswerIsNo) and result.error.code == "pull.unbalanced" and result.error.exit_code == 1
        assert result.error.params["difference"] == 1
        assert names(project) == before and Warehouse(project.root).published(STREAM).number == 1  # type: ignore[union-attr]
    last = claims_of(project).read()[-1]
    assert (last.outcome, last.error, last.balance.exact) == ("failed", "pull.unbalanced", False)
    source.counted = None
    assert run(project, source).succeeded and names(project) == numbers(source)


def test_a_source_that_counts_fewer_than_it_gives_publishes_nothing(project: Project) -> None:
    source = Source(rows(25), counted=lambda: 24)
    result = run(project, source)
    assert result.error is not None and result.error.code == "pull.unbalanced" and names(project) == {}
    assert Warehouse(project.root).versions(STREAM) == {}, "what was written has gone"


@pytest.mark.parametrize("first", [True, False])
def test_a_row_that_comes_while_the_source_is_read_does_not_fail_the_pull(project: Project, first: bool) -> None:
    source = Source(rows(12))
    if not first:
        run(project, source)
        source.later()
    source.before_pull = lambda: source.put(99, name="割り込み")
    result = run(project, source)
    assert result.succeeded, result.error
    assert names(project) == numbers(source)


@pytest.mark.parametrize("first", [True, False])
def test_a_row_that_goes_while_the_source_is_read_does_not_fail_the_pull(project: Project, first: bool) -> None:
    source = Source(rows(12))
    if not first:
        run(project, source)
        source.later()
    source.before_pull = lambda: source.rows.pop(5, None) and None
    assert run(project, source).succeeded
    source.before_pull = lambda: None
    source.later()
    assert run(project, source).succeeded
    assert names(project) == numbers(source)


def test_of_a_row_that_stands_twice_in_a_page_the_last_state_counts_even_when_it_is_the_old_one(project: Project) -> None:
    source = Source(rows(3))
    run(project, source)
    source.later()
    old = source.rows[2]
    source.pages = lambda: iter([[(2, replace(old, name="一時")), (2, old)]])
    assert run(project, source).succeeded
    assert names(project) == numbers(source)
    source.pages = lambda: iter([[(2, replace(old, name="一時"))], [(2, old)]])
    assert run(project, source).succeeded
    assert names(project) == numbers(source)


def test_of_a_delete_and_a_save_in_one_page_the_later_one_counts(project: Project) -> None:
    source = Source(rows(3))
    run(project, source)
    source.later()
    source.pages = lambda: iter([[(2, Row(gone=True)), (2, Row("戻った")), (3, Row("x")), (3, Row(gone=True))]])
    del source.rows[3]
    source.rows[2] = Row("戻った")
    assert run(project, source).succeeded
    assert names(project) == {1: "部品1", 2: "戻った"}


def test_what_a_feed_deletes_twice_is_deleted_once(project: Project) -> None:
    source = Source(rows(3))
    run(project, source)
    source.later()
    del source.rows[3]
    source.pages = lambda: iter([[(3, Row(gone=True)), (77, Row(gone=True))], [(3, Row(gone=True))]])
    result = run(project, source)
    assert result.succeeded and result.counts["deleted"] == 1 and names(project) == numbers(source)


def test_an_empty_source_is_published_empty_and_a_source_emptied_later_too(project: Project) -> None:
    source = Source({})
    assert run(project, source).succeeded and names(project) == {}
    source.rows = rows(12)
    source.later()
    assert run(project, source, full=True).succeeded and len(names(project)) == 12
    source.rows = {}
    assert run(project, source, full=True).counts["deleted"] == 12
    assert names(project) == {}


@settings(max_examples=8, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow], deadline=None)
@given(
    steps=st.lists(st.dictionaries(st.integers(1, 12), st.sampled_from(["save", "spoil", "delete"]), max_size=6), min_size=1, max_size=3),
    data=st.data(),
)
def test_whatever_happens_between_pulls_the_published_rows_are_the_sources(
    tmp_path_factory: pytest.TempPathFactory, steps: list[dict[int, str]], data: st.DataObject
) -> None:
    project = project_of(tmp_path_factory.mktemp("any") / "project")
    source = Source(rows(6), page=data.draw(st.integers(1, 7)))
    for number, step in enumerate([{}, *steps]):
        source.later()
        for key, act in step.items():
            if act == "delete":
                source.rows.pop(key, None)
            else:
                source.put(key, name=f"{number}版", bad=act == "spoil")
        result = run(project, source, full=data.draw(st.booleans()))
        assert result.succeeded, result.error
        assert names(project) == numbers(source)
        assert held(project) == sorted(str(key) for key, row in source.rows.items() if row.bad)


# --- what to read -----------------------------------------------------------------------------------------------------------------


def test_the_next_pull_starts_a_little_before_the_sources_clock_as_it_was_before_the_last_one(project: Project) -> None:
    source = Source(rows(3))
    before = source.now
    source.after_pull = lambda: source.later(5)
    run(project, source)
    source.after_pull = lambda: None
    run(project, source)
    assert source.asked[0].full and source.asked[1].since == before - timedelta(minutes=5)


@pytest.mark.parametrize("what", ["revision", "scopes"])
def test_when_rights_or_settings_moved_everything_is_read_and_rows_take_their_new_scope(project: Project, what: str) -> None:
    source = Source(rows(3))
    run(project, source)
    source.later()
    if what == "revision":
        source.revision = "2"
    else:
        source.rights = (*source.rights, Scope("few", "few", ("user:kintone:a",)))
        source.rows[2] = replace(source.rows[2], scope="few")  # no update time moves with a right
    result = run(project, source)
    assert source.asked[-1].full
    assert result.counts["changed"] == (0 if what == "revision" else 1)


def test_a_feed_goes_on_from_its_cursor_when_a_scope_is_new_as_it_brings_the_rows_that_moved(tmp_path: Path) -> None:
    project = project_of(tmp_path / "project", cursor={"field": "updated_at", "deletes": "feed"})
    source = Source(rows(3), cursor={"start": "1"})
    run(project, source)
    source.later()
    source.rights = (*source.rights, Scope("few", "few", ("user:kintone:a",)))
    source.rows[2] = replace(source.rows[2], scope="few", at=source.now)
    assert run(project, source).counts["changed"] == 1
    assert not source.asked[-1].full


def test_a_stream_without_a_cursor_is_read_whole_each_time(tmp_path: Path) -> None:
    project = project_of(tmp_path / "project", cursor=None)
    source = Source(rows(3))
    run(project, source)
    source.rows.pop(2)
    assert run(project, source).counts["deleted"] == 1
    assert [window.full for window in source.asked] == [True, True] and source.listed == 0


# --- failing in the middle ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "error",
    [BrokenReply("source.cut", host="h", reason="r"), SourceUnavailable("source.cut", host="h", reason="r"), Interrupted("source.cut")],
)
def test_a_pull_that_fails_between_two_pages_leaves_what_was_published(
    project: Project, error: Exception, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    spools = tmp_path / "spools"
    spools.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(spools))
    source = Source(rows(25))
    run(project, source)
    before = names(project)

    def breaks() -> Iterator[list[tuple[int, Row]]]:
        yield [(1, Row("途中"))]
        raise error

    source.later()
    source.pages = breaks
    result = run(project, source)
    assert result.error is error and result.outcome == "failed" and result.published is None
    assert names(project) == before
    assert claims_of(project).read()[-1].outcome == "failed"
    assert not list(spools.glob("fortnight-*")), "no source data are left in the temporary folder"


def test_a_bug_in_the_middle_keeps_its_traceback_and_publishes_nothing(project: Project) -> None:
    source = Source(rows(25))

    def breaks() -> Iterator[list[tuple[int, Row]]]:
        yield [(1, Row("途中"))]
        raise ZeroDivisionError

    source.pages = breaks
    with pytest.raises(ZeroDivisionError):
        run(project, source)
    assert Warehouse(project.root).published(STREAM) is None and names(project) == {}
    source.pages = None
    assert run(project, source).succeeded


def test_a_second_pull_of_the_same_stream_at_the_same_time_is_refused_and_disturbs_nothing(project: Project) -> None:
    source = Source(rows(12))
    refusals: list[str] = []

    def meanwhile() -> None:
        result = run(project, Source(rows(3)))
        refusals.append(result.error.code if result.error else "it went through")

    source.before_pull = meanwhile
    assert run(project, source).succeeded
    assert refusals == ["landing.busy"] and len(names(project)) == 12


def test_a_scope_that_nobody_resolved_is_a_warning_and_its_rows_say_so(project: Project) -> None:
    source = Source(
        rows(3),
        rights=(Scope("all", "all", (), resolved=False, reason="rules cannot be read"), Scope(UNRESOLVED, "", (), False, "no scope")),
    )
    source.rows[2] = replace(source.rows[2], scope=UNRESOLVED)
    result = run(project, source)
    access = next(check for check in result.checks if check.name == "access")
    assert result.succeeded and not access.passed and access.severity == "warning"
    assert "rules cannot be read" in str(access.rows)


def test_the_source_clock_standing_before_the_rows_loses_none(project: Project) -> None:
    source = Source({1: Row(at=START + timedelta(days=3))})
    run(project, source)
    source.put(2, name="次")
    assert run(project, source).succeeded and set(names(project)) == {1, 2}
