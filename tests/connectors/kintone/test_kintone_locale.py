"""Whoever reads, in whatever language and time zone: the same bytes come out."""

from __future__ import annotations

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import httpx
import pyarrow as pa
import pytest
from kintone_company import Company, stream_of
from kintone_world import World, cell, connector, default_fields, field_of, order, refused, stream

from connectors.errors import FortnightError
from connectors.protocol import Column, Page, Stream, Window
from infra.sandbox import process
from infra.sandbox.company.people import person

COLUMNS = (Column("subject", "件名", pa.string()), Column("status", "ステータス", pa.string()), Column("editor", "更新者", pa.string()))


def company(language: str) -> World:
    """An app seen by a service account of that language: labels, the status key and error texts follow it; codes do not."""
    fields = default_fields()
    fields["更新者"] = field_of("MODIFIER", "更新者")
    fields["ステータス"] = field_of("STATUS", "ステータス", enabled=True)
    key = {"ja": "ステータス", "en": "Status"}[language]
    records = [
        order(one, 更新者=cell("MODIFIER", {"code": "sato", "name": "佐藤"}), **{key: cell("STATUS", "処理中")}) for one in range(1, 701)
    ]
    world = World(records=records, fields=fields)

    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        if request.url.path.endswith("/fields.json") and request.url.params.get("lang") != "default":
            pytest.fail("labels would follow the account")
        return None

    world.before = before
    return world


def pulled(world: World, window: Window, **options: Any) -> list[Page]:
    told: Stream = stream(*COLUMNS, options=options)
    return list(connector(world).pull(told, window))


@pytest.mark.parametrize("window", [Window(), Window(since=datetime(2026, 10, 1, tzinfo=UTC))], ids=["full", "since"])
def test_the_service_accounts_language_changes_no_byte(window: Window) -> None:
    japanese, english = (pulled(company(language), window, max_id=0) for language in ("ja", "en"))
    assert [page.rows for page in japanese] == [page.rows for page in english]
    assert japanese[0].rows.column("status").to_pylist()[0] == "処理中"
    assert json.dumps([dict(page.cursor.state) for page in japanese]) == json.dumps([dict(page.cursor.state) for page in english])


def test_no_query_depends_on_the_accounts_time_zone() -> None:
    world = company("ja")
    since = datetime(2026, 11, 1, 0, 0, 59, tzinfo=UTC)
    pulled(world, Window(since=since, until=datetime(2026, 11, 2, tzinfo=UTC)))
    query = world.queries()[0]
    assert '更新日時 >= "2026-11-01T00:00:00Z"' in query and '更新日時 < "2026-11-02T00:00:00Z"' in query
    assert not any(word in query for word in ("TODAY", "NOW", "LOGINUSER"))


def test_a_service_account_in_samoa_that_reads_english_brings_the_same_bytes(tmp_path: Path) -> None:
    def read(asked: Company) -> tuple[Any, ...]:
        with asked.connector(login=person("akari.mori")) as opened:
            told = stream_of(opened, "ORDERS", '受注区分 in ("修理")')
            schema, since = opened.describe(told), Window(since=datetime(2026, 1, 1, tzinfo=UTC))
            access, pages = opened.access(told), [*opened.pull(told, Window()), *opened.pull(told, since)]
            return schema, access.scopes, [(page.rows, page.total) for page in pages]

    process.up(tmp_path, base_port=0, only=("kintone",))
    try:
        company = Company(tmp_path)
        at_home = read(company)
        process.control(tmp_path, "user", {"login": "akari.mori", "timezone": "Pacific/Apia", "language": "en"}, server="kintone")
        assert read(company) == at_home
        assert sum(rows.num_rows for rows, _ in at_home[2]) > 1_000
        company.http.close()
    finally:
        process.down(tmp_path)


@pytest.mark.parametrize("status", [400, 520])
def test_the_language_of_an_error_decides_nothing(status: int) -> None:
    found: list[tuple[type[FortnightError], str]] = []
    for text in ("権限がありません。", "No privilege to proceed.", "没有权限。"):
        world = company("ja")
        world.before = lambda request, _, text=text: (
            refused("GAIA_NO01", status, text) if request.url.path.endswith("records.json") else None
        )
        with pytest.raises(FortnightError) as caught:
            pulled(world, Window())
        found.append((type(caught.value), caught.value.code))
    assert len(set(found)) == 1
