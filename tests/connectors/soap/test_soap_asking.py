"""What a request says beyond its operation: headers, bounds in the system's own form, one instant for all pages, handles of what changed."""

from __future__ import annotations

import re
from datetime import UTC, datetime
from typing import Any

import pyarrow as pa
import pytest
from soap_fake import EMPTY, WSDL_URL, Fake, part, reply, stream
from test_soap_sources import ID, NAME, NETSUITE_SOURCE, NETSUITE_WSDL, netsuite, pulled

from connectors.errors import FixConfiguration
from connectors.protocol import Column, Cursor, Stream, Window
from connectors.soap.config import source_spec

AT = datetime(2026, 11, 1, 15, 30, 15, tzinfo=UTC)
PLAIN = '<ReadParts xmlns="urn:parts"><bookmarkKey>{since}|{until?}</bookmarkKey><setSize>1</setSize></ReadParts>'


def asked(changed: dict[str, Any], window: Window, **source: Any) -> str:
    fake = Fake(EMPTY)
    body = PLAIN if window.until else PLAIN.replace("|{until?}", "")
    list(fake.connector().pull(stream(body=body, paging={"kind": "none"}, changed_since=changed, **source), window))
    (found,) = re.findall("<bookmarkKey>([^<]*)<", fake.asked[0])
    return found


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"type": "date", "format": "%Y%m%d"}, "20261101"),
        ({"type": "dateTime", "format": "%Y-%m-%d %H:%M:%S"}, "2026-11-02 00:30:15"),
        ({"type": "dateTime", "format": "%Y%m%d%H%M"}, "202611020030"),
        ({"type": "epoch"}, "1793547015"),
        ({"type": "epoch_milliseconds"}, "1793547015000"),
        ({"type": "dateTime"}, "2026-11-02T00:30:15"),
        ({"field": "Code", "type": "date"}, "2026-11-01"),
    ],
)
def test_a_bound_is_said_in_the_form_that_the_system_compares_by(changed: dict[str, Any], said: str) -> None:
    assert asked(changed, Window(since=AT), timezone="Asia/Tokyo") == said


def test_an_upper_bound_is_moved_on_where_its_form_would_cut_it_off() -> None:
    changed = {"type": "dateTime", "format": "%Y%m%d%H%M"}
    assert asked(changed, Window(since=AT, until=AT)) == "202611011530|202611011531"
    assert asked({"type": "dateTime", "format": "%Y%m%d"}, Window(since=AT, until=AT)) == "20261101|20261102"


def test_a_bound_can_be_an_element_of_the_request_itself() -> None:
    fake = Fake(EMPTY)
    changed = {"type": "date", "format": "%Y%m%d", "request": "bookmarkKey"}
    paging = {"kind": "none"}
    list(fake.connector().pull(stream(changed_since=changed, paging=paging, arguments={"setSize": 1}), Window(since=AT)))
    assert "bookmarkKey>20261031<" in fake.asked[0]


@pytest.mark.parametrize(
    ("changed", "why"),
    [
        ({}, "needs `field`"),
        ({"type": "epoch", "format": "%Y%m%d"}, "needs `type`, date"),
        ({"type": "date", "format": "%m%d"}, "year, month and day"),
    ],
)
def test_a_form_that_says_no_instant_is_refused(changed: dict[str, Any], why: str) -> None:
    with pytest.raises(FixConfiguration, match=why):
        source_spec("erp/parts", {"operation": "a", "rows": "b", "changed_since": changed})


def test_all_pages_of_a_pull_are_asked_for_as_of_one_instant_and_so_is_its_continuation() -> None:
    body = '<ReadParts xmlns="urn:parts"><bookmarkKey>{now}/{position?}</bookmarkKey><setSize>{size}</setSize></ReadParts>'
    body = body.replace("{now}/{position?}", "{now}").replace("<setSize>", "<filter><Field>{position?}</Field></filter><setSize>")
    paging = {"kind": "page", "request": "position", "page": 1}
    fake = Fake(reply(part("A")), reply(part("B")), EMPTY)
    pages = list(fake.connector().pull(stream(body=body, paging=paging), Window()))
    said = {text for one in fake.asked for text in re.findall("<bookmarkKey>([^<]*)<", one)}
    assert len(fake.asked) == 3 and len(said) == 1 and re.fullmatch(r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d\.\d{3}Z", (instant := said.pop()))
    fake = Fake(EMPTY)
    state = {**pages[0].cursor.state, "now": "2026-11-01T00:00:00.000Z"}
    list(fake.connector().pull(stream(body=body, paging=paging), Window(), Cursor(state)))
    assert "2026-11-01T00:00:00.000Z" in fake.asked[0] and pages[0].cursor.state["now"] == instant


def test_the_instant_is_never_before_the_end_of_the_window() -> None:
    fake = Fake(EMPTY)
    body = '<ReadParts xmlns="urn:parts"><bookmarkKey>{now}</bookmarkKey><filter><Field>{since}{until}</Field></filter></ReadParts>'
    ahead = Window(since=AT, until=datetime(2100, 1, 1, tzinfo=UTC))
    list(fake.connector().pull(stream(body=body, paging={"kind": "none"}), ahead))
    assert "2100-01-01T00:00:00.000Z" in fake.asked[0]


def test_headers_that_are_no_secret_go_into_the_envelope_and_are_masked_nowhere() -> None:
    values = {"@level": 2, "limits": {"rows": "{size}", "since": "{since?}"}, "bodyFieldsOnly": False, "tag": ["a", "b"]}
    fake = Fake(EMPTY)
    list(fake.connector().pull(stream(headers=[{"name": "Wishes", "namespace": "urn:w", "values": values}]), Window()))
    inner = fake.asked[0].partition("Header>")[2].partition("Header>")[0]
    assert re.sub(r"\bns\d:| xmlns:ns\d=\"[^\"]*\"", "", inner).startswith(
        '<Wishes level="2"><limits><rows>2</rows></limits><bodyFieldsOnly>false</bodyFieldsOnly><tag>a</tag><tag>b</tag></Wishes>'
    )


def test_a_netsuite_search_asks_for_sublists_and_says_its_page_size() -> None:
    fake = Fake(netsuite("search", "12345").replace(b"Pages>3<", b"Pages>1<"), documents={WSDL_URL: NETSUITE_WSDL})
    pulled(fake, NETSUITE_SOURCE, ID, NAME)
    assert "bodyFieldsOnly>false<" in fake.asked[0] and "pageSize>500<" in fake.asked[0]


CODE = Column("code", "Code", pa.string(), required=True)


def handled(fake: Fake, window: Window, page: int = 2, request: str = "bookmarkKey") -> list[str]:
    handles = {
        "operation": "ReadParts",
        "rows": "List/Part",
        "source": "Code",
        "changed": {"operation": "ReadParts", "request": "bookmarkKey", "source": "Key"},
    }
    source = {
        "operation": "ReadParts",
        "rows": "List/Part",
        "changed_since": {"type": "dateTime"},
        "arguments": {"setSize": 1},
        "paging": {"kind": "handles", "request": request, "page": page, "handles": handles},
    }
    list(fake.connector().pull(Stream("erp", "parts", source, ("code",), (CODE,)), window))
    return fake.asked


def test_a_slice_of_one_handle_goes_into_an_element_that_takes_one() -> None:
    first, second, third = handled(Fake(reply(part("A"), part("B")), reply(part("A")), reply(part("B"))), Window(), page=1)
    assert "bookmarkKey>A<" in second and "bookmarkKey>B<" in third and "bookmarkKey>" not in first


def test_handles_of_what_changed_are_listed_by_their_own_operation() -> None:
    listing, slice = handled(Fake(reply(part("A")), reply(part("A"))), Window(since=AT), page=1)
    assert "bookmarkKey>2026-11-01T15:30:15Z<" in listing and "bookmarkKey>k-A<" in slice
