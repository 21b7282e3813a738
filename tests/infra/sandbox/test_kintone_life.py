"""The company lives: days pass, orders come and go, forms are changed. The same seed and origin live the same life."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from pathlib import Path

import pytest
from kintone_talk import DEFECTS, FAQ, ORDERS, ORIGIN, Talk, kintone

from infra.sandbox.clock import SandboxClock
from infra.sandbox.company.trade import DEFAULT_SEED
from infra.sandbox.kintone.base import populate


@pytest.fixture
def talk(tmp_path: Path) -> Iterator[Talk]:
    with kintone(tmp_path) as running:
        yield running


def test_a_day_brings_orders_changes_and_deletions_dated_within_it(talk: Talk) -> None:
    before = talk.control("truth", app=ORDERS, count=True)
    closed = len(talk.ids(DEFECTS, '対応状況 in ("完了")'))
    talk.control("advance", days=1)
    after = talk.control("truth", app=ORDERS, count=True)
    fresh = talk.records(ORDERS, f"$id > {before['last_id']} limit 500")["records"]
    gone = set(after["deleted_ids"])
    assert 20 <= after["last_id"] - before["last_id"] <= 40
    assert 1 <= len(gone) <= 2 and after["count"] == before["count"] + after["last_id"] - before["last_id"] - len(gone)
    changed = talk.records(ORDERS, f'更新日時 >= "2026-06-01T01:00:00Z" and $id <= {before["last_id"]} limit 500')["records"]
    assert 5 <= len(changed) <= 20
    now = ORIGIN + timedelta(days=1, minutes=5)
    for one in [*fresh, *changed]:
        at = datetime.fromisoformat(one["更新日時"]["value"])
        assert ORIGIN <= at <= now and int(one["$revision"]["value"]) >= 1
    assert len(talk.ids(DEFECTS, '対応状況 in ("完了")')) == closed + 1


def test_nothing_stirs_while_somebody_looks_around(talk: Talk) -> None:
    first = talk.control("truth", app=ORDERS, count=True)
    talk.control("advance", minutes=25)
    assert talk.control("truth", app=ORDERS, count=True) == first
    talk.control("advance", days=1)
    second = talk.control("truth", app=ORDERS, count=True)
    assert talk.control("truth", app=ORDERS, count=True) == second


def test_life_is_the_same_whether_it_passes_in_one_step_or_in_many() -> None:
    def lived(steps: list[timedelta]) -> list[bytes]:
        clock = SandboxClock(ORIGIN)
        apps, _, life = populate(clock, DEFAULT_SEED)
        now = ORIGIN
        for step in steps:
            now += step
            life.until(now)
            life.until(now)
        bodies = [app.body(app.records[number]) for app in apps for number in app.ids[-300:]]
        return [*bodies, repr(life.comments).encode()]

    assert lived([timedelta(days=9)]) == lived([timedelta(hours=7)] * 30 + [timedelta(hours=6)])


def test_people_talk_about_a_third_of_the_defects_and_name_whom_they_mean() -> None:
    apps, _, life = populate(SandboxClock(ORIGIN), DEFAULT_SEED)
    defects = next(app for app in apps if app.key == "DEFECTS")
    said = [(defects.records[number], one) for (app, number), kept in life.comments.items() for one in kept if app == defects.id]
    assert len(life.comments) == 40 and 60 <= len(said) <= 100
    assert all(record.values["作成日時"] < one.at < ORIGIN.isoformat() and "{" not in one.text for record, one in said)
    assert {kind for _, one in said for kind, _ in one.mentions} == {"USER", "GROUP", "ORGANIZATION"}
    assert all(bool(one.mentions) == (" \n" in one.text) for _, one in said)


def test_days_bring_comments_and_a_commented_record_stays_as_it_was(talk: Talk) -> None:
    def said() -> dict[int, list[str]]:
        found = {
            number: talk.get("record/comments.json", app=DEFECTS, record=number).json()["comments"] for number in talk.ids(DEFECTS, "")
        }
        return {number: [one["text"] for one in comments] for number, comments in found.items()}

    def revisions() -> dict[int, str]:
        return {int(one["$id"]["value"]): one["$revision"]["value"] for one in talk.records(DEFECTS, "limit 500")["records"]}

    texts, before = said(), revisions()
    talk.control("advance", days=3)
    grown = [number for number, lines in said().items() if lines != texts[number]]
    moved = [number for number, revision in revisions().items() if revision != before[number]]
    assert 1 <= len(grown) <= 9 and len(moved) == 3
    assert not set(grown) <= set(moved)


def test_questions_are_answered_every_few_days_and_texts_hold_no_dates(talk: Talk) -> None:
    before = talk.control("truth", app=FAQ, count=True)["count"]
    assert before == 160
    talk.control("advance", days=9)
    assert talk.control("truth", app=FAQ, count=True)["count"] == before + 3
    for one in talk.records(FAQ, "limit 500")["records"]:
        assert "2026" not in one["質問"]["value"] + one["回答"]["value"]


def test_a_renamed_field_keeps_its_values_and_its_old_code_is_gone(talk: Talk) -> None:
    before = talk.get("record.json", app=FAQ, id=1).json()["record"]
    revision = int(talk.get("app/form/fields.json", app=FAQ).json()["revision"])
    talk.control("rename_field", app=FAQ, code="公開範囲", new_code="閲覧範囲")
    after = talk.get("record.json", app=FAQ, id=1).json()["record"]
    form = talk.get("app/form/fields.json", app=FAQ).json()
    assert "公開範囲" not in after and after["閲覧範囲"] == before["公開範囲"]
    assert int(form["revision"]) == revision + 1 and "閲覧範囲" in form["properties"]
    assert after["$revision"] == before["$revision"] and after["更新日時"] == before["更新日時"]
    assert talk.get("record/acl.json", app=FAQ).json()["rights"][0]["filterCond"] == '閲覧範囲 in ("営業限定")'
    assert {one["閲覧範囲"]["value"] for one in talk.records(FAQ, "limit 500", who="sakura.yamada")["records"]} == {"社内"}


def test_a_field_inside_a_table_is_renamed_with_the_formula_that_uses_it(talk: Talk) -> None:
    talk.control("rename_field", app=ORDERS, code="数量", new_code="受注数量")
    row = talk.records(ORDERS, "limit 1")["records"][0]["明細"]["value"][0]["value"]
    assert "受注数量" in row and "数量" not in row
    inner = talk.get("app/form/fields.json", app=ORDERS).json()["properties"]["明細"]["fields"]
    assert inner["小計"]["expression"] == "受注数量 * 単価"
    talk.control("advance", days=1)
    assert talk.records(ORDERS, "limit 1")["records"][0]["金額合計"]["value"] != ""


def test_an_added_field_is_null_in_old_records_and_a_removed_one_is_gone(talk: Talk) -> None:
    talk.control("add_field", app=ORDERS, code="出荷倉庫", type="DROP_DOWN", options=["本社", "西日本"])
    assert talk.get("record.json", app=ORDERS, id=1).json()["record"]["出荷倉庫"] == {"type": "DROP_DOWN", "value": None}
    assert talk.get("app/form/fields.json", app=ORDERS).json()["properties"]["出荷倉庫"]["options"]["西日本"]["index"] == "1"
    talk.control("remove_field", app=ORDERS, code="出荷倉庫")
    talk.control("add_field", app=ORDERS, code="出荷倉庫", type="NUMBER")
    assert talk.get("record.json", app=ORDERS, id=1).json()["record"]["出荷倉庫"] == {"type": "NUMBER", "value": None}
    talk.control("remove_field", app=ORDERS, code="備考")
    assert "備考" not in talk.get("record.json", app=ORDERS, id=1).json()["record"]
    talk.control("advance", days=1)
    assert "備考" not in talk.records(ORDERS, "limit 1")["records"][0]


def test_a_renumbered_app_answers_under_its_new_id_only(talk: Talk) -> None:
    talk.control("renumber_app", app="FAQ", new_id=77)
    assert talk.code_of(talk.get("app.json", id=FAQ)) == (404, "GAIA_AP01")
    assert talk.get("app.json", id=77, token_of=FAQ).json()["code"] == "FAQ"
    found = talk.get("apps.json", who="akari.mori", codes=["FAQ"]).json()["apps"]
    assert [one["appId"] for one in found] == ["77"]
