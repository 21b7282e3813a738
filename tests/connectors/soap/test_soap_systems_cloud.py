"""The samples for systems that are only rented, each against a server that answers as the system does."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path

import pytest
from soap_systems import Answer, Asked, answered, running, sample

from connectors.errors import AccessRefused, BrokenReply, SourceError, SourceUnavailable
from connectors.protocol import Window

SINCE = Window(since=datetime(2026, 11, 3, 1, 0, tzinfo=UTC))


def netsuite(asked: Asked) -> Answer:
    return "netsuite-1.xml" if asked.called == "search" else "netsuite-2.xml"


def test_netsuite_s_search_goes_on_by_its_id_and_a_record_that_moved_comes_once(tmp_path: Path) -> None:
    with running("netsuite.wsdl", netsuite) as system, sample("netsuite", "netsuite/customers", system, tmp_path) as customers:
        changed = datetime(2026, 11, 3, 18, 0, tzinfo=UTC)
        assert [tuple(row.values()) for row in customers.rows()] == [(id, f"会社{id}", "1", changed, "A") for id in ("1", "2", "3")]
        assert [one.body for one in system.asked] == [
            [("search/searchRecord@type", "s:CustomerSearch"), ("search/searchRecord", "")],
            [("searchMoreWithId/searchId", "WEBSERVICES_1234567_77"), ("searchMoreWithId/pageIndex", "2")],
        ]


def test_netsuite_is_told_to_give_whole_records_by_a_header_beside_a_fresh_token_passport(tmp_path: Path) -> None:
    with running("netsuite.wsdl", netsuite) as system, sample("netsuite", "netsuite/customers", system, tmp_path) as customers:
        customers.rows()
        headers = [dict(one.header) for one in system.asked]
        for header in headers:
            assert header["SearchPreferences/bodyFieldsOnly"] == "false" and header["SearchPreferences/pageSize"] == "500"
            assert header["tokenPassport/account"] == "1234567" and header["tokenPassport/token"] == "its-NETSUITE_TOKEN"
            assert header["tokenPassport/signature@algorithm"] == "HMAC-SHA256"
        assert headers[0]["tokenPassport/nonce"] != headers[1]["tokenPassport/nonce"]


def test_netsuite_since_an_instant_is_asked_by_the_last_change(tmp_path: Path) -> None:
    with running("netsuite.wsdl", netsuite) as system, sample("netsuite", "netsuite/customers", system, tmp_path) as customers:
        customers.rows(SINCE)
        at = "search/searchRecord/basic/lastModifiedDate"
        assert system.asked[0].body[1:] == [(f"{at}@operator", "onOrAfter"), (f"{at}/searchValue", "2026-11-03T01:00:00Z")]


@pytest.mark.parametrize(
    ("answer", "error"),
    [
        ("netsuite-refused.xml", AccessRefused),
        ("netsuite-busy.xml", SourceUnavailable),
        ("netsuite-error.xml", SourceError),
        ((500, "netsuite-fault.xml"), AccessRefused),
        ((500, "netsuite-fault-busy.xml"), SourceUnavailable),
    ],
)
def test_netsuite_s_status_and_faults_are_told_apart_by_their_codes(answer: Answer, error: type[Exception], tmp_path: Path) -> None:
    with answered("netsuite.wsdl", answer, "netsuite", "netsuite/customers", tmp_path) as customers, pytest.raises(error) as caught:
        customers.pages()
    assert type(caught.value) is error


def workday(asked: Asked) -> Answer:
    return f"workday-{asked.text('Page')}.xml"


def test_workday_s_pages_are_asked_for_as_of_one_moment(tmp_path: Path) -> None:
    with running("workday.wsdl", workday) as system, sample("workday", "workday/workers", system, tmp_path) as workers:
        wid = "0e44c92412d34b01ace61e80a47aaf6"
        assert [tuple(row.values()) for row in workers.rows()] == [
            (f"{wid}1", "21001", "user1", date(1990, 4, 1)),
            (f"{wid}2", "21002", "user2", None),
        ]
        first, second = (dict(one.body) for one in system.asked)
        at = "Get_Workers_Request/Response_Filter"
        assert (first[f"{at}/Page"], second[f"{at}/Page"]) == ("1", "2") and first[f"{at}/Count"] == "999"
        assert first[f"{at}/As_Of_Entry_DateTime"] == second[f"{at}/As_Of_Entry_DateTime"]
        assert first["Get_Workers_Request@version"] == "v40.0" and not any("Criteria" in path for path in first)
        assert dict(system.asked[0].header)["Security/UsernameToken/Username"] == "its-WORKDAY_USER_AT_TENANT"


def test_workday_since_an_instant_looks_into_the_transaction_log(tmp_path: Path) -> None:
    with running("workday.wsdl", workday) as system, sample("workday", "workday/workers", system, tmp_path) as workers:
        workers.rows(SINCE)
        asked = system.asked[0]
        assert asked.text("Updated_From") == "2026-11-03T01:00:00Z" and asked.text("Updated_Through") == asked.text("As_Of_Entry_DateTime")


def test_workday_s_faults_say_what_is_wrong(tmp_path: Path) -> None:
    with answered("workday.wsdl", (500, "workday-fault.xml"), "workday", "workday/workers", tmp_path / "a") as workers:
        with pytest.raises(BrokenReply, match="Updated From is after Updated Through") as caught:
            workers.pages()
        assert caught.value.code == "soap.fault"
    refused: Answer = (500, "workday-refused.xml")
    with answered("workday.wsdl", refused, "workday", "workday/workers", tmp_path / "b") as workers, pytest.raises(AccessRefused):
        workers.pages()
