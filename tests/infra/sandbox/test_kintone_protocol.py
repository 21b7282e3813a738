"""The kintone server speaks the protocol of the fact sheet: limits, errors, cursors, saves, headers, files, faults."""

from __future__ import annotations

import asyncio
import gzip
import struct
from collections.abc import Iterator
from datetime import datetime, timedelta
from email.utils import parsedate_to_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from kintone_talk import CUSTOMERS, DEFECTS, FAQ, ORDERS, ORIGIN, Talk, flat, kintone

SPECIFICATION = Path(__file__).resolve().parents[4] / "shared" / "data" / "vendor-specs" / "kintone-openapi-20250423.yaml.gz"


@pytest.fixture(scope="module")
def talk(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Talk]:
    with kintone(tmp_path_factory.mktemp("kintone")) as running:
        yield running


@pytest.fixture(autouse=True)
def no_leftovers(talk: Talk) -> Iterator[None]:
    """Every test begins without live cursors and faults."""
    yield
    talk.control("heal")
    talk.control("advance", minutes=11)


def _cursor(talk: Talk, app: int = ORDERS, **body: Any) -> httpx.Response:
    return talk.send("POST", "records/cursor.json", {"app": app, **body})


# --- reading records ----------------------------------------------------------------------------------------------------


def test_a_limit_of_500_is_the_most_that_one_call_gives(talk: Talk) -> None:
    assert talk.code_of(talk.get("records.json", app=ORDERS, query="limit 501")) == (400, "GAIA_QU01")
    assert len(talk.records(ORDERS, "limit 500")["records"]) == 500


def test_an_offset_beyond_10000_is_refused(talk: Talk) -> None:
    assert talk.get("records.json", app=ORDERS, query="limit 1 offset 10000").status_code == 200
    assert talk.code_of(talk.get("records.json", app=ORDERS, query="offset 10001")) == (400, "GAIA_QU02")


def test_without_a_query_the_100_newest_come_first_and_nothing_is_counted(talk: Talk) -> None:
    page = talk.records(ORDERS)
    ids = [int(one["$id"]["value"]) for one in page["records"]]
    assert len(ids) == 100 and ids == sorted(ids, reverse=True)
    assert page["totalCount"] is None
    assert talk.records(ORDERS, "limit 1", totalCount=True)["totalCount"] == str(talk.control("truth", app=ORDERS, count=True)["count"])


def test_the_seeks_of_a_full_load_give_every_record_once(talk: Talk) -> None:
    truth = talk.control("truth", app=ORDERS, count=True)
    ids = talk.ids(ORDERS)
    assert len(ids) == len(set(ids)) == truth["count"] >= 20_000
    assert ids[-1] > len(ids), "ids have gaps, as where records were deleted"


def test_unknown_fields_are_left_out_in_silence_but_refused_in_a_query(talk: Talk) -> None:
    page = talk.records(ORDERS, "limit 1", fields=["nosuch", "受注番号", "$id"])
    assert set(page["records"][0]) == {"受注番号", "$id"}
    assert talk.code_of(talk.get("records.json", app=ORDERS, query='nosuch = "1"')) == (400, "GAIA_IQ11")


def test_a_long_query_travels_by_post_with_the_override_header(talk: Talk) -> None:
    query = "(" + " or ".join(f'受注番号 = "SO-{number:06d}"' for number in range(1, 700)) + ") and $id > 0 order by $id asc limit 500"
    assert len(query.encode()) > 20_000
    headers = talk.headers(ORDERS)
    by_post = talk.http.post(
        "/k/v1/records.json", json={"app": ORDERS, "query": query}, headers=headers | {"X-HTTP-Method-Override": "GET"}
    )
    by_get = talk.http.request("GET", "/k/v1/records.json", json={"app": ORDERS, "query": query}, headers=headers)
    assert by_post.status_code == by_get.status_code == 200
    assert by_post.content == by_get.content
    assert len(by_post.json()["records"]) == 500
    without = talk.http.post("/k/v1/records.json", json={"app": ORDERS, "query": query}, headers=headers)
    assert without.status_code == 400 and "records" in without.json()["errors"], "without the header it is a call that adds records"


def test_ids_and_numbers_are_strings_and_the_record_number_bears_the_app_code(talk: Talk) -> None:
    record = talk.get("record.json", app=ORDERS, id=14).json()["record"]
    assert record["$id"] == {"type": "__ID__", "value": "14"}
    assert record["$revision"]["type"] == "__REVISION__" and record["$revision"]["value"].isdigit()
    assert record["レコード番号"] == {"type": "RECORD_NUMBER", "value": "ORDERS-14"}
    row = record["明細"]["value"][0]
    assert row["id"].isdigit() and isinstance(row["value"]["数量"]["value"], str)
    assert set(record["作成者"]["value"]) == {"code", "name"}
    assert talk.code_of(talk.get("record.json", app=ORDERS, id=999_999)) == (404, "GAIA_RE01")


def test_an_update_may_be_saved_twice_in_a_minute_and_only_the_revision_tells(talk: Talk) -> None:
    second = parsedate_to_datetime(talk.get("app.json", id=ORDERS).headers["Date"]).second
    talk.control("advance", minutes=(90 - second) / 60)
    number = talk.add(CUSTOMERS, 顧客コード="X0001", 顧客名="試験商店")
    first = talk.get("record.json", app=CUSTOMERS, id=number).json()["record"]
    put = talk.send("PUT", "record.json", {"app": CUSTOMERS, "id": number, "record": {"フリガナ": {"value": "シケン"}}})
    saved = parsedate_to_datetime(put.headers["Date"])
    after = talk.get("record.json", app=CUSTOMERS, id=number).json()["record"]
    assert saved.second >= 29
    assert after["更新日時"]["value"] == first["更新日時"]["value"] == saved.strftime("%Y-%m-%dT%H:%M:00Z")
    assert (first["$revision"]["value"], after["$revision"]["value"], put.json()["revision"]) == ("1", "2", "2")


# --- cursors ------------------------------------------------------------------------------------------------------------


def test_a_cursor_gives_100_records_by_default_and_all_of_them_in_the_end(talk: Talk) -> None:
    made = _cursor(talk, CUSTOMERS, query="order by 顧客コード asc")
    assert made.json()["totalCount"] == talk.records(CUSTOMERS, "limit 1", totalCount=True)["totalCount"]
    first = talk.get("records/cursor.json", token_of=CUSTOMERS, id=made.json()["id"]).json()
    second = talk.get("records/cursor.json", token_of=CUSTOMERS, id=made.json()["id"]).json()
    assert (len(first["records"]), first["next"], second["next"]) == (100, True, False)
    codes = [one["顧客コード"]["value"] for one in first["records"] + second["records"]]
    assert codes == sorted(set(codes)) and len(codes) == int(made.json()["totalCount"])


def test_a_cursor_refuses_more_than_500_and_any_paging_of_its_own(talk: Talk) -> None:
    assert talk.code_of(_cursor(talk, size=501)) == (400, "CB_VA01")
    assert _cursor(talk, query="limit 5").status_code == 400


def test_the_eleventh_live_cursor_is_refused_until_one_is_read_out(talk: Talk) -> None:
    made = [_cursor(talk, query="$id = 1", size=1).json()["id"] for _ in range(10)]
    assert talk.code_of(_cursor(talk)) == (429, "GAIA_TM12")
    assert talk.get("records/cursor.json", id=made[0], token_of=ORDERS).json()["next"] is False
    assert _cursor(talk, query="$id = 1").status_code == 200
    gone = talk.send("DELETE", "records/cursor.json", {"id": made[0]})
    assert talk.code_of(gone) == (404, "GAIA_CN01")
    assert talk.send("DELETE", "records/cursor.json", {"id": made[1]}).json() == {}


def test_a_cursor_dies_ten_minutes_after_it_was_last_read(talk: Talk) -> None:
    made = _cursor(talk, size=1).json()["id"]
    for _ in range(2):
        talk.control("advance", minutes=9)
        assert talk.get("records/cursor.json", id=made, token_of=ORDERS).status_code == 200
    talk.control("advance", minutes=10 + 1 / 60)
    assert talk.code_of(talk.get("records/cursor.json", id=made, token_of=ORDERS)) == (404, "GAIA_CN01")


def test_a_cursor_reads_values_when_it_is_read_and_lacks_what_was_deleted(talk: Talk) -> None:
    numbers = [talk.add(CUSTOMERS, 顧客コード=f"Y{place}", 顧客名="前") for place in range(4)]
    made = _cursor(talk, CUSTOMERS, query=f"$id >= {numbers[0]} order by $id asc", size=2).json()["id"]
    talk.send("PUT", "record.json", {"app": CUSTOMERS, "id": numbers[3], "record": {"顧客名": {"value": "後"}}})
    talk.send("DELETE", "records.json", {"app": CUSTOMERS, "ids": numbers[:2]})
    first = talk.get("records/cursor.json", id=made, token_of=CUSTOMERS).json()
    second = talk.get("records/cursor.json", id=made, token_of=CUSTOMERS).json()
    assert first == {"records": [], "next": True}
    assert [one["顧客名"]["value"] for one in second["records"]] == ["前", "後"]


# --- who calls ----------------------------------------------------------------------------------------------------------


def test_credentials_are_judged_as_the_service_judges_them(talk: Talk) -> None:
    path, asked = "/k/v1/records.json", flat({"app": ORDERS, "query": "limit 1"})
    token = talk.headers(ORDERS)["X-Cybozu-API-Token"]
    assert talk.code_of(talk.http.get(path, params=asked)) == (401, "CB_AU01")
    assert talk.code_of(talk.http.get(path, params=asked, headers={"X-Cybozu-Authorization": "bm9ib2R5OndvcmQ="})) == (401, "CB_WA01")
    assert talk.code_of(talk.http.get(path, params=asked, headers={"X-Cybozu-Authorization": "?"})) == (401, "CB_WA01")
    assert talk.code_of(talk.http.get(path, params=asked, headers=talk.headers(FAQ))) == (400, "GAIA_IA02")
    nine = ",".join([*(f"t{place}" for place in range(8)), token])
    assert talk.http.get(path, params=asked, headers={"X-Cybozu-API-Token": nine}).status_code == 200
    assert talk.http.get(path, params=asked, headers={"X-Cybozu-API-Token": nine + ",t9"}).status_code == 400
    assert talk.code_of(talk.get("apps.json", token_of=ORDERS)) == (403, "GAIA_NO01")
    assert talk.code_of(talk.get("app.json", id=99, token_of=ORDERS)) == (404, "GAIA_AP01")


def test_an_app_is_found_by_its_code_with_a_password(talk: Talk) -> None:
    found = talk.get("apps.json", who="akari.mori", codes=["ORDERS"]).json()["apps"]
    assert [(one["appId"], one["code"], one["name"]) for one in found] == [("12", "ORDERS", "受注")]
    assert talk.get("apps.json", who="akari.mori", codes=["orders"]).json()["apps"] == []
    assert talk.code_of(talk.get("apps.json", who="akari.mori", limit=101)) == (400, "CB_VA01")


def test_a_token_can_be_cut_and_given_back(talk: Talk) -> None:
    talk.control("token", app=FAQ, permissions=["appEditable"])
    assert talk.code_of(talk.get("records.json", app=FAQ)) == (403, "GAIA_NO01")
    talk.control("token", app=FAQ, permissions=[])
    assert talk.code_of(talk.get("records.json", app=FAQ)) == (400, "GAIA_IA02")
    everything = ["recordViewable", "recordAddable", "recordEditable", "recordDeletable", "appEditable"]
    talk.control("token", app=FAQ, permissions=everything)
    assert talk.get("records.json", app=FAQ).status_code == 200


def test_the_text_of_an_error_follows_the_language_and_the_code_does_not(talk: Talk) -> None:
    answers = [
        talk.http.get(
            "/k/v1/records.json", params={"app": "12", "query": "limit 501"}, headers=talk.headers(ORDERS) | {"Accept-Language": lang}
        )
        for lang in ("ja", "en")
    ]
    assert [one.json()["code"] for one in answers] == ["GAIA_QU01", "GAIA_QU01"]
    assert answers[0].json()["message"] != answers[1].json()["message"]
    assert all(len(one.json()["id"]) == 20 for one in answers)


def test_strict_json_and_a_promised_but_missing_body_are_refused(talk: Talk) -> None:
    headers = talk.headers(ORDERS) | {"Content-Type": "application/json"}
    broken = talk.http.post("/k/v1/records.json", content=b'{"app": 12,}', headers=headers)
    assert talk.code_of(broken) == (400, "CB_IJ01")
    assert talk.code_of(talk.http.get("/k/v1/records.json?app=12", headers=headers)) == (400, "CB_IL02")


# --- headers, load, faults ----------------------------------------------------------------------------------------------


def test_every_answer_tells_the_load_and_the_sandbox_time(talk: Talk) -> None:
    answer = talk.get("app.json", id=ORDERS)
    assert (answer.headers["X-ConcurrencyLimit-Limit"], answer.headers["X-ConcurrencyLimit-Running"]) == ("100", "1")
    now = datetime.fromisoformat(talk.control("clock")["now"])
    assert abs(parsedate_to_datetime(answer.headers["Date"]) - now) < timedelta(seconds=30)
    assert now - ORIGIN < timedelta(days=1)


def test_the_101st_request_at_once_is_refused(talk: Talk) -> None:
    talk.control("fault", kind="slow", milliseconds=1500)
    headers = talk.headers(ORDERS)

    async def all_at_once() -> list[httpx.Response]:
        limits = httpx.Limits(max_connections=110)
        async with httpx.AsyncClient(base_url=talk.http.base_url, trust_env=False, limits=limits, timeout=60) as client:
            return await asyncio.gather(*(client.get("/k/v1/app.json", params={"id": "12"}, headers=headers) for _ in range(105)))

    answers = asyncio.run(all_at_once())
    refused = [one for one in answers if one.status_code == 429]
    assert refused and {one.headers["X-Cybozu-Error"] for one in refused} == {"GAIA_TO04"}
    assert "Retry-After" not in refused[0].headers
    assert min(int(one.headers["X-ConcurrencyLimit-Running"]) for one in refused) == 101
    assert {one.headers["X-ConcurrencyLimit-Limit"] for one in answers} == {"100"}


def test_faults_strike_as_often_as_asked_and_then_the_server_is_well(talk: Talk) -> None:
    talk.control("fault", kind="503", count=1)
    talk.control("fault", kind="html200", count=1, skip=1)
    talk.control("fault", kind="429", count=1, skip=2)
    first, second, third, fourth = (talk.get("app.json", id=ORDERS) for _ in range(4))
    assert (first.status_code, first.text) == (503, "Service Unavailable")
    assert second.status_code == 200 and second.headers["Content-Type"].startswith("text/html")
    assert talk.code_of(third) == (429, "GAIA_TO04")
    assert fourth.json()["code"] == "ORDERS"


def test_a_dropped_connection_breaks_off_in_the_middle_of_the_answer(talk: Talk) -> None:
    talk.control("fault", kind="drop", count=1)
    with pytest.raises(httpx.RemoteProtocolError):
        talk.get("records.json", app=ORDERS)
    assert talk.get("records.json", app=ORDERS).status_code == 200


# --- writing ------------------------------------------------------------------------------------------------------------


def test_an_order_is_saved_with_its_sums_and_the_customer_it_looks_up(talk: Talk) -> None:
    rows = [{"value": {"製品コード": {"value": "SP-1000"}, "数量": {"value": "3"}, "単価": {"value": "0.1"}}}]
    number = talk.add(
        ORDERS, 受注番号="T-1", 受注日="2026-6-1", 顧客コード="C0001", 明細=rows, 消費税率="1.5e1", 希望納期="2026-06-09T09:00:59+09:00"
    )
    record = talk.get("record.json", app=ORDERS, id=number).json()["record"]
    master = talk.records(CUSTOMERS, '顧客コード in ("C0001")')["records"][0]
    assert record["顧客名"]["value"] == master["顧客名"]["value"]
    assert record["明細"]["value"][0]["value"]["小計"]["value"] == record["金額合計"]["value"] == "0.3"
    assert (record["消費税率"]["value"], record["受注日"]["value"], record["希望納期"]["value"]) == (
        "15",
        "2026-06-01",
        "2026-06-09T00:00:00Z",
    )
    assert record["ステータス"]["value"] == "受付" and record["作成者"]["value"]["code"] == "Administrator"


def test_a_wrong_value_is_refused_by_its_path_and_nothing_of_the_request_is_saved(talk: Talk) -> None:
    before = talk.control("truth", app=ORDERS, count=True)["count"]
    good = {"受注番号": {"value": "T-2"}, "受注日": {"value": "2026-06-01"}}
    bad = {"受注番号": {"value": "T-3"}, "受注日": {"value": "2026-06-01"}, "受注区分": {"value": "無い"}}
    answer = talk.send("POST", "records.json", {"app": ORDERS, "records": [good, bad]})
    assert talk.code_of(answer) == (400, "CB_VA01") and "records[1].受注区分.value" in answer.json()["errors"]
    assert talk.code_of(talk.send("POST", "records.json", {"app": ORDERS, "records": [good] * 101})) == (400, "CB_VA01")
    twins = talk.send("POST", "records.json", {"app": ORDERS, "records": [good, good]})
    assert "records[1].受注番号.value" in twins.json()["errors"]
    assert talk.control("truth", app=ORDERS, count=True)["count"] == before


def test_an_old_revision_does_not_overwrite_and_a_step_of_the_process_counts_two(talk: Talk) -> None:
    number = talk.add(ORDERS, 受注番号="T-4", 受注日="2026-06-01")
    step = {"app": ORDERS, "id": number, "action": "手配する", "assignee": "kenta.suzuki@sakura-seiki.example", "revision": 1}
    assert talk.send("PUT", "record/status.json", step).json() == {"revision": "3"}
    stale = talk.send("PUT", "record.json", {"app": ORDERS, "id": number, "revision": 1, "record": {"備考": {"value": "x"}}})
    assert talk.code_of(stale) == (409, "GAIA_CO02")
    assert talk.code_of(talk.send("PUT", "record/status.json", {"app": ORDERS, "id": number, "action": "完了する"})) == (400, "GAIA_ST02")


def test_a_migration_may_write_a_record_with_last_years_update_time(talk: Talk) -> None:
    number = talk.add(ORDERS, 受注番号="T-5", 受注日="2025-06-01", 更新日時="2025-06-01T00:00:30Z", 作成日時="2025-06-01T00:00:00Z")
    assert talk.get("record.json", app=ORDERS, id=number).json()["record"]["更新日時"]["value"] == "2025-06-01T00:00:00Z"


def test_rows_written_without_their_ids_are_new_rows(talk: Talk) -> None:
    rows = [{"value": {"数量": {"value": "1"}, "単価": {"value": "2"}}}]
    number = talk.add(ORDERS, 受注番号="T-6", 受注日="2026-06-01", 明細=rows)
    before = talk.get("record.json", app=ORDERS, id=number).json()["record"]["明細"]["value"][0]["id"]
    talk.send("PUT", "record.json", {"app": ORDERS, "id": number, "record": {"明細": {"value": rows}}})
    after = talk.get("record.json", app=ORDERS, id=number).json()["record"]["明細"]["value"][0]["id"]
    talk.send("PUT", "record.json", {"app": ORDERS, "id": number, "record": {"明細": {"value": [{"id": after, **rows[0]}]}}})
    kept = talk.get("record.json", app=ORDERS, id=number).json()["record"]["明細"]["value"][0]["id"]
    assert before != after == kept


# --- files, settings ----------------------------------------------------------------------------------------------------


def test_attachments_are_real_files_of_the_size_they_say(talk: Talk) -> None:
    seen: set[str] = set()
    for record in talk.records(DEFECTS, "order by $id asc limit 12")["records"]:
        for file in record["添付ファイル"]["value"]:
            answer = talk.get("file.json", token_of=DEFECTS, fileKey=file["fileKey"])
            assert answer.headers["Content-Type"].split(";")[0] == file["contentType"]
            assert len(answer.content) == int(file["size"])
            seen.add(file["contentType"])
            if file["contentType"] == "image/png":
                assert struct.unpack(">II", answer.content[16:24]) == (64, 48)
            elif file["contentType"] == "application/pdf":
                assert answer.content.startswith(b"%PDF-1.4") and answer.content.rstrip().endswith(b"%%EOF")
            elif file["contentType"] == "text/csv":
                assert answer.content.decode("cp932").startswith("ロット番号,")
    assert seen == {"image/png", "application/pdf", "text/csv", "text/plain"}
    assert talk.code_of(talk.get("file.json", token_of=DEFECTS, fileKey="none")) == (404, "GAIA_BL01")


def test_the_layout_lists_every_field_of_the_form(talk: Talk) -> None:
    for app in (CUSTOMERS, ORDERS, FAQ, DEFECTS):
        fields = talk.get("app/form/fields.json", app=app, lang="default").json()["properties"]
        listed: set[str] = set()
        for row in talk.get("app/form/layout.json", app=app).json()["layout"]:
            listed |= {row["code"]} if row["type"] == "SUBTABLE" else {cell["code"] for cell in row["fields"] if "code" in cell}
        assert listed == {code for code, one in fields.items() if one["type"] not in ("STATUS", "STATUS_ASSIGNEE")}
        record = talk.records(app, "limit 1")["records"][0]
        assert {code: cell["type"] for code, cell in record.items() if not code.startswith("$")} == {
            code: one["type"] for code, one in fields.items()
        }


def test_every_answer_fits_the_published_openapi_description(talk: Talk) -> None:
    if not SPECIFICATION.exists():
        pytest.skip(f"the vendor's OpenAPI file is not at {SPECIFICATION}")
    import yaml
    from jsonschema import Draft202012Validator

    loader = getattr(yaml, "CSafeLoader", yaml.SafeLoader)
    document = _as_on_the_wire(yaml.load(gzip.decompress(SPECIFICATION.read_bytes()), Loader=loader))
    made = _cursor(talk, query="$id <= 3").json()["id"]
    asked: dict[str, dict[str, Any]] = {
        "records.json": {"app": ORDERS, "query": "limit 20"},
        "record.json": {"app": ORDERS, "id": 5},
        "records/cursor.json": {"id": made},
        "app.json": {"id": ORDERS},
        "app/form/fields.json": {"app": ORDERS},
        "app/form/layout.json": {"app": ORDERS},
        "app/settings.json": {"app": ORDERS},
        "app/status.json": {"app": ORDERS},
        "app/acl.json": {"app": ORDERS},
        "record/acl.json": {"app": FAQ},
        "field/acl.json": {"app": DEFECTS},
        "records/acl/evaluate.json": {"app": ORDERS, "ids": [1, 2]},
        "record/comments.json": {"app": ORDERS, "record": 1},
        "preview/app/form/fields.json": {"app": ORDERS},
    }
    answers = {path: talk.get(path, **params, **({"token_of": ORDERS} if "id" in params else {})) for path, params in asked.items()}
    answers["apps.json"] = talk.get("apps.json", who="akari.mori")
    for path, answer in answers.items():
        assert answer.status_code == 200, (path, answer.text)
        pointer = f"#/paths/~1k~1v1~1{path.replace('/', '~1')}/get/responses/200/content/application~1json/schema"
        errors = list(Draft202012Validator({**document, "$ref": pointer}).iter_errors(answer.json()))
        assert not errors, (path, [f"{list(one.absolute_path)}: {one.message[:200]}" for one in errors[:3]])


def _as_on_the_wire(node: Any) -> Any:
    """The file says integer where the wire says string (or null): trust the wire there, and the file for everything else."""
    if isinstance(node, dict):
        return {
            key: ["integer", "string", "null"] if key == "type" and value == "integer" else _as_on_the_wire(value)
            for key, value in node.items()
        }
    return [_as_on_the_wire(one) for one in node] if isinstance(node, list) else node
