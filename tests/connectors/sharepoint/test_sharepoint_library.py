from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import replace
from typing import Any
from urllib.parse import parse_qs

import httpx
import pyarrow as pa
import pytest
from sharepoint_world import GRAPH, Table, Told, api, rows_of, stream_of

from connectors.conformance import Holding
from connectors.errors import BrokenReply
from connectors.protocol import Cursor, Page, Window
from connectors.sharepoint import rows as rows_module
from connectors.sharepoint.library import pull_library
from connectors.sharepoint.places import Place, Site
from connectors.sharepoint.schema import LIBRARY
from connectors.sharepoint.scopes import ScopeMap

PLACE = Place(Site("/sites/q", "h,c,w", "c", "Q"), "D", "L", "製品マニュアル")
STREAM = stream_of({"site": "/sites/q", "kind": "library", "name": "製品マニュアル"}, LIBRARY, "item_id")
WEB = "sharepoint:c:web"
NOTE = {"id": "D"}


def folder(id: str, name: str, parent: str = "ROOT", **more: Any) -> dict[str, Any]:
    return {"id": id, "name": name, "folder": {"childCount": 1}, "parentReference": {"id": parent}, **more}


def file(id: str, name: str, parent: str = "ROOT", **more: Any) -> dict[str, Any]:
    return {
        "id": id, "name": name, "parentReference": {"id": parent}, "size": 3, "eTag": f'"{id},1"', "lastModifiedDateTime": "2026-11-01T00:00:00Z",
        "file": {"mimeType": "text/plain", "hashes": {"quickXorHash": "AAAA"}}, "sharepointIds": {"listItemId": id.strip("F")}, **more,
    }  # fmt: skip


ROOT = {"id": "ROOT", "name": "root", "root": {}, "folder": {"childCount": 2}, "parentReference": {}}


class Drive(Table):
    """A drive whose feed is a log of what happened: a token is a place in the log."""

    def __init__(self, *log: Mapping[str, Any]) -> None:
        super().__init__()
        self.log: list[Mapping[str, Any]] = [ROOT, *log]
        self.held: dict[str, tuple[Page, ...]] = {}
        self.clock = "Sun, 01 Nov 2026 00:00:00 GMT"
        self["/v1.0/drives/D/root/delta"] = self.delta

    def delta(self, request: httpx.Request) -> httpx.Response:
        at = int(parse_qs(request.url.query.decode()).get("token", ["0"])[0])
        link = f"{GRAPH}/v1.0/drives/D/root/delta?token={len(self.log)}"
        return httpx.Response(200, json={"value": self.log[at:], "@odata.deltaLink": link}, headers={"Date": self.clock})

    def children(self, parent: str, *items: Mapping[str, Any]) -> None:
        self[f"/v1.0/drives/D/items/{parent}/children"] = {"value": list(items)}


def told(scopes: Mapping[str, str] | None = None, *, read: bool = True) -> Told:
    items = {str(number): WEB for number in range(1, 40)} | dict(scopes or {})
    return Told(ScopeMap(items, own={id: scope for id, scope in items.items() if scope != WEB}, default=WEB), read)


def pulled(
    drive: Drive, cursor: Cursor | None = None, scopes: Mapping[str, str] | Told | None = None, window: Window | None = None
) -> list[Any]:
    """All pages, with what was held when ``cursor`` was given: nothing within the first pull."""
    source = scopes if isinstance(scopes, Told) else told(scopes)
    known = drive.held.get(json.dumps(cursor.state), ()) if cursor else ()
    held = Holding(STREAM, known)
    pages = list(pull_library(api(drive), PLACE, source, NOTE, STREAM, window or Window(), cursor, held))
    drive.held[json.dumps(pages[-1].cursor.state)] = (*known, *pages)
    return pages


def short(pages: list[Any]) -> list[tuple[str, str, str | None]]:
    return [(row["_op"], row["item_id"], row["path"]) for row in rows_of(pages)]


def test_a_file_that_comes_before_its_folder_still_gets_its_path() -> None:
    drive = Drive(file("F1", "手順書.docx", "B"), folder("B", "第二階層", "A"), folder("A", "減速機"))
    assert short(pulled(drive)) == [("upsert", "F1", "/減速機/第二階層/手順書.docx")]


def test_the_last_pages_cursor_brings_only_what_changed_since() -> None:
    drive = Drive(file("F1", "a.txt"), file("F2", "b.txt"))
    first = pulled(drive)
    drive.log.append(file("F2", "b2.txt"))
    assert short(pulled(drive, first[-1].cursor)) == [("upsert", "F2", "/b2.txt")]


def test_a_quiet_day_gives_one_empty_page_with_a_cursor() -> None:
    drive = Drive(file("F1", "a.txt"))
    (page,) = pulled(drive, pulled(drive)[-1].cursor)
    assert page.rows.num_rows == 0 and page.cursor.state["start"].endswith("token=2")


def test_every_page_tells_how_many_files_there_are_now_those_that_cannot_be_typed_among_them(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "PAGE_ROWS", 1)
    drive = Drive(folder("A", "旧"), file("F1", "a.txt", "A"), file("F2", "b.txt"), file("F3", "c.txt", lastModifiedDateTime="yesterday"))
    first = pulled(drive)
    assert {page.total for page in first} == {3} and sum(len(page.rejects) for page in first) == 1
    drive.log += [{"id": "A", "deleted": {}}, file("F4", "d.txt")]
    second = pulled(drive, first[-1].cursor)
    assert {page.total for page in second} == {3}
    assert [page.total for page in pulled(drive, second[-1].cursor)] == [3]


def test_renaming_a_folder_moves_the_paths_of_all_files_below_it() -> None:
    drive = Drive(folder("A", "旧"), folder("B", "下", "A"), file("F1", "a.txt", "B"), file("F2", "b.txt"))
    first = pulled(drive)
    drive.log.append(folder("A", "新"))
    drive.asked.clear()
    assert short(pulled(drive, first[-1].cursor)) == [("upsert", "F1", "/新/下/a.txt")]
    assert [request.url.path for request in drive.asked] == ["/v1.0/drives/D/root/delta"], "what we hold of a file is not asked for again"


def test_deleting_a_folder_deletes_its_files_though_the_feed_names_only_the_folder() -> None:
    drive = Drive(folder("A", "旧"), folder("B", "下", "A"), file("F1", "a.txt", "B"), file("F2", "b.txt"))
    first = pulled(drive)
    drive.log.append({"id": "A", "deleted": {}})
    assert short(pulled(drive, first[-1].cursor)) == [("delete", "F1", None)]


def test_a_child_that_moved_out_of_a_deleted_folder_in_the_same_round_survives() -> None:
    drive = Drive(folder("A", "旧"), file("F1", "a.txt", "A"), file("F2", "b.txt", "A"))
    first = pulled(drive)
    drive.log += [{"id": "A", "deleted": {}}, file("F2", "b.txt", "ROOT")]
    assert short(pulled(drive, first[-1].cursor)) == [("delete", "F1", None), ("upsert", "F2", "/b.txt")]


def test_a_restored_folder_of_which_the_feed_names_nothing_else_brings_back_all_that_lies_in_it() -> None:
    drive = Drive(folder("A", "旧"), folder("B", "下", "A"), file("F1", "a.txt", "A"), file("F2", "b.txt", "B"), file("F3", "c.txt"))
    first = pulled(drive)
    drive.log.append({"id": "A", "deleted": {}})
    gone = pulled(drive, first[-1].cursor)
    assert short(gone) == [("delete", "F1", None), ("delete", "F2", None)]
    drive.log.append(folder("A", "旧", createdDateTime="2020-01-01T00:00:00Z"))
    drive.children("A", folder("B", "下", "A"), file("F1", "a.txt", "A"))
    drive.children("B", file("F2", "b.txt", "B"))
    back = pulled(drive, gone[-1].cursor)
    assert short(back) == [("upsert", "F1", "/旧/a.txt"), ("upsert", "F2", "/旧/下/b.txt")]
    drive.log.append({"id": "A", "deleted": {}})
    assert short(pulled(drive, back[-1].cursor)) == [("delete", "F1", None), ("delete", "F2", None)]


def test_a_folder_restored_and_emptied_again_before_it_is_walked_brings_nothing() -> None:
    drive = Drive(folder("A", "旧"), file("F1", "a.txt", "A"))
    first = pulled(drive)
    drive.log.append({"id": "A", "deleted": {}})
    gone = pulled(drive, first[-1].cursor)
    drive.log.append(folder("A", "旧"))
    assert short(pulled(drive, gone[-1].cursor)) == []


def test_a_folder_made_since_the_last_feed_is_not_walked_as_the_feed_names_what_was_put_into_it() -> None:
    drive = Drive(file("F1", "a.txt"))
    first = pulled(drive)
    drive.log += [folder("N", "新", createdDateTime="2026-11-02T09:00:00Z"), file("F2", "b.txt", "N")]
    drive.clock = "Tue, 03 Nov 2026 00:00:00 GMT"
    drive.asked.clear()
    assert short(pulled(drive, first[-1].cursor)) == [("upsert", "F2", "/新/b.txt")]
    assert [request.url.path for request in drive.asked] == ["/v1.0/drives/D/root/delta"]


def test_a_deleted_file_that_was_never_landed_makes_no_row() -> None:
    drive = Drive(file("F1", "a.txt"))
    first = pulled(drive)
    drive.log += [file("F3", "short-lived.txt"), {"id": "F3", "deleted": {"state": "deleted"}}]
    assert short(pulled(drive, first[-1].cursor)) == []


def test_a_resync_deletes_what_is_no_longer_listed() -> None:
    drive = Drive(file("F1", "a.txt"), file("F2", "b.txt"))
    first = pulled(drive)
    gone = {"Location": f"{GRAPH}/v1.0/drives/D/root/delta?token=0"}
    drive["/v1.0/drives/D/root/delta?token=3"] = (410, gone, {"error": {"code": "resyncRequired"}})
    drive.log = [ROOT, file("F2", "b.txt"), folder("A", "x")]
    drive.log.append(file("F4", "d.txt", "A"))
    assert short(pulled(drive, first[-1].cursor)) == [("delete", "F1", None), ("upsert", "F2", "/b.txt"), ("upsert", "F4", "/x/d.txt")]


def test_a_file_whose_permissions_changed_leaves_again_with_its_new_scope() -> None:
    drive = Drive(file("F1", "a.txt"), file("F2", "b.txt"))
    first = pulled(drive)
    drive.children("ROOT", file("F1", "a.txt"), file("F2", "b.txt"))
    rows = rows_of(pulled(drive, first[-1].cursor, {"2": "sharepoint:c:item:2"}))
    assert [(row["item_id"], row["_scope"]) for row in rows] == [("F2", "sharepoint:c:item:2")]


def test_a_quiet_library_whose_rights_are_carried_on_costs_one_request_and_loads_nothing() -> None:
    drive = Drive(file("F1", "a.txt"), file("F2", "b.txt"))
    first = pulled(drive)
    drive.asked.clear()
    quiet = told({}, read=False)
    (page,) = pulled(drive, first[-1].cursor, quiet)
    assert (page.rows.num_rows, page.total, page.kept, quiet.asked, quiet.wholes, len(drive.asked)) == (0, 2, None, [], 0, 1)


def test_every_page_of_a_feed_is_asked_for_changes_of_sharing_too() -> None:
    drive = Drive(file("F1", "a.txt"))
    pulled(drive, pulled(drive)[-1].cursor)
    assert {"deltashowsharingchanges" in request.headers.get("Prefer", "") for request in drive.asked} == {True}


def test_a_folder_that_got_rights_of_its_own_moves_all_below_it_and_only_what_the_feed_named_is_asked_for() -> None:
    drive = Drive(folder("A", "社外秘", sharepointIds={"listItemId": "21"}), folder("B", "下", "A", sharepointIds={"listItemId": "22"}),
                  file("F1", "a.txt", "B"), file("F2", "b.txt"))  # fmt: skip
    first = pulled(drive)
    drive.log.append(folder("A", "社外秘", sharepointIds={"listItemId": "21"}))
    drive.asked.clear()
    scopes = told({"21": "sharepoint:c:item:a"}, read=False)
    second = pulled(drive, first[-1].cursor, scopes)
    assert [(row["item_id"], row["_scope"], row["path"]) for row in rows_of(second)] == [("F1", "sharepoint:c:item:a", "/社外秘/下/a.txt")]
    assert (scopes.asked, scopes.wholes, len(drive.asked)) == (["21"], 0, 1)
    assert second[-1].restated == {"sharepoint:c:item:a"}
    drive.log.append(file("F3", "new.txt", "B"))
    third = pulled(drive, second[-1].cursor, told({"21": "sharepoint:c:item:a"}, read=False))
    assert [(row["item_id"], row["_scope"]) for row in rows_of(third)] == [("F3", "sharepoint:c:item:a")]


def test_a_file_nobody_can_say_the_scope_of_is_unresolved_until_the_next_whole_reading() -> None:
    drive = Drive(file("F1", "a.txt"))
    first = pulled(drive)
    drive.log.append(file("F2", "b.txt", sharepointIds={"listItemId": "99"}))
    second = pulled(drive, first[-1].cursor, told({}, read=False))
    assert [(row["item_id"], row["_scope"]) for row in rows_of(second)] == [("F2", "unresolved")]
    third = pulled(drive, second[-1].cursor, told({"99": WEB}))
    assert [(row["item_id"], row["_scope"]) for row in rows_of(third)] == [("F2", WEB)]


def test_where_the_feed_names_many_items_the_whole_list_is_read_at_once() -> None:
    drive = Drive(file("F1", "a.txt"))
    first = pulled(drive)
    many = {str(number): WEB for number in range(100, 201)}
    drive.log += [file(f"F{number}", f"{number}.txt") for number in range(100, 201)]
    scopes = told(many, read=False)
    assert len(rows_of(pulled(drive, first[-1].cursor, scopes))) == 101
    assert (scopes.asked, scopes.wholes) == ([], 1)


def test_a_list_judged_by_item_is_read_whole_each_time() -> None:
    drive = Drive(file("F1", "a.txt"))
    by_item = Told(replace(told().map, by_item=True), read=False)
    first = pulled(drive, None, by_item)
    assert pulled(drive, first[-1].cursor, by_item) and by_item.wholes == 2


def test_without_what_was_kept_a_cursor_of_an_earlier_pull_reads_everything() -> None:
    drive = Drive(file("F1", "a.txt"), file("F2", "b.txt"))
    first = pulled(drive)
    drive.held.clear()
    again = pulled(drive, first[-1].cursor)
    assert short(again) == short(first) and again[-1].kept is not None and again[-1].kept.anew


def test_an_item_the_scope_map_does_not_know_is_unresolved() -> None:
    (row,) = rows_of(pulled(Drive(file("F1", "a.txt", sharepointIds={}))))
    assert row["_scope"] == "unresolved"


@pytest.mark.parametrize("killed_after", [0, 1, 2])
def test_a_pull_killed_after_any_page_goes_on_with_the_rows_that_were_missing(monkeypatch: pytest.MonkeyPatch, killed_after: int) -> None:
    monkeypatch.setattr(rows_module, "PAGE_ROWS", 2)
    drive = Drive(*(file(f"F{number}", f"{number}.txt") for number in range(1, 7)))
    whole = pulled(drive)
    before = whole[: killed_after + 1]
    # The cursor survives a trip through JSON, as it does in the product.
    cursor = Cursor(json.loads(json.dumps(before[-1].cursor.state)))
    after = pulled(drive, cursor)
    assert short(before) + short(after) == short(whole)
    assert after[-1].cursor == whole[-1].cursor


def test_a_pull_killed_half_way_misses_nothing_when_the_source_moved_meanwhile(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "PAGE_ROWS", 2)
    drive = Drive(folder("A", "旧"), *(file(f"F{number}", f"{number}.txt", "A") for number in range(1, 6)))
    first = pulled(drive)[0]
    drive.log += [folder("A", "新"), {"id": "F5", "deleted": {}}]
    landed = {row["item_id"]: row["path"] for row in rows_of([first, *pulled(drive, first.cursor)]) if row["_op"] == "upsert"}
    assert landed == {f"F{number}": f"/新/{number}.txt" for number in range(1, 5)}


def test_a_window_without_a_cursor_takes_what_was_modified_inside_it() -> None:
    from datetime import UTC, datetime

    drive = Drive(file("F1", "old.txt", lastModifiedDateTime="2026-01-01T00:00:00Z"), file("F2", "edge.txt"), file("F3", "new.txt"))
    window = Window(since=datetime(2026, 11, 1, tzinfo=UTC))
    assert [id for _, id, _ in short(pulled(drive, window=window))] == ["F2", "F3"]
    assert short(pulled(drive, window=Window(until=datetime(2026, 11, 1, tzinfo=UTC)))) == [("upsert", "F1", "/old.txt")]


def test_a_file_in_a_folder_no_feed_ever_named_has_its_folder_asked_for() -> None:
    drive = Drive(file("F1", "a.txt", "LOST"))
    drive["/v1.0/drives/D/items/LOST"] = folder("LOST", "別便")
    assert short(pulled(drive)) == [("upsert", "F1", "/別便/a.txt")]


@pytest.mark.parametrize(
    ("field", "value", "column", "reason"),
    [
        ("size", "three", "size", "value.not_whole_number"),
        ("size", 2**70, "size", "value.not_whole_number"),
        ("file", "yes", "media_type", "value.not_struct"),
        ("lastModifiedBy", {"user": {"email": 7}}, "modified_by", "value.not_struct"),
        ("webUrl", ["x"], "web_url", "value.not_text"),
        ("createdDateTime", "yesterday", "created_at", "value.not_instant"),
        ("lastModifiedDateTime", "2026-11-01T00:00:00", "modified_at", "value.without_zone"),
    ],
)
def test_one_odd_item_is_held_back_as_it_came_and_its_whole_page_goes_on(field: str, value: Any, column: str, reason: str) -> None:
    drive = Drive(folder("A", "棚"), file("F1", "a.txt"), file("F2", "b.txt", "A", **{field: value}), file("F3", "c.txt", "A"))
    pages = pulled(drive)
    assert short(pages) == [("upsert", "F1", "/a.txt"), ("upsert", "F3", "/棚/c.txt")]
    (reject,) = [reject for page in pages for reject in page.rejects]
    assert (reject.key, reject.column, reject.reason) == ("F2", column, reason)
    assert json.loads(reject.raw)[field] == value and {page.total for page in pages} == {3}
    drive.log.append(file("F2", "b.txt", "A"))
    assert short(pulled(drive, pages[-1].cursor)) == [("upsert", "F2", "/棚/b.txt")]


def test_an_odd_value_of_a_column_that_nobody_asked_for_holds_nothing_back() -> None:
    columns = tuple(column for column in STREAM.columns if column.source not in ("created_at", "web_url"))
    drive = Drive(file("F1", "a.txt", createdDateTime="yesterday", webUrl=7))
    pages = list(pull_library(api(drive), PLACE, told(), NOTE, replace(STREAM, columns=columns), Window(), None, None))
    assert short(pages) == [("upsert", "F1", "/a.txt")] and not pages[0].rejects


def test_an_item_whose_place_in_the_tree_cannot_be_read_is_a_broken_reply() -> None:
    with pytest.raises(BrokenReply):
        pulled(Drive(file("F1", "a.txt", parentReference="ROOT")))


def test_an_instant_finer_than_a_microsecond_is_read_as_the_microsecond_it_lies_in() -> None:
    drive = Drive(file("F1", "a.txt", createdDateTime="2026-11-01T00:00:00.1234567Z"), file("F2", "b.txt", createdDateTime=None))
    assert [row["created_at"] and row["created_at"].microsecond for row in rows_of(pulled(drive))] == [123456, None]


def test_a_contract_of_other_types_than_the_sources_gets_them_and_what_does_not_fit_is_held_raw() -> None:
    columns = tuple(replace(column, type=pa.int8()) if column.source == "size" else column for column in STREAM.columns)
    drive = Drive(file("F1", "a.txt", size=100), file("F2", "b.txt", size=1000))
    pages = list(pull_library(api(drive), PLACE, told(), NOTE, replace(STREAM, columns=columns), Window(), None, None))
    assert [(row["item_id"], row["size"]) for row in rows_of(pages)] == [("F1", 100)]
    assert pages[0].rows.schema.field("size").type == pa.int8()
    (reject,) = pages[0].rejects
    assert (reject.column, reject.reason, json.loads(reject.raw)["name"]) == ("size", "value.not_whole_number", "b.txt")


def test_columns_leave_in_the_contracts_order_and_under_its_names() -> None:
    columns = tuple(replace(column, name=f"our_{column.name}") for column in reversed(STREAM.columns))
    stream = replace(STREAM, columns=columns, key=("our_item_id",))
    (page,) = list(pull_library(api(Drive(file("F1", "a.txt"))), PLACE, told(), NOTE, stream, Window(), None, None))
    assert page.rows.schema.names[:2] == ["our_publication", "our_list_item_id"]
    assert page.rows.column("our_path").to_pylist() == ["/a.txt"]


def test_of_an_item_that_comes_thrice_over_several_batches_the_last_occurrence_counts(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(rows_module, "PAGE_ROWS", 2)
    drive = Drive()
    pages = [
        [ROOT, file("F1", "first.txt"), file("F2", "b.txt")],
        [file("F1", "second.txt"), {"id": "F2", "deleted": {}}, file("F3", "c.txt")],
        [file("F3", "c2.txt"), {"id": "F1", "deleted": {}}, file("F1", "last.txt"), file("F4", "d.txt")],
    ]

    def page(request: httpx.Request) -> httpx.Response:
        at = int(parse_qs(request.url.query.decode()).get("token", ["0"])[0])
        link = "@odata.deltaLink" if at + 1 == len(pages) else "@odata.nextLink"
        return httpx.Response(200, json={"value": pages[at], link: f"{GRAPH}/v1.0/drives/D/root/delta?token={at + 1}"})

    drive["/v1.0/drives/D/root/delta"] = page
    found = pulled(drive)
    assert sorted(short(found)) == [("upsert", "F1", "/last.txt"), ("upsert", "F3", "/c2.txt"), ("upsert", "F4", "/d.txt")]
    assert {page.total for page in found} == {3}


def test_a_notebook_is_one_row_and_what_lies_in_it_has_its_path() -> None:
    notebook = {key: value for key, value in file("F1", "会議ノート").items() if key != "file"} | {"package": {"type": "oneNote"}}
    drive = Drive(notebook, file("F2", "節.one", "F1"))
    first = pulled(drive)
    assert short(first) == [("upsert", "F1", "/会議ノート"), ("upsert", "F2", "/会議ノート/節.one")]
    drive.log.append({**notebook, "name": "改"})
    assert sorted(short(pulled(drive, first[-1].cursor))) == [("upsert", "F1", "/改"), ("upsert", "F2", "/改/節.one")]
