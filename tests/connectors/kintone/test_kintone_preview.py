"""The pre-deploy check: what is saved and not yet deployed is named before anybody presses "Update app"."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kintone_company import Company, app_id, stream_of
from test_kintone_drift import contract_of

from connectors.errors import AccessRefused
from connectors.kintone.connector import KintoneConnector
from connectors.protocol import Stream
from expectations.contract import Contract
from expectations.drift import Drift, ahead, compare
from infra.sandbox import process
from infra.sandbox.company.people import person

OWNER = person("akari.mori")


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    home = tmp_path_factory.mktemp("preview")
    process.up(home, base_port=0, only=("kintone",))
    asked = Company(home)
    yield asked
    asked.http.close()
    process.down(home)


def coming(opened: KintoneConnector, contract: Contract, stream: Stream) -> Drift:
    look = opened.preview(stream)
    return ahead(contract, look.live, look.coming, live_rights=look.live_rights, coming_rights=look.coming_rights)


def ask(company: Company, method: str, resource: str, body: dict[str, Any]) -> None:
    answer = company.ask(OWNER, method, resource, body)
    assert answer.status_code == 200, answer.text


def test_a_rename_that_is_saved_and_not_deployed_is_named_and_the_live_app_still_keeps_its_promise(company: Company) -> None:
    number = app_id(company, "CUSTOMERS")
    with company.connector() as opened:
        stream = stream_of(opened, "CUSTOMERS")
        contract = contract_of(opened.describe(stream))
        assert coming(opened, contract, stream).changes == ()
        ask(
            company,
            "PUT",
            "preview/app/form/fields",
            {"app": number, "properties": {"フリガナ": {"type": "SINGLE_LINE_TEXT", "code": "ふりがな"}}},
        )
        found = coming(opened, contract, stream).changes
        assert [(one.kind, one.path, one.new, one.blocks) for one in found] == [("renamed", "フリガナ", "ふりがな", True)]
        assert compare(contract, opened.describe(stream)).changes == ()
        ask(company, "POST", "preview/app/deploy", {"apps": [{"app": number}]})
        assert [one.kind for one in compare(contract, opened.describe(stream)).changes] == ["renamed"]
        assert coming(opened, contract, stream).changes == (), "what is in force already is not ahead any more"


def test_a_change_inside_a_table_is_told_of_the_tables_own_stream_and_of_the_comments_none(company: Company) -> None:
    number = app_id(company, "ORDERS")
    lines = Stream("kintone", "order-lines", {"app_code": "ORDERS", "table": "明細"}, ("record_id", "row_id"), ())
    talk = Stream("kintone", "order-comments", {"app_code": "ORDERS", "part": "comments"}, ("record_id", "comment_id"), ())
    with company.connector() as opened:
        promised = contract_of(opened.describe(lines)).model_copy(update={"stream": "kintone/order-lines"})
        said = contract_of(opened.describe(talk)).model_copy(update={"stream": "kintone/order-comments"})
        assert coming(opened, promised, lines).changes == ()
        inner = {"明細": {"type": "SUBTABLE", "code": "明細", "fields": {"製品名": {"type": "SINGLE_LINE_TEXT", "code": "品名"}}}}
        ask(company, "PUT", "preview/app/form/fields", {"app": number, "properties": inner})
        try:
            found = coming(opened, promised, lines).changes
            assert [(one.kind, one.path, one.new, one.blocks) for one in found] == [("renamed", "製品名", "品名", True)]
            assert coming(opened, said, talk).changes == ()
        finally:
            ask(company, "POST", "preview/app/deploy", {"apps": [{"app": number}], "revert": True})


def test_rights_that_will_change_are_told_and_block_nothing(company: Company) -> None:
    number = app_id(company, "FAQ")
    with company.connector() as opened:
        stream = stream_of(opened, "FAQ")
        contract = contract_of(opened.describe(stream))
        everyone = {
            "entity": {"type": "GROUP", "code": "everyone"},
            "viewable": True,
            "editable": False,
            "deletable": False,
            "includeSubs": False,
        }
        ask(company, "PUT", "preview/record/acl", {"app": number, "rights": [{"filterCond": "", "entities": [everyone]}]})
        (found,) = coming(opened, contract, stream).changes
        assert (found.kind, found.blocks) == ("rights", False)
        ask(company, "POST", "preview/app/deploy", {"apps": [{"app": number}], "revert": True})
        assert coming(opened, contract, stream).changes == ()


def test_without_the_right_to_manage_the_app_the_check_is_refused_and_not_empty(company: Company) -> None:
    with company.connector(login=person("yui.takahashi")) as opened, pytest.raises(AccessRefused):
        opened.preview(stream_of(opened, "DEFECTS"))
