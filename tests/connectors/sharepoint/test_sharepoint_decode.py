from __future__ import annotations

import json
from datetime import UTC, date, datetime
from decimal import Decimal
from typing import Any

import pyarrow as pa
import pytest
from sharepoint_lists import COLUMNS, DELTA, FIELDS, LIVE, PLACE, column, item, pulled
from sharepoint_world import GRAPH, Table, Told, columns_of, rows_of, stream_of

from connectors.conformance import Holding
from connectors.protocol import Column, Stream
from connectors.sharepoint.schema import fingerprint, list_fields
from connectors.sharepoint.scopes import ScopeMap


def test_a_date_only_value_is_the_day_the_people_of_the_site_see() -> None:
    (row,) = rows_of(pulled(item(**FIELDS)))
    assert row["Due"] == date(2026, 11, 21) and row["At"] == datetime(2026, 11, 20, 15, tzinfo=UTC)


def test_a_term_label_that_only_repeats_the_cache_number_is_no_label() -> None:
    (row,) = rows_of(pulled(item(**FIELDS)))
    assert row["Term"] == {"label": None, "term_guid": "g-1", "wss_id": 12}


def test_an_absent_value_is_null_because_graph_leaves_empty_values_out() -> None:
    (row,) = rows_of(pulled(item(Title="空")))
    assert all(row[name] is None for name in ("Body", "Steps", "Cost", "Due", "Machine", "Team", "Link", "Sum"))


@pytest.mark.parametrize(
    ("column", "value", "reason"),
    [("Count", 1.5, "number.too_many_decimals"), ("Cost", "高い", "value.not_number"), ("At", "昨日", "value.not_instant"),
     ("At", "2026-11-20T15:00:00", "value.without_zone"), ("Again", "yes", "value.not_boolean"), ("Steps", "研削", "value.not_list"),
     ("Count", 10**18, "number.too_large"), ("MachineLookupId", "x", "value.not_whole_number")],
)  # fmt: skip
def test_a_value_that_does_not_fit_holds_its_whole_row_back_raw(column: str, value: Any, reason: str) -> None:
    (page,) = pulled(item("1", **{**FIELDS, column: value}), item("2", **FIELDS))
    assert page.rows.column("id").to_pylist() == [2] and page.source_rows == 2
    (reject,) = page.rejects
    assert (reject.key, reject.reason) == ("1", reason) and json.loads(reject.raw)["fields"]["Title"] == "外径不良"


def test_all_that_does_not_fit_in_an_item_is_named_with_the_version_it_was_found_in() -> None:
    (page,) = pulled(item("1", **{**FIELDS, "Count": 1.5, "Steps": "研削"}))
    (reject,) = page.rejects
    assert reject.reasons == (("Steps", "value.not_list"), ("Count", "number.too_many_decimals")) and reject.version
    (page,) = pulled(item("1", **{**FIELDS, "At": "昨日", "MachineLookupId": "x"}))
    assert {reason for _, reason in page.rejects[0].reasons} == {"value.not_instant", "value.not_whole_number"}


def test_digits_past_the_fifteenth_are_noise_of_doubles_and_not_data() -> None:
    (row,) = rows_of(pulled(item(Title="x", Cost=1234.5600000000001)))
    assert row["Cost"] == Decimal("1234.5600")


def test_a_contract_may_take_a_number_as_another_type_that_holds_it() -> None:
    stream = Stream(
        "s",
        "t",
        {},
        ("id",),
        (
            Column("id", "id", pa.int64()),
            Column("count", "Count", pa.int32()),
            Column("link", "Link", pa.struct([("adresse", pa.string())]), False, (Column("adresse", "Url", pa.string()),)),
        ),
    )
    (row,) = rows_of(pulled(item(**FIELDS), stream=stream))
    assert row["count"] == 374 and row["link"] == {"adresse": "https://x.example"}


def test_folders_in_a_list_are_no_rows() -> None:
    assert [row["id"] for row in rows_of(pulled({**item("1", Title="棚"), "contentType": {"id": "0x0120D520"}}, item("2", Title="x")))] == [
        2
    ]


def test_an_item_whose_scope_changed_leaves_again_as_it_is_held_though_the_feed_is_quiet() -> None:
    first = pulled(item("1", Title="a"), item("2", Title="b"))
    quiet = Table({f"{DELTA}?token=1": {"value": [], "@odata.deltaLink": f"{GRAPH}{DELTA}?token=2"}})
    rows = rows_of(pulled(cursor=first[-1].cursor, table=quiet, scopes=ScopeMap({"1": "s", "2": "own"}), held=first))
    assert [(row["id"], row["_scope"], row["Title"]) for row in rows] == [(2, "own", "b")]
    assert len(quiet.asked) == 1


def test_an_item_in_quarantine_whose_scope_changed_is_asked_for_again() -> None:
    first = pulled(item("1", Title="a"), item("2", Title="b", Count=1.5))
    assert [reject.key for reject in first[-1].rejects] == ["2"]
    quiet = Table(
        {
            f"{DELTA}?token=1": {"value": [], "@odata.deltaLink": f"{GRAPH}{DELTA}?token=2"},
            f"/v1.0/{PLACE.items_url}/2": item("2", Title="b"),
        }
    )
    rows = rows_of(pulled(cursor=first[-1].cursor, table=quiet, scopes=ScopeMap({"1": "s", "2": "own"}), held=first))
    assert [(row["id"], row["_scope"]) for row in rows] == [(2, "own")]


def test_a_quiet_list_whose_rights_are_carried_on_costs_one_request() -> None:
    first = pulled(item("1", Title="a"), item("2", Title="b"))
    quiet = Table({f"{DELTA}?token=1": {"value": [], "@odata.deltaLink": f"{GRAPH}{DELTA}?token=2"}})
    told = Told(ScopeMap({}), read=False)
    (page,) = pulled(cursor=first[-1].cursor, table=quiet, scopes=told, held=first)
    assert (page.rows.num_rows, page.total, page.kept, told.wholes, len(quiet.asked)) == (0, 2, None, 0, 1)
    assert page.cursor.state["start"].endswith("token=2")


def test_a_new_item_is_asked_for_its_scope_alone_and_inherits_from_the_folder_it_lies_in() -> None:
    scopes = ScopeMap({"1": "s", "2": "s", "3": "s"}, folders={"/lists/x/棚": "shelf"}, default="s")
    first = pulled(item("1", Title="a"), scopes=scopes)
    later = Table(
        {f"{DELTA}?token=1": {"value": [item("2", Title="b"), item("3", Title="c")], "@odata.deltaLink": f"{GRAPH}{DELTA}?token=2"}}
    )
    told = Told(scopes, read=False, folders={"2": "/lists/x/棚/上"})
    rows = rows_of(pulled(cursor=first[-1].cursor, table=later, scopes=told, held=first))
    assert [(row["id"], row["_scope"]) for row in rows] == [(2, "shelf"), (3, "s")]
    assert (sorted(told.asked), told.wholes) == (["2", "3"], 0)


def test_a_folder_in_the_feed_may_mean_any_item_and_the_whole_list_is_read() -> None:
    first = pulled(item("1", Title="a"))
    moved = {**item("7", Title="棚"), "contentType": {"id": "0x0120"}}
    later = Table({f"{DELTA}?token=1": {"value": [moved], "@odata.deltaLink": f"{GRAPH}{DELTA}?token=2"}})
    told = Told(ScopeMap({"1": "shelf"}), read=False)
    rows = rows_of(pulled(cursor=first[-1].cursor, table=later, scopes=told, held=first))
    assert [(row["id"], row["_scope"], told.wholes) for row in rows] == [(1, "shelf", 1)]


def test_a_deleted_item_becomes_a_delete_row_with_only_its_key() -> None:
    first = pulled(item("1", Title="a"), item("2", Title="b"), item("5", Title="c"))
    later = Table(
        {f"{DELTA}?token=1": {"value": [{"id": "2", "deleted": {"state": "deleted"}}], "@odata.deltaLink": f"{GRAPH}{DELTA}?token=2"}}
    )
    pages = pulled(cursor=first[-1].cursor, table=later, held=first)
    (row,) = rows_of(pages)
    assert (row["_op"], row["id"], row["Title"]) == ("delete", 2, None)
    kept = Holding(stream_of({}, LIVE, "id"), [*first, *pages]).kept()
    assert kept is not None and sorted(kept.column("_key").to_pylist()) == ["1", "5"]


def test_without_what_was_kept_a_cursor_of_an_earlier_pull_reads_everything() -> None:
    first = pulled(item("1", Title="a"), item("2", Title="b"))
    again = Table({
        f"{DELTA}?token=1": {"value": [], "@odata.deltaLink": f"{GRAPH}{DELTA}?token=2"},
        DELTA: {"value": [item("1", Title="a"), item("2", Title="b")], "@odata.deltaLink": f"{GRAPH}{DELTA}?token=3"},
    })  # fmt: skip
    pages = pulled(cursor=first[-1].cursor, table=again)
    assert [row["id"] for row in rows_of(pages)] == [1, 2] and pages[-1].cursor.state["start"].endswith("token=3")


def test_a_fingerprint_changes_with_options_and_not_with_labels_order_or_ids() -> None:
    same = list_fields([{**one, "displayName": "別名", "id": "other"} for one in reversed(COLUMNS)])
    assert fingerprint(same) == fingerprint(LIVE)
    wider = [column("Kind", "choice", {"choices": ["軽微", "重大", "致命"]}) if one["name"] == "Kind" else one for one in COLUMNS]
    assert fingerprint(list_fields(wider)) != fingerprint(LIVE)


def test_hidden_and_read_only_columns_are_not_offered_but_calculated_ones_are() -> None:
    fields = list_fields([column("Secret", "text", hidden=True), column("Editor", "personOrGroup", readOnly=True), COLUMNS[-2]])
    assert [one.source for one in fields][-1] == "Sum" and not {"Secret", "Editor"} & {one.source for one in fields}


def test_columns_keep_their_id_by_which_a_rename_is_known() -> None:
    assert {one.source: one.id for one in LIVE}["Kind"] == "id-Kind" and columns_of(LIVE)[0].name == "id"
