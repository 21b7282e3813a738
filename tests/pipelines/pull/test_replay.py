"""Held rows read anew: only these come, each lands once, and nothing that an ordinary pull has to do is taken off it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path

import pytest
from conformance.live import write_contract
from scripted import START, STREAM, Chosen, Row, Source, held, mended, names, project_of, run

from connectors.access import Scope
from connectors.errors import AnswerIsNo, SourceUnavailable
from connectors.protocol import Page, Reject, Schema, Stream
from pipelines.clock import FixedClock, WallClock
from pipelines.evidence.plan import claims_of
from pipelines.landing.quarantine import history
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load
from pipelines.pull.outcome import Request
from pipelines.pull.replay import Replayed, replay
from pipelines.pull.run import pull


def rows(count: int, *bad: int) -> dict[int, Row]:
    return {number: Row(f"部品{number}", bad=number in bad) for number in range(1, count + 1)}


def revised(project: Project) -> Project:
    """The same project with the next version of its contract."""
    told = project.contract(STREAM).model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    rule = {"expect": "expect_table_row_count_to_be_between", "min_value": 1}
    accepted = {"by": "akari.mori@sakura-seiki.example", "at": "2026-06-01", "why": "mended"}
    write_contract(project, {**told, "version": 2, "expectations": [rule], "accepted": accepted})
    return load(project.folder)


def again(project: Project, source: Source, *keys: str) -> Replayed:
    return replay(project, STREAM, keys, WallClock(), connector=source)


def landings(project: Project) -> list[tuple[str, str]]:
    table = Warehouse(project.root).read("landing", STREAM)
    assert table is not None
    return sorted(zip(table["_key"].to_pylist(), table["_op"].to_pylist(), strict=True))


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return project_of(tmp_path / "project")


def test_after_a_mended_contract_only_the_held_rows_come_again_each_exactly_once(project: Project) -> None:
    source = Chosen(rows(25, 7, 9, 11))
    run(project, source)
    mended(source, 7, 9)
    before, asked = landings(project), len(source.asked)
    found = again(revised(project), source)
    assert (found.landed, found.held, found.gone) == (("7", "9"), ("11",), ())
    assert sorted(source.again) == ["11", "7", "9"] and len(source.asked) == asked, "no window was read"
    assert landings(project) == sorted([*before, ("7", "upsert"), ("9", "upsert")])
    assert held(project) == ["11"] and names(project)[7] == "部品7"
    assert found.result is not None and found.result.balance is not None and found.result.balance.balanced
    once = landings(project)
    second = again(revised(project), source)
    assert (second.landed, second.held) == ((), ("11",)) and landings(project) == once, "a second replay lands nothing"


def test_once_nothing_is_held_a_replay_asks_the_source_for_nothing(project: Project) -> None:
    source = Chosen(rows(12, 7))
    run(project, source)
    mended(source, 7)
    again(project, source)
    number = Warehouse(project.root).published(STREAM).number  # type: ignore[union-attr]
    source.again = []
    assert again(project, source, "7") == again(project, source) == Replayed(STREAM, ())
    assert source.again == [] and Warehouse(project.root).published(STREAM).number == number  # type: ignore[union-attr]


def test_only_the_rows_that_are_named_are_read_and_a_key_that_never_was_held_is_refused(project: Project) -> None:
    source = Chosen(rows(12, 7, 9))
    run(project, source)
    mended(source, 7, 9)
    assert again(project, source, "9").landed == ("9",) and held(project) == ["7"]
    with pytest.raises(AnswerIsNo) as refused:
        again(project, source, "7", "8")
    assert refused.value.code == "quarantine.not_held" and refused.value.params["key"] == "8" and held(project) == ["7"]


def test_a_row_that_is_still_wrong_stays_held_with_its_reasons_of_today(project: Project) -> None:
    source = Chosen(rows(12, 7))
    run(project, source)
    source.rows[7] = replace(source.rows[7], more=(("updated_at", "timestamp.format"),))
    found = again(revised(project), source)
    (row,) = history(Warehouse(project.root), STREAM)
    assert found.held == ("7",) and [fault.column for fault in row.faults] == ["名前", "updated_at"]
    assert found.result is not None and (row.pull_id, row.contract_version) == (found.result.pull_id, 2)
    assert row.left_at is None and row.since < row.judged_at


def test_a_row_that_is_deleted_at_the_source_leaves_quarantine_and_lands_nowhere(project: Project) -> None:
    source = Chosen(rows(12, 7, 9))
    run(project, source)
    del source.rows[7]
    found = again(project, source)
    assert (found.gone, found.held) == (("7",), ("9",)) and held(project) == ["9"]
    assert ("7", "upsert") not in landings(project)


def test_a_row_that_does_not_come_although_the_source_lists_it_stays_held(project: Project) -> None:
    source = Chosen(rows(12, 7), quiet=(7,))
    run(project, source)
    mended(source, 7)
    found = again(project, source)
    assert found.held == ("7",) and held(project) == ["7"], "silence is no proof that it is gone"
    source.quiet = ()
    assert again(project, source).landed == ("7",)


def test_what_came_and_went_at_the_source_meanwhile_is_left_to_the_next_pull_and_the_books_say_so(project: Project) -> None:
    source = Chosen(rows(12, 7))
    run(project, source)
    watermark = Warehouse(project.root).published(STREAM).watermark  # type: ignore[union-attr]
    source.later()
    mended(source, 7)
    source.put(99, name="新")
    source.put(3, name="改")
    found = again(project, source)
    assert found.landed == ("7",) and found.result is not None and found.result.balance is not None
    assert (found.result.balance.balanced, found.result.balance.excluded) == (True, 1)
    assert 99 not in names(project) and names(project)[3] == "部品3"
    assert Warehouse(project.root).published(STREAM).watermark == watermark  # type: ignore[union-attr]
    result = run(project, source)
    assert result.counts["changed"] == 2 and names(project)[99] == "新" and names(project)[3] == "改"


def test_the_next_pull_still_reads_everything_under_the_new_contract(project: Project) -> None:
    source = Chosen(rows(12, 7))
    run(project, source)
    mended(source, 7)
    new = revised(project)
    assert again(new, source).landed == ("7",)
    source.later()
    result = run(new, source)
    assert source.asked[-1].full and result.counts["changed"] == 0
    assert Warehouse(project.root).published(STREAM).contract_version == 2  # type: ignore[union-attr]


def test_where_rights_moved_everything_is_read_for_they_concern_other_rows_too(project: Project) -> None:
    source = Chosen(rows(12, 7))
    run(project, source)
    mended(source, 7)
    source.rights = (*source.rights, Scope("few", "few", ("user:kintone:a",)))
    source.rows[2] = replace(source.rows[2], scope="few")
    found = again(project, source)
    assert found.landed == ("7",) and source.again == [] and source.asked[-1].full
    scopes = Warehouse(project.root).current(STREAM)
    assert scopes is not None and "few" in scopes["_scope"].to_pylist()


def test_a_contract_with_another_column_is_no_matter_of_the_held_rows_alone(project: Project) -> None:
    source = Chosen(rows(12, 7))
    run(project, source)
    mended(source, 7)
    told = project.contract(STREAM).model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    fields = [{**field, **({"source": "title"} if field["name"] == "名前" else {})} for field in told["fields"]]
    people = {"by": "akari.mori@sakura-seiki.example", "seconded": {"by": "riku.ikeda@sakura-seiki.example", "at": "2026-06-01"}}
    write_contract(project, {**told, "version": 2, "fields": fields, "accepted": {**people, "at": "2026-06-01", "why": "renamed"}})
    real, source.describe = source.describe, lambda stream: _renamed(real(stream))  # type: ignore[method-assign]
    found = again(load(project.folder), source)
    assert found.result is not None and found.result.error is None, found.result
    assert found.landed == ("7",) and source.again == [] and source.asked[-1].full


def _renamed(schema: Schema) -> Schema:
    return replace(schema, fields=tuple(replace(one, source="title") if one.source == "name" else one for one in schema.fields))


def test_a_source_that_knows_no_single_rows_is_read_whole_and_only_what_differs_lands(project: Project) -> None:
    source = Source(rows(12, 7, 9))
    run(project, source)
    mended(source, 7)
    before = landings(project)
    found = again(project, source, "7")
    assert (found.landed, found.held) == (("7",), ()) and source.asked[-1].full
    assert landings(project) == sorted([*before, ("7", "upsert")]) and held(project) == ["9"]


def test_a_replay_that_fails_leaves_its_rows_held_and_is_claimed_as_manual(project: Project) -> None:
    source = Chosen(rows(12, 7))
    run(project, source)
    mended(source, 7)

    def fails(stream: Stream, rows: Sequence[Reject]) -> Iterator[Page]:
        raise SourceUnavailable("source.cut", host="h", reason="r")
        yield

    source.reread = fails  # type: ignore[method-assign]
    found = again(project, source)
    assert found.held == ("7",) and found.result is not None and found.result.error is not None and held(project) == ["7"]
    del source.reread  # type: ignore[attr-defined]
    assert again(project, source).landed == ("7",)
    claims = claims_of(project).read()
    assert [(claim.trigger, claim.slot, claim.outcome) for claim in claims[-2:]] == [
        ("manual", None, "failed"),
        ("manual", None, "succeeded"),
    ]


def test_rows_that_a_mass_of_misfits_sent_to_quarantine_come_back_by_a_replay(tmp_path: Path) -> None:
    project = project_of(tmp_path / "project", vanishing={"share": 0.1, "rows": 2})
    source = Chosen(rows(30))
    run(project, source)
    source.later()
    for number in range(1, 11):
        source.put(number, bad=True)
    refused = run(project, source)
    assert refused.error is not None and refused.error.code == "pull.held_back"
    assert "fortnight quarantine replay" in refused.error.say("en") and "fortnight quarantine replay" in refused.error.say("ja")
    assert len(names(project)) == 30 and held(project) == []
    assert run(project, source, accept_gone=True).counts["quarantined"] == 10
    mended(source, *range(1, 11))
    found = again(revised(project), source)
    assert len(found.landed) == 10 and len(names(project)) == 30 and held(project) == []
    adds = [key for key, op in landings(project) if op == "upsert"]
    assert sorted(adds) == sorted([*map(str, range(1, 31)), *map(str, range(1, 11))]), "each came back once"


def test_a_replay_of_a_feed_keeps_the_cursor_that_the_next_pull_goes_on_from(tmp_path: Path) -> None:
    project = project_of(tmp_path / "project", cursor={"field": "updated_at", "deletes": "feed"})
    source = Chosen(rows(12, 7), cursor={"start": "1"})
    run(project, source)
    mended(source, 7)
    assert again(project, source).landed == ("7",)
    assert dict(Warehouse(project.root).published(STREAM).cursor or {}) == {"start": "1"}  # type: ignore[union-attr]


def test_a_replay_of_rows_that_another_pull_let_go_meanwhile_is_an_ordinary_pull(project: Project) -> None:
    source = Chosen(rows(12, 7))
    run(project, source)
    source.later()
    source.put(7, bad=False, name="直した")
    run(project, source)
    result = pull(project, Request(STREAM, replay=("7",)), WallClock(), connector=source)
    assert result.succeeded and source.again == [] and result.counts["changed"] == 0


def test_a_row_that_is_held_for_too_long_is_named_by_each_pull_and_stays(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    project = project_of(tmp_path / "project")
    path = project.folder / "project.yaml"
    path.write_text(path.read_text(encoding="utf-8") + "quarantine: {retention: P2D}\n", encoding="utf-8")
    project, source = load(project.folder), Chosen(rows(12, 7))

    def pulled(day: int) -> list[str]:
        caplog.clear()
        assert pull(project, Request(STREAM), FixedClock(START + timedelta(days=day)), connector=source).succeeded
        return [record.getMessage() for record in caplog.records if record.name == "fortnight.pull" and record.levelname == "WARNING"]

    assert pulled(0) == pulled(2) == [] and held(project) == ["7"]
    (said,) = pulled(3)
    assert "fortnight quarantine list books/parts" in said and held(project) == ["7"]
