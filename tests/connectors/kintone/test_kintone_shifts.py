"""The sandbox's app owners change their app in every way the sheet lists; the connector names each change before a row is read."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest
from kintone_company import Company, app_id, stream_of
from test_kintone_drift import contract_of

from expectations.drift import Drift, compare, emptied, logins_changed, rights_changed
from expectations.facts import facts_of
from infra.sandbox import process
from infra.sandbox.company.people import person


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    home = tmp_path_factory.mktemp("shifts")
    process.up(home, base_port=0, only=("kintone",))
    asked = Company(home)
    yield asked
    asked.http.close()
    process.down(home)


def shifted(company: Company, name: str, app: str, **body: Any) -> Drift:
    """What compares as different after the break, against contract and facts of just before."""
    with company.connector() as opened:
        stream = stream_of(opened, app)
        before = opened.describe(stream)
        process.control(company.home, "break", {"name": name, "app": app, **body}, server="kintone")
        return compare(contract_of(before), opened.describe(stream), facts_of(before))


#: break → what is asked of it → (kind, blocks, reload) of each change.
HEALABLE: dict[str, tuple[dict[str, Any], set[tuple[str, bool, bool]]]] = {
    "rename-field": ({}, {("renamed", True, False)}),
    "rename-option": ({}, {("option_renamed", False, True)}),
    "remove-option": ({}, {("options", False, False)}),
    "add-field": ({}, {("added", False, False)}),
    "rename-label": ({}, {("label", False, False)}),
    "require-field": ({}, {("required", False, False)}),
    "retarget-lookup": ({"to": "FAQ"}, {("lookup", False, False)}),
    "precision": ({}, {("widened", True, True)}),
    "rename-status": ({}, {("states", False, True), ("settings", False, False)}),
    "disable-process": ({}, {("feature", True, False)}),
    "renumber-app": ({}, {("address", True, True)}),
    "move-app": ({}, {("address", False, False)}),
}
LASTING: dict[str, tuple[dict[str, Any], set[tuple[str, bool, bool]]]] = {
    "change-format": ({}, {("computed", False, True), ("retyped", True, True)}),
    "replace-type": ({}, {("replaced", True, True)}),
    "move-into-table": ({}, {("restructured", True, False), ("added", False, False)}),
}


@pytest.mark.parametrize("name", HEALABLE)
def test_a_change_that_can_be_taken_back_is_named(company: Company, name: str) -> None:
    body, wanted = HEALABLE[name]
    try:
        found = shifted(company, name, "ORDERS", **body)
    finally:
        process.control(company.home, "heal", {}, server="kintone")
    assert {(one.kind, one.blocks, one.reload) for one in found.changes} == wanted, found.changes


def test_another_view_of_the_app_after_its_rights_changed_is_reported(company: Company) -> None:
    with company.connector() as opened:
        stream = stream_of(opened, "ORDERS")
        before = opened.access(stream).view
        process.control(company.home, "break", {"name": "change-acl", "app": "ORDERS"}, server="kintone")
        try:
            assert [one.kind for one in rights_changed(before, opened.access(stream).view)] == ["rights"]
        finally:
            process.control(company.home, "heal", {}, server="kintone")


def test_a_field_made_anew_looks_the_same_and_its_values_tell(company: Company) -> None:
    with company.connector() as opened:
        stream = stream_of(opened, "ORDERS")
        contract = contract_of(opened.describe(stream))

        def empty() -> dict[str, float]:
            body = {"app": app_id(company, "ORDERS"), "query": "備考 is empty limit 1", "totalCount": True}
            answer = company.ask(person("akari.mori"), "GET", "records", body).json()
            return {"備考": int(answer["totalCount"]) / opened.count(stream)}

        before = empty()
        process.control(company.home, "break", {"name": "remake-field", "app": "ORDERS", "field": "備考"}, server="kintone")
        assert [one.path for one in emptied(contract, before, empty())] == ["備考"]


def test_a_person_with_another_login_is_the_same_person_and_every_row_differs(company: Company) -> None:
    with company.connector() as opened:
        stream = stream_of(opened, "FAQ")
        before = opened.access(stream).accounts
        process.control(company.home, "break", {"name": "login-rename", "login": "yui.takahashi"}, server="kintone")
        try:
            (found,) = logins_changed(before, opened.access(stream).accounts)
        finally:
            process.control(company.home, "heal", {}, server="kintone")
    assert (found.kind, found.label, found.reload) == ("login", person("yui.takahashi").name, True)
    assert logins_changed(before, before) == ()


@pytest.mark.parametrize("name", LASTING)
def test_a_change_that_stays_is_named(company: Company, name: str) -> None:
    body, wanted = LASTING[name]
    found = shifted(company, name, "ORDERS", **body)
    assert {(one.kind, one.blocks, one.reload) for one in found.changes} == wanted, found.changes
