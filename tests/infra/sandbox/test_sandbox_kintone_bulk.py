"""An app of very many records answers like any other app: the same bytes by either way of making them, and nothing that needs a scan."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timedelta
from itertools import pairwise
from typing import Any

import pytest
from kintone_talk import ORIGIN, Talk, flat, kintone

from infra.sandbox.clock import SandboxClock
from infra.sandbox.company.trade import DEFAULT_SEED
from infra.sandbox.kintone.base import populate
from infra.sandbox.kintone.call import Call
from infra.sandbox.kintone.control import verbs
from infra.sandbox.kintone.directory import ADMINISTRATOR, Caller
from infra.sandbox.kintone.domain import Domain
from infra.sandbox.kintone.records import get_records
from infra.sandbox.kintone.store import App, Record

COUNT = 5_000


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    with kintone(tmp_path_factory.mktemp("kintone")) as running:
        yield running


class Big:
    """One bulk app of its own."""

    def __init__(self, talk: Talk, code: str, records: int = COUNT) -> None:
        self.talk = talk
        self.made = talk.control("bulk", code=code, records=records)
        self.id = int(self.made["app"])

    def ask(self, query: str, **params: Any) -> dict[str, Any]:
        headers = {"X-Cybozu-API-Token": self.made["api_token"]}
        answer = self.talk.http.get("/k/v1/records.json", params=flat({"app": self.id, "query": query, **params}), headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def send(self, method: str, path: str, **body: Any) -> dict[str, Any]:
        headers = {"X-Cybozu-API-Token": self.made["api_token"]}
        answer = self.talk.http.request(method, f"/k/v1/{path}", json={"app": self.id, **body}, headers=headers)
        assert answer.status_code == 200, answer.text
        return answer.json()

    def ids(self, query: str) -> list[int]:
        return [int(one["$id"]["value"]) for one in self.ask(query, fields=["$id"])["records"]]

    def truth(self, *ids: int) -> list[dict[str, Any]]:
        return self.talk.control("truth", app=self.id, ids=list(ids))["records"]


def test_a_seek_gives_every_record_once_with_twenty_fields(talk: Talk) -> None:
    big = Big(talk, "SEEK")
    found: list[int] = []
    while len(page := big.ids(f"$id > {found[-1] if found else 0} order by $id asc limit 500")) == 500:
        found += page
    assert [*found, *page] == list(range(1, COUNT + 1)) and big.made["fields"] == 20
    assert big.ask("limit 1", totalCount=True)["totalCount"] == str(COUNT)


def test_a_record_reads_the_same_whether_it_was_made_in_bulk_or_one_by_one(talk: Talk) -> None:
    big = Big(talk, "SAME")
    chosen = [1, 2, 499, 997, 1009, 4_999, COUNT]
    page = big.ask(f"$id in ({','.join(map(str, chosen))}) order by $id asc")["records"]
    assert page == big.truth(*chosen)
    assert [list(one) for one in page] == [list(one) for one in big.truth(*chosen)]
    assert page[0]["レコード番号"]["value"] == "SAME-1" and {one["type"] for one in page[0].values()} >= {
        "NUMBER",
        "USER_SELECT",
        "CHECK_BOX",
    }


def test_the_same_seed_makes_the_same_million(talk: Talk) -> None:
    def made() -> tuple[bytes, int]:
        apps, files, life = populate(SandboxClock(ORIGIN), DEFAULT_SEED)
        domain = Domain(SandboxClock(ORIGIN), DEFAULT_SEED, apps, files, life)
        token = verbs(domain)["bulk"]({"records": 1_000_000})["api_token"]
        ask = {"app": 101, "query": '更新日時 >= "2026-05-30T00:00:00Z" and $id > 100 order by $id asc limit 500'}
        call = Call(domain, Caller(ADMINISTRATOR, tokens=(token,)), ask)
        return get_records(call).body, len(domain.apps[101].ids)

    first, second = made(), made()
    assert first == second and first[1] == 1_000_000 and first[0].count(b"__ID__") == 500


def test_a_window_of_update_times_is_answered_from_the_index_alone(monkeypatch: pytest.MonkeyPatch) -> None:
    apps, files, life = populate(SandboxClock(ORIGIN), DEFAULT_SEED)
    domain = Domain(SandboxClock(ORIGIN), DEFAULT_SEED, apps, files, life)
    token = verbs(domain)["bulk"]({"records": 50_000})["api_token"]
    app: App = domain.apps[101]
    read: list[int] = []

    def seen(self: Any, number: int) -> Record:
        read.append(number)
        raise AssertionError(f"record {number} was read")

    monkeypatch.setattr(type(app.records), "__getitem__", seen)

    def ask(query: str) -> bytes:
        return get_records(Call(domain, Caller(ADMINISTRATOR, tokens=(token,)), {"app": 101, "query": query, "totalCount": "true"})).body

    assert b'"totalCount":"50000"' in ask("limit 1")
    assert b'"totalCount":"30000"' in ask("$id <= 30000 limit 1")
    assert ask('更新日時 >= "2026-05-01T00:00:00Z" and $id > 10 order by $id asc limit 500').count(b"__ID__") == 500
    assert b'"totalCount":"0"' in ask('更新日時 >= "2026-06-01T00:00:00Z" and $id > 0 order by $id asc limit 500')
    assert read == []


def test_update_windows_choose_what_a_scan_would_choose(talk: Talk) -> None:
    big = Big(talk, "WINDOW", 1_500)
    everything = {int(one["$id"]["value"]): one["更新日時"]["value"] for one in big.truth(*range(1, 1_501))}
    middle = everything[1_200]
    after = (datetime.fromisoformat(middle) + timedelta(seconds=30)).strftime("%Y-%m-%dT%H:%M:%SZ")
    for op, at, fits in (
        (">=", middle, lambda value: value >= middle),
        (">", middle, lambda value: value > middle),
        ("<=", after, lambda value: value <= after),
        ("<", middle, lambda value: value < middle),
        ("=", middle, lambda value: value == middle),
        ("=", after, lambda value: False),
        (">=", after, lambda value: value >= after),
    ):
        wanted = [number for number, value in everything.items() if fits(value) and number > 1_050]
        assert big.ids(f'更新日時 {op} "{at}" and $id > 1050 order by $id asc limit 500') == wanted, op
    assert big.ids(f'(更新日時 >= "{middle}") and ($id > 1490) order by $id desc limit 500') == list(range(1_500, 1_490, -1))


def test_changed_added_and_deleted_records_take_their_places(talk: Talk) -> None:
    big = Big(talk, "WRITE", 1_000)
    before = big.truth(7)[0]
    big.send("PUT", "record.json", id=7, record={"件名": {"value": "変えた"}})
    added = big.send("POST", "record.json", record={"件名": {"value": "足した"}})
    big.send("DELETE", "records.json", ids=[8, 500])
    assert big.ids("$id > 5 order by $id asc limit 4") == [6, 7, 9, 10] and added["id"] == "1001"
    page = big.ask("$id >= 6 order by $id asc limit 2")["records"]
    assert page[1]["件名"]["value"] == "変えた" and int(page[1]["$revision"]["value"]) == int(before["$revision"]["value"]) + 1
    assert page[1]["顧客名"] == before["顧客名"]
    assert big.ask("limit 1", totalCount=True)["totalCount"] == "999"
    now = big.truth(7)[0]["更新日時"]["value"]
    assert big.ids(f'更新日時 >= "{now}" order by $id asc') == [7, 1_001]


def test_the_form_may_change_under_a_million_records(talk: Talk) -> None:
    big = Big(talk, "FORM", 600)
    big.talk.control("rename_field", app="FORM", code="件名", new_code="案件名")
    big.talk.control("add_field", app="FORM", code="備考２", type="SINGLE_LINE_TEXT")
    big.talk.control("rename_option", app="FORM", code="区分", option="標準", new_option="通常")
    big.talk.control("remove_field", app="FORM", code="数量")
    big.talk.control("add_field", app="FORM", code="数量", type="NUMBER")
    page = big.ask("$id <= 20 order by $id asc")["records"]
    assert page == big.truth(*range(1, 21)) and page[0]["案件名"]["value"]
    assert page[0]["備考２"]["value"] is None and page[0]["数量"] == {"type": "NUMBER", "value": None}
    assert {one["区分"]["value"] for one in page} == {None, "通常", "特注", "予備品", "修理"}
    assert len(big.ids('区分 in ("通常") limit 500')) > 100


def test_times_grow_with_the_ids_and_end_a_day_before_the_app_was_made(talk: Talk) -> None:
    big = Big(talk, "TIMES", 400)
    times = [one["更新日時"]["value"] for one in big.truth(*range(1, 401))]
    assert all(first <= second for first, second in pairwise(times))
    assert datetime.fromisoformat(times[-1]) < ORIGIN - timedelta(hours=23)


def test_an_app_of_more_than_a_million_records_or_with_a_used_code_is_refused(talk: Talk) -> None:
    Big(talk, "ONCE", 10)
    for body in ({"code": "ONCE", "records": 10}, {"code": "HUGE", "records": 1_000_001}, {"code": "NONE", "records": 0}):
        with pytest.raises(Exception, match=r"already|holds 1 to"):
            talk.control("bulk", **body)
