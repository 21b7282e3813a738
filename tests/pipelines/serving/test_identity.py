"""Who asks, and under which principals: nothing that is not linked, nothing twice, no circle without an end."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.serving.identity import closure, link, people


def account(system: str, principal: str, login: str, mail: str = "", active: bool = True) -> dict[str, object]:
    return {"system": system, "principal": principal, "login": login, "mail": mail, "name": "", "active": active}


def accounts(*found: dict[str, object]) -> pa.Table:
    schema = pa.schema([*((name, pa.string()) for name in ("system", "principal", "login", "mail", "name")), ("active", pa.bool_())])
    return pa.Table.from_pylist(list(found), schema=schema)


def members(*edges: tuple[str, str]) -> pa.Table:
    return pa.Table.from_pylist(
        [{"group": group, "member": member} for group, member in edges], schema=pa.schema([("group", pa.string()), ("member", pa.string())])
    )


MAIL = "misaki.sato@sakura-seiki.example"
EVERYWHERE = accounts(
    account("kintone", "user:kintone:sato", MAIL),
    account("sharepoint", "user:entra:t/1", MAIL.upper(), MAIL),
    account("erp", "user:erp:E17", "E17", MAIL),
)


def test_one_person_is_linked_over_all_systems_by_mail_and_login() -> None:
    assert link(MAIL, EVERYWHERE).links == {"kintone": "user:kintone:sato", "sharepoint": "user:entra:t/1", "erp": "user:erp:E17"}


def test_groups_within_groups_and_everyone_of_each_linked_system_are_reached() -> None:
    edges = members(
        ("group:kintone:eigyo", "user:kintone:sato"),
        ("org:kintone:honsha", "group:kintone:eigyo"),
        ("spgroup:q:3", "user:entra:t/1"),
        ("group:kintone:other", "user:kintone:suzuki"),
    )
    assert closure(MAIL, EVERYWHERE, edges) == {
        "user:kintone:sato",
        "user:entra:t/1",
        "user:erp:E17",
        "everyone:kintone",
        "everyone:sharepoint",
        "everyone:erp",
        "group:kintone:eigyo",
        "org:kintone:honsha",
        "spgroup:q:3",
    }


@pytest.mark.parametrize("who", ["", " ", "stranger@partner.example", "sato", "%"])
def test_a_stranger_acts_under_nothing_not_even_everyone(who: str) -> None:
    assert closure(who, EVERYWHERE, members(("everyone:kintone", "user:kintone:sato"))) == frozenset()


def test_somebody_without_an_account_in_a_system_is_not_everyone_there() -> None:
    assert closure("a@x.example", accounts(account("kintone", "user:kintone:a", "a@x.example")), members()) == {
        "user:kintone:a",
        "everyone:kintone",
    }


def test_a_closed_account_reaches_nothing() -> None:
    assert (
        closure(
            "a@x.example", accounts(account("kintone", "user:kintone:a", "a@x.example", active=False)), members(("g", "user:kintone:a"))
        )
        == frozenset()
    )


def test_a_mail_field_somebody_set_to_the_directors_address_makes_nobody_director() -> None:
    found = accounts(
        account("kintone", "user:kintone:boss", "boss@x.example"), account("kintone", "user:kintone:eve", "eve@x.example", "boss@x.example")
    )
    assert link("boss@x.example", found).links == {"kintone": "user:kintone:boss"}
    assert link("eve@x.example", found).links == {"kintone": "user:kintone:eve"}


def test_two_accounts_that_both_claim_a_person_link_neither() -> None:
    found = accounts(account("erp", "user:erp:E1", "E1", "a@x.example"), account("erp", "user:erp:E2", "E2", "a@x.example"))
    assert closure("a@x.example", found, members()) == frozenset()


def test_the_same_account_listed_by_two_streams_is_one_account() -> None:
    twice = account("kintone", "user:kintone:a", "a@x.example")
    assert link("a@x.example", accounts(twice, twice)).links == {"kintone": "user:kintone:a"}


def test_everybody_who_can_be_linked_is_listed_once() -> None:
    assert [person.id for person in people(EVERYWHERE)] == [MAIL]


NAMES = ["user:s:a", "everyone:s", *(f"group:s:{n}" for n in range(6))]


@given(st.lists(st.tuples(st.sampled_from(NAMES), st.sampled_from(NAMES)), max_size=25))
def test_the_closure_is_the_smallest_set_that_is_closed_over_membership(edges: list[tuple[str, str]]) -> None:
    found = closure("a@x.example", accounts(account("s", "user:s:a", "a@x.example")), members(*edges))
    naive = {"user:s:a", "everyone:s"}
    for _ in NAMES:
        naive |= {group for group, member in edges if member in naive}
    assert found == naive
