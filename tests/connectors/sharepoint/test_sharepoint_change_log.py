"""The change log of a site: read to its end however it is cut, and what it need not name counts as everything."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Any

import httpx
import pytest
from sharepoint_world import HOST, Table, api

from connectors.errors import BrokenReply, SourceUnavailable
from connectors.sharepoint.change_log import Changed, changed_since
from connectors.sharepoint.places import Site

SITE = Site("/sites/quality", "h,c,w", "c", "品質")
LOG = "/sites/quality/_api/site/GetChanges"


def member_left(group: int) -> dict[str, Any]:
    return {"ChangeType": 14, "GroupId": group}


def served(rows: Sequence[dict[str, Any]], most: int) -> Table:
    """A log that gives so many changes at a time, whatever is asked for; a change's token is its place in the log."""
    told = [{**row, "ChangeToken": {"StringValue": f"1;1;c;0;{place}"}} for place, row in enumerate(rows, start=1)]

    def answer(request: httpx.Request) -> httpx.Response:
        query = json.loads(request.content)["query"]
        start = int(query["ChangeTokenStart"]["StringValue"].rpartition(";")[2])
        return httpx.Response(200, json={"value": told[start : start + min(most, query["FetchLimit"])]})

    return Table({LOG: answer})


def read(table: Table) -> Changed | None:
    return changed_since(api(table, HOST), SITE, "1;1;c;0;0")


@pytest.mark.parametrize("count", [0, 1, 999, 1000, 1001, 2000])
@pytest.mark.parametrize("most", [1000, 300])
def test_a_log_is_read_to_its_end_wherever_its_pages_end(count: int, most: int) -> None:
    found = read(served([member_left(number) for number in range(count)], most))
    assert found == Changed(frozenset(str(number) for number in range(count)), f"1;1;c;0;{count}")


@pytest.mark.parametrize(
    ("row", "everywhere"),
    [
        ({"ChangeType": 3, "UserId": 12}, True),
        ({"ChangeType": 14, "UserId": 12}, True),
        ({"ChangeType": 1, "UserId": 12}, False),
        ({"ChangeType": 2, "UserId": 12}, False),
        (member_left(5), False),
    ],
    ids=["a person deleted", "out of a group not named", "a person who came", "a person renamed", "out of a group"],
)
def test_whoever_leaves_without_a_group_being_named_may_have_left_any(row: dict[str, Any], everywhere: bool) -> None:
    found = read(served([row], 1000))
    assert found is not None and found.everywhere is everywhere


def test_a_log_that_goes_round_in_a_circle_is_a_broken_reply() -> None:
    same = {"ChangeType": 14, "GroupId": 5, "ChangeToken": {"StringValue": "1;1;c;0;1"}}
    with pytest.raises(BrokenReply):
        read(Table({LOG: {"value": [same]}}))


@pytest.mark.parametrize(
    "said", ["The changeToken refers to another object than the one asked.", "changeToken は現在の変更ログの開始前です。"]
)
def test_a_token_of_another_site_or_one_too_old_is_given_up_for_a_whole_reading(said: str) -> None:
    assert read(Table({LOG: (500, {}, {"odata.error": {"code": "-1", "message": {"value": said}}})})) is None


def test_a_server_that_fails_for_another_reason_is_no_lost_token() -> None:
    with pytest.raises(SourceUnavailable):
        read(Table({LOG: (500, {}, {"odata.error": {"code": "-1", "message": {"value": "Something else."}}})}))
