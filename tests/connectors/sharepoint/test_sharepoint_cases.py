"""The conformance cases that a connector to SharePoint has to pass, by their numbers: feeds, limits, files and lists. Rights are ``test_sharepoint_cases_access``.

Over sockets where they are about the wire: the tenant is the sandbox's own application in this process, its clock standing still; each test has
a site of its own in it.
"""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from datetime import UTC, date, datetime
from decimal import Decimal
from email.utils import format_datetime
from pathlib import Path
from typing import Any

import httpx
import pytest
from sharepoint_house import House, Site, Target, target
from sharepoint_lists import FIELDS, PLACE, item, pulled
from sharepoint_site import (
    LIBRARY,
    Killed,
    deltas,
    done,
    equal_to_the_source,
    table,
)
from sharepoint_store import DATA, Store, fetched
from sharepoint_time import START, Source, Time, governed, said
from sharepoint_world import HOST, Table, api, rows_of

from connectors.errors import SourceUnavailable
from connectors.sharepoint.terms import UNKNOWN, Terms
from connectors.transport import TransportOptions
from infra.sandbox.company.trade import DEFAULT_SEED
from infra.sandbox.sharepoint import feed
from infra.sandbox.sharepoint.answers import Ask
from infra.sandbox.sharepoint.content import rows as content_rows
from pipelines.index.build import StreamInput, cut
from pipelines.index.documents import DocumentShape
from pipelines.index.overlay import NewestAccess, overlay_of
from pipelines.index.parse import Parser
from pipelines.index.releases import Input
from pipelines.landing.snapshot import snapshot

# --- feeds ------------------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("small_pages")
def test_case_01_an_item_on_two_pages_is_one_row_by_its_last_name_and_the_cursor_is_kept_with_the_last_page(
    at: Target, site: Site, wire: list[httpx.Request]
) -> None:
    for number in range(4):
        site.do("create", path=f"{site.lists['文書']}/追加{number}.html")
    site.do("fault", kind="503", path="/root/delta", skip=2, count=50, retry_after=3600)
    assert isinstance(at.pull(LIBRARY).error, SourceUnavailable) and at.published(LIBRARY) is None
    assert len(deltas(wire)) == 3, "the third page was refused, so nothing of the two before it is kept"
    site.do("heal")
    for file in (at.project.home / "calls").glob("sharepoint-*.json"):
        file.unlink()  # as if the hour had gone by
    at.reconnect()
    wire.clear()
    done(at)
    assert len(deltas(wire)) >= 3
    equal_to_the_source(at)
    assert not [row for row in at.rows(LIBRARY).values() if row["name"].startswith("旧_")], "the first page told an old name"
    record = at.published(LIBRARY)
    assert record is not None and record.cursor is not None
    wire.clear()
    done(at)
    (again,) = deltas(wire)
    assert again.url.raw_path.decode() == record.cursor["start"], "the next pull goes on from the deltaLink that was kept"


@pytest.mark.usefixtures("small_pages")
def test_case_02_a_crash_after_the_second_page_ends_like_a_pull_that_was_left_in_peace(
    at: Target, site: Site, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(6):
        site.do("create", path=f"{site.lists['文書']}/追加{number}.html")
    send, left = httpx.Client.send, [2]

    def dying(client: httpx.Client, request: httpx.Request, **how: Any) -> httpx.Response:
        if request.url.path.endswith("/root/delta"):
            left[0] -= 1
            if left[0] < 0:
                raise Killed
        return send(client, request, **how)

    with monkeypatch.context() as patched:
        patched.setattr(httpx.Client, "send", dying)
        with pytest.raises(Killed):
            at.pull(LIBRARY)
    assert at.published(LIBRARY) is None
    at.reconnect()
    done(at)
    equal_to_the_source(at)


def test_case_03_an_empty_page_with_a_next_link_is_not_the_end(
    at: Target, monkeypatch: pytest.MonkeyPatch, wire: list[httpx.Request]
) -> None:
    read = feed.read

    def hesitating(world: Any, listing: Any, ask: Ask, path: str) -> feed.Round:
        if "token" in ask.query:
            return read(world, listing, ask, path)
        token = feed.Token(world.epoch, listing.guid[:8], 0, listing.feed[-1][0]).text()
        return feed.Round([], "", 0, {"@odata.nextLink": ask.link(path, token=token)})

    monkeypatch.setattr(feed, "read", hesitating)
    done(at)
    assert len(deltas(wire)) == 2 and at.rows(LIBRARY)
    equal_to_the_source(at)


def chunks_of(target: Target, stream: str) -> list[Any]:
    pin = snapshot(target.warehouse, stream)
    assert pin is not None
    rows, scopes = pin.live(), pin.read("scopes")
    assert rows is not None and scopes is not None
    shape = DocumentShape(key=("item_id",), title="name", body=(), url="", files=True, refs="item_id", kind="file", timezone="Asia/Tokyo")
    given = StreamInput(
        stream,
        shape,
        rows,
        scopes,
        Input(published=pin.record.number, tables=pin.record.tables, contract_version=1),
        pin.read("content"),
        target.warehouse.blob,
    )
    with Parser() as parser:
        return list(cut([given], parser).chunks)


def test_case_04_what_is_deleted_without_a_name_is_gone_with_its_text_and_its_rights_in_the_same_run(
    with_files: Target, site: Site
) -> None:
    done(with_files)
    gone = site.item("文書/手順.html")
    mine = [one for one in chunks_of(with_files, LIBRARY) if gone["id"] in str(one)]
    assert mine, "the file's text is in the index"
    site.do("grant", item=gone["unique_id"], who="emma.wilson")
    done(with_files)
    assert any(row["scope"].endswith(gone["unique_id"]) for row in table(with_files, "scopes"))
    site.do("delete", item=gone["unique_id"])
    done(with_files)
    (tombstone,) = [row for row in table(with_files, "current") if row["_op"] == "delete"]
    assert tombstone["_key"] == gone["id"] and tombstone["name"] is None
    assert not [one for one in chunks_of(with_files, LIBRARY) if gone["id"] in str(one)]
    pin = snapshot(with_files.warehouse, LIBRARY)
    assert pin is not None
    live, scopes = pin.live(), pin.read("scopes")
    assert live is not None and scopes is not None
    today = overlay_of([NewestAccess(LIBRARY, ("item_id",), live, scopes)], pin.access_at)
    everybody = frozenset(one for row in scopes.to_pylist() for one in row["principals"])
    assert {today.denial(one, everybody) for one in mine} == {"deleted"}, "what an old release still holds is shown to nobody"
    done(with_files, full=True)
    assert not [row for row in table(with_files, "scopes") if row["scope"].endswith(gone["unique_id"])]


def test_case_05_a_child_that_moved_out_of_a_folder_deleted_in_the_same_round_survives(at: Target, site: Site) -> None:
    done(at)
    child = site.item("文書/月次/一月.html")
    site.do("move", item=child["unique_id"], to=site.lists["文書"])
    site.do("delete", item=site.item("文書/月次")["unique_id"])
    done(at)
    equal_to_the_source(at)
    assert {row["path"] for row in at.rows(LIBRARY).values()} == {"/手順.html", "/一月.html"}


def test_case_06_a_folder_that_is_renamed_moves_all_below_it_and_nobody_is_asked_for_them(
    at: Target, site: Site, wire: list[httpx.Request]
) -> None:
    done(at)
    folder = site.item("文書/月次")
    below = {one["id"]: one["list_item_id"] for one in site.items() if one["path"].startswith("文書/月次/")}
    site.do("rename", item=folder["unique_id"], name="月報")
    wire.clear()
    done(at)
    equal_to_the_source(at)
    assert sum(row["path"].startswith("/月報/") for row in at.rows(LIBRARY).values()) == 3
    asked = [one.url.path for one in wire]
    assert not [path for path in asked if path.endswith("/children") or any(id in path for id in below)]
    assert not [path for path in asked if any(path.endswith(f"/items({number})") for number in below.values())]
    assert len(deltas(wire)) == 1


def test_case_08_a_resync_that_is_answered_by_another_one_ends_by_name_and_keeps_the_old_cursor(
    at: Target, site: Site, wire: list[httpx.Request]
) -> None:
    done(at)
    before = at.published(LIBRARY)
    site.do("break", name="expire-delta", count=9)
    wire.clear()
    result = at.pull(LIBRARY)
    assert result.error is not None and result.error.code == "sharepoint.resync_required" and "resyncRequired" in result.error.say()
    assert len(deltas(wire)) == 3, "the link, and its Location twice"
    assert at.published(LIBRARY) == before
    site.do("break", name="expire-delta", count=1)
    done(at)
    equal_to_the_source(at)


def test_case_09_a_delta_link_that_ends_in_token_latest_loses_no_change(at: Target, site: Site, monkeypatch: pytest.MonkeyPatch) -> None:
    read = feed.read

    def spoilt(world: Any, listing: Any, ask: Ask, path: str) -> feed.Round:
        told = read(world, listing, ask, path)
        link = {name: f"{url}&token=latest" if name == "@odata.deltaLink" else url for name, url in told.link.items()}
        return replace(told, link=link)

    monkeypatch.setattr(feed, "read", spoilt)
    done(at)
    record = at.published(LIBRARY)
    assert record is not None and record.cursor is not None and "latest" not in record.cursor["start"]
    site.do("create", path=f"{site.lists['文書']}/あとから.html")
    done(at)
    equal_to_the_source(at)


# --- limits -----------------------------------------------------------------------------------------------------------------


def test_case_10_a_429_stops_every_worker_of_the_tenant_for_the_longer_of_both_headers_and_no_other_tenant() -> None:
    time = Time()
    gate, other = governed(time), governed(time, "fabrikam")
    here = Source(time, said(429, Retry_After="7", RateLimit_Reset="12"), said(200))
    apis = [here.api(gate), here.api(gate, HOST), here.api(governed(time))]
    with pytest.raises(SourceUnavailable):
        here.api(gate, options=TransportOptions(attempts=1)).json("sites/root")
    elsewhere = Source(time, said(200))
    elsewhere.api(other).json("sites/root")
    with ThreadPoolExecutor(8) as workers:
        list(workers.map(lambda number: apis[number % 3].json("sites/root"), range(24)))
    assert here.asked[0] == 0 and len(here.asked) == 25
    assert min(here.asked[1:]) >= 12
    assert elsewhere.asked == [0]


@pytest.mark.parametrize("status", [429, 503])
def test_case_11_without_a_named_wait_everybody_backs_off_exponentially_with_jitter_and_a_cap(status: int) -> None:
    time = Time()
    gate, options = governed(time), TransportOptions(attempts=9, max_wait=20.0)
    source = Source(time, said(status))
    api = source.api(gate, options=options)
    with pytest.raises(SourceUnavailable):
        api.json("sites/root")
    gaps = [after - before for before, after in zip(source.asked, source.asked[1:], strict=False)]
    # What waited is not let go all at once, so units may add a little.
    assert len(gaps) == 8 and all(gap <= min(20.0, 0.25 * 2**attempt) + 1 for attempt, gap in enumerate(gaps, start=1))
    assert len({round(gap, 6) for gap in gaps}) == 8 and max(gaps) > 2


def test_case_11_a_retry_after_that_is_a_date_holds_until_then() -> None:
    time = Time()
    here = datetime(2026, 11, 21, 3, 0, tzinfo=UTC)
    then = format_datetime(here.replace(second=30), usegmt=True)
    source = Source(time, said(503, Retry_After=then, Date=format_datetime(here, usegmt=True)), said(200))
    source.api(governed(time)).json("sites/root")
    assert source.asked[1] >= 30


def test_case_13_a_reply_that_says_little_is_left_slows_everybody_before_there_is_a_429() -> None:
    time = Time()
    gate = governed(time, licences=500, share=1.0)
    source = Source(time, said(200, RateLimit_Limit="1250", RateLimit_Remaining="40", RateLimit_Reset="20"), said(200))
    api, sibling = source.api(gate), source.api(gate, HOST)
    api.json("sites/root")
    for _ in range(20):
        api.json("sites/root")
        sibling.json("sites/root")
    inside = [asked for asked in source.asked[1:] if asked < 20]
    assert len(inside) <= 41 and source.asked[20] > 8, "40 units over 20 seconds instead of 20 a second"
    assert time.now > START


# --- files ------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def stores() -> Iterator[list[Store]]:
    made: list[Store] = []
    yield made
    for one in made:
        one.server.shutdown()
        one.server.server_close()


def test_case_14_a_link_at_another_host_that_expires_and_breaks_gives_the_bytes_and_never_sees_our_token(stores: list[Store]) -> None:
    cut_at = len(DATA) * 6 // 10
    data, store, graph = fetched(stores, (403,), cut_at)
    assert data == DATA, "held to the QuickXorHash that the item told"
    assert [seen.get("range") for seen in store.seen][:2] == [None, None] and len(store.seen) == 3
    went_on = re.fullmatch(r"bytes=(\d+)-", store.seen[2]["range"])
    assert went_on is not None and 0 < int(went_on[1]) <= cut_at
    assert not any("authorization" in seen for seen in store.seen)
    assert sum(one.url.path.endswith("/content") for one in graph.asked) == 3, "each piece has a fresh link"


def test_case_15_a_notebook_a_file_with_malware_and_an_empty_one_are_listed_with_their_reasons(
    with_files: Target, site: Site, wire: list[httpx.Request]
) -> None:
    library = site.lists["文書"]
    notebook = site.do("create", path=f"{library}/議事録", kind="package")
    empty = site.do("create", path=f"{library}/空.html", empty=True)
    infected = site.item("文書/手順.html")
    site.do("infect", item=infected["unique_id"])
    assert done(with_files).counts["files_failed"] == 1
    status = {row["ref"]: (row["status"], row["sha256"]) for row in table(with_files, "content")}
    assert status[notebook["id"]] == status[empty["id"]] == ("no_content", None)
    assert status[infected["id"]] == ("refused: sharepoint.file_blocked", None)
    odd = {notebook["id"], empty["id"], infected["id"]}
    assert odd <= with_files.rows(LIBRARY).keys() and all(status[id][0] == "ok" for id in status.keys() - odd)
    asked = [one.url.path for one in wire]
    assert not [path for path in asked if path.endswith("/content") and any(id in path for id in odd)], "no bytes are asked for"
    assert all(sum(path.endswith(f"/items/{id}") for path in asked) == 1 for id in odd), "and nobody asks twice"


# --- lists ------------------------------------------------------------------------------------------------------------------


def hidden_list(**labels: str) -> Table:
    url = "/sites/q/_api/web/lists/getbytitle('TaxonomyHiddenList')/items"
    return Table({url: {"value": [{"Id": int(number[1:]), "Title": label} for number, label in labels.items()]}})


def test_case_16_a_list_with_one_column_of_every_kind_becomes_typed_rows_and_digits_in_a_labels_place_its_label() -> None:
    terms = Terms(api(hidden_list(_12="外注", _14="社内"), HOST), PLACE.site)
    (row,) = rows_of(pulled(item(**FIELDS), terms=terms))
    plain = ("id", "Kind", "Steps", "Count", "Ratio", "Cost", "Again", "Machine", "Owner", "Sum")
    assert [row[name] for name in plain] == [
        1, "軽微", ["研削", "検査"], Decimal(374), 0.25, Decimal("514000.5000"), False, 14, 6, 748.5
    ]  # fmt: skip
    assert row["Machines"] == [{"id": 3, "value": "M-3"}] and row["Team"] == [{"id": 7, "name": "松本 澪", "mail": "mio@example"}]
    assert row["Link"] == {"url": "https://x.example", "description": "手順"} and json.loads(row["Photo"]) == {"fileName": "図.png"}
    assert row["lastModifiedBy"] == "退職者" and row["_source_version"] == '"1,1"'
    assert row["lastModifiedDateTime"] == datetime(2026, 11, 1, 0, 0, 0, 123456, tzinfo=UTC)
    assert row["Term"] == {"label": "外注", "term_guid": "g-1", "wss_id": 12}
    assert [one["label"] for one in row["Terms"]] == ["鋳造", "社内"]
    (bare,) = rows_of(pulled(item(Title="題だけ"), terms=terms))
    own = {"id", "Title", "createdDateTime", "lastModifiedDateTime", "lastModifiedBy", "webUrl"}
    assert {name for name, value in bare.items() if value is not None and not name.startswith("_")} == own


@pytest.mark.parametrize("rest", [None, Table()], ids=["no certificate", "no such list"])
def test_case_16_a_label_that_nobody_tells_is_null_and_noted(rest: Table | None) -> None:
    terms = Terms(None if rest is None else api(rest, HOST), PLACE.site)
    (page,) = pulled(item(**FIELDS), terms=terms)
    (row,) = rows_of([page])
    assert row["Term"] == {"label": None, "term_guid": "g-1", "wss_id": 12}
    noted = {(note.column, note.what): note.count for note in terms.noted(page).notes}
    assert noted == {("Term", UNKNOWN): 1, ("Terms", UNKNOWN): 1}


def test_case_18_a_date_without_a_time_is_the_day_that_the_people_of_the_site_see(home: House, tmp_path: Path) -> None:
    quality = home.old("quality")
    at = target(tmp_path / "project", quality)
    try:
        stream = next(one for one in at.streams if at.source(one).get("name") == content_rows.ACTIONS)
        done(at, stream)
        column = content_rows.internal_name("期限")
        due = {int(row["id"]): row[column] for row in at.rows(stream).values()}
        seen = {number: content_rows.action(DEFAULT_SEED, number, 40).values.get("期限") for number in due}
        assert due == seen and any(isinstance(day, date) for day in due.values())
    finally:
        at.close()


def test_case_19_a_list_longer_than_the_view_threshold_is_read_whole_by_id_and_nothing_is_filtered(
    home: House, tmp_path: Path, wire: list[httpx.Request]
) -> None:
    told = home.control("bulk", items=5_200)
    bulk = Site(home, told["site"], {"大量文書": told["list_id"]})
    at = target(tmp_path / "project", bulk)
    try:
        wire.clear()
        done(at)
        assert at.rows(LIBRARY).keys() == at.wanted(LIBRARY).keys() and len(at.rows(LIBRARY)) > 5_000
        listed = [one for one in wire if one.url.path.endswith("/items")]
        assert len(listed) >= 6 and not [one for one in wire if "/items" in one.url.path and b"filter" in one.url.query]
        assert sum(b"p_ID" in one.url.query for one in listed) >= 5
    finally:
        at.close()
