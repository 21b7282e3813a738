"""Held records read anew by their numbers: these and no others, whatever the contract's key is."""

from __future__ import annotations

from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conformance.live import write_contract
from kintone_world import World, cell, connector, default_fields, field_of, order, stream
from test_kintone_attack import AT, BOOKS, NUMBER, NUMBERED, live, project_of, pulled, titled, waiting

from connectors.errors import BrokenReply
from connectors.protocol import Column, Page, Reject
from pipelines.clock import FixedClock
from pipelines.project import load
from pipelines.pull.replay import Replayed, replay

COUNT = Column("数", "数", pa.decimal128(4, 0))
NAME = Column("件名", "件名", pa.string())


def world(*numbers: str) -> World:
    return World(records=[titled(at, f"K{at}", number) for at, number in enumerate(numbers, 1)], fields=NUMBERED)


def told(*numbers: int) -> list[Reject]:
    return [Reject(str(one), "数", "number.overflow", f'{{"$id":{{"type":"__ID__","value":"{one}"}}}}') for one in numbers]


def reread(played: World, *numbers: int, **more: Any) -> list[Page]:
    pages = connector(played).reread(stream(NAME, COUNT, **more), told(*numbers))
    assert pages is not None
    return list(pages)


def test_only_the_chosen_records_are_asked_for_and_each_is_typed_or_rejected_anew() -> None:
    source = world("1", "99999", "3", "4")
    pages = reread(source, 2, 3, 9)
    assert [row["record_id"] for page in pages for row in page.rows.to_pylist()] == [3]
    (reject,) = [one for page in pages for one in page.rejects]
    assert (reject.key, reject.reasons, reject.version) == ("2", (("数", "number.overflow"),), "1")
    assert all("$id in (2, 3, 9)" in query for query in source.queries()) and {page.total for page in pages} == {None}


def test_the_contracts_own_condition_holds_for_chosen_records_too() -> None:
    source = world("1", "2", "3")
    source.conditions['件名 = "K3"'] = lambda record: record["件名"]["value"] == "K3"
    pages = reread(source, 2, 3, source={"app_code": "ORDERS", "app_id": 12, "condition": '件名 = "K3"'})
    assert [row["record_id"] for page in pages for row in page.rows.to_pylist()] == [3]


def test_more_records_than_one_query_names_are_asked_for_in_several() -> None:
    source = world(*["1"] * 230)
    pages = reread(source, *range(1, 231))
    assert sum(page.rows.num_rows for page in pages) == 230
    assert len({query.partition("$id in (")[2].partition(")")[0] for query in source.queries()}) == 3


def test_a_field_that_all_chosen_records_lack_holds_them_back_and_does_not_stop_the_read() -> None:
    source = world("1", "2", "3")
    for record in source.records[:2]:
        del record["数"]
    assert [one.reason for page in reread(source, 1, 2) for one in page.rejects] == ["field.absent", "field.absent"]


def test_settings_that_move_while_chosen_records_are_read_end_it() -> None:
    source = world("1", "2")
    pages = connector(source).reread(stream(NAME, COUNT), told(1, 2))
    assert pages is not None
    next(pages)
    source.revision += 1
    with pytest.raises(BrokenReply) as broken:
        list(pages)
    assert broken.value.code == "kintone.schema_moved"


@pytest.mark.parametrize("part", [{"table": "明細"}, {"part": "comments"}])
def test_parts_of_records_are_not_read_one_by_one(part: dict[str, str]) -> None:
    fields = default_fields() | {"明細": {**field_of("SUBTABLE", "明細"), "fields": {"数": field_of("NUMBER", "数")}}}
    source = World(records=[order(1, 明細=cell("SUBTABLE", []))], fields=fields)
    assert connector(source).reread(stream(source={"app_code": "ORDERS", "app_id": 12, **part}), told(1)) is None


@pytest.mark.parametrize("key", [["record_id"], ["件名"], ["件名", "record_id"]])
def test_a_record_is_found_by_its_number_whatever_the_contracts_key_is_and_lands_once(tmp_path: Path, key: list[str]) -> None:
    project = project_of(tmp_path, key, NUMBER)
    source = World(records=[titled(at, f"K{at}", "1") for at in range(1, 6)], fields=NUMBERED)
    source.records[1] = titled(2, "K2", "1e400")
    assert pulled(project, source).error is None and len(waiting(project)) == 1

    def again(minutes: int) -> Replayed:
        return replay(project, BOOKS, (), FixedClock(AT + timedelta(minutes=minutes)), connector=connector(source))

    assert len(again(1).held) == 1 and len(live(project)) == 4
    source.records[1] = titled(2, "K2", "7", revision=2)
    asked = len(source.queries())
    found = again(2)
    assert found.result is not None and found.result.error is None and len(found.landed) == 1 and waiting(project) == []
    rows = [query for query in source.queries()[asked:] if "limit 500" in query]
    assert rows and all("$id in (2)" in query for query in rows)
    assert sorted(live(project).values()) == ["K1", "K2", "K3", "K4", "K5"]


@pytest.mark.parametrize("key", [["record_id"], ["件名"]])
def test_a_record_that_the_contracts_own_policy_holds_is_found_by_its_number_too(tmp_path: Path, key: list[str]) -> None:
    choices = {name: {"label": name, "index": str(at)} for at, name in enumerate(("A", "B"))}
    fields = default_fields() | {"区分": field_of("DROP_DOWN", "区分", options=choices)}
    source = World(records=[titled(at, f"K{at}", "1", 区分=cell("DROP_DOWN", kind)) for at, kind in enumerate("ABA", 1)], fields=fields)
    project = project_of(tmp_path, key)

    def promise(version: int, *options: str) -> None:
        told = project.contract(BOOKS).model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
        told["fields"] = [*told["fields"][:3], {"name": "区分", "source": "区分", "type": "string", "options": options}]
        accepted = {"by": "akari.mori@sakura-seiki.example", "at": "2026-11-21", "why": f"for the {version}. time"}
        write_contract(project, {**told, "version": version, "drift": {"options": "quarantine"}, "accepted": accepted})

    promise(1, "A")
    project = load(project.folder)
    result = pulled(project, source)
    assert result.error is None and len(waiting(project)) == 1 and "K2" not in live(project).values()
    promise(2, "A", "B")
    project, asked = load(project.folder), len(source.queries())
    found = replay(project, BOOKS, (), FixedClock(AT + timedelta(minutes=1)), connector=connector(source))
    assert found.result is not None and found.result.error is None and len(found.landed) == 1 and waiting(project) == []
    assert all("$id in (2)" in query for query in source.queries()[asked:] if "limit 500" in query)
    assert sorted(live(project).values()) == ["K1", "K2", "K3"]
