"""The samples for Microsoft's systems, each against a server that answers as the system does."""

from __future__ import annotations

import base64
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path

import pytest
from soap_systems import Answer, Asked, running, sample

from connectors.errors import AccessRefused, BrokenReply
from connectors.protocol import Window

SINCE = Window(since=datetime(2026, 11, 3, 1, 0, tzinfo=UTC))
BOOKMARKS = {None: "nav-page-1.xml", "24;GwAAAAJ7/zEAMAAwADE=9;2;": "nav-page-2.xml", "24;GwAAAAJ7/zEAMAAwADI=9;3;": "nav-page-3.xml"}


def nav(asked: Asked) -> Answer:
    return BOOKMARKS[asked.text("bookmarkKey")]


def test_nav_is_read_by_bookmark_until_a_page_is_empty(tmp_path: Path) -> None:
    with running("nav.wsdl", nav) as system, sample("dynamics-nav", "nav/items", system, tmp_path) as items:
        assert items.rows() == [
            {"number": "1000", "description": "自転車", "unit_price": Decimal("4000.50000"), "changed_on": date(2026, 11, 3)},
            {"number": "1001", "description": "前輪 <26>", "unit_price": Decimal(0), "changed_on": None},
            {"number": "1002", "description": None, "unit_price": None, "changed_on": date(2026, 11, 4)},
        ]
        everything = [("ReadMultiple/filter/Field", "Description"), ("ReadMultiple/filter/Criteria", "")]
        size = ("ReadMultiple/setSize", "1000")
        assert [one.body for one in system.asked] == [
            [*everything, size],
            [*everything, ("ReadMultiple/bookmarkKey", "24;GwAAAAJ7/zEAMAAwADE=9;2;"), size],
            [*everything, ("ReadMultiple/bookmarkKey", "24;GwAAAAJ7/zEAMAAwADI=9;3;"), size],
        ]
        login = base64.b64encode(b"its-NAV_USER:its-NAV_WEB_SERVICE_KEY").decode()
        assert {one.headers["Authorization"] for one in system.asked} == {f"Basic {login}"}
        assert system.asked[0].headers["SOAPAction"] == '"urn:microsoft-dynamics-schemas/page/item:ReadMultiple"'


def test_nav_since_an_instant_is_asked_for_the_day_before_it_in_the_filter_s_own_words(tmp_path: Path) -> None:
    with running("nav.wsdl", lambda _: "nav-page-3.xml") as system, sample("dynamics-nav", "nav/items", system, tmp_path) as items:
        assert items.rows(SINCE) == []
        (asked,) = system.asked
        assert asked.body[:2] == [("ReadMultiple/filter/Field", "Last_Date_Modified"), ("ReadMultiple/filter/Criteria", "2026-11-02..")]


def test_nav_s_fault_is_told_in_its_own_language_and_a_wrong_key_is_refused(tmp_path: Path) -> None:
    with running("nav.wsdl", lambda _: (500, "nav-fault.xml")) as system, sample("dynamics-nav", "nav/items", system, tmp_path) as items:
        with pytest.raises(BrokenReply, match="は有効な日付ではありません") as caught:
            items.pages()
        assert caught.value.code == "soap.fault" and len(system.asked) == 1
    with running("nav.wsdl", lambda _: (401, b"")) as system, sample("dynamics-nav", "nav/items", system, tmp_path / "again") as items:
        with pytest.raises(AccessRefused):
            items.pages()
        assert len(system.asked) == 1


def test_a_nav_server_that_gives_the_same_bookmark_again_is_no_endless_loop(tmp_path: Path) -> None:
    with running("nav.wsdl", lambda _: "nav-page-1.xml") as system, sample("dynamics-nav", "nav/items", system, tmp_path) as items:
        with pytest.raises(BrokenReply) as caught:
            items.pages()
        assert caught.value.code == "soap.page_repeated" and len(system.asked) == 2
