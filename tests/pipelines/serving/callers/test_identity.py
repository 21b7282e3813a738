"""Who asks, and under which principals: nothing that is not linked, nothing twice, no circle without an end."""

from __future__ import annotations

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.serving.callers.accounts import Accounts
from pipelines.serving.callers.identity import (
    Directory,
    GroupsNow,
    Person,
    above_of,
    closure,
    closure_of,
    closures,
    home_address,
    link,
    people,
    proven,
)


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


# What each stream's own pull saw.

SATO = account("kintone", "user:kintone:sato", MAIL)
IN_SALES, IN_QUALITY = ("group:kintone:eigyo", "user:kintone:sato"), ("group:kintone:hinshitsu", "user:kintone:sato")


def seen_by(*directories: Directory) -> dict[str, frozenset[str]]:
    return dict(closures(link(MAIL, pa.concat_tables([each.accounts for each in directories])), directories))


def test_somebody_taken_out_of_a_group_loses_it_with_the_first_pull_that_saw_it() -> None:
    found = seen_by(
        Directory("kintone/faq", accounts(SATO), members()), Directory("kintone/orders", accounts(SATO), members(IN_SALES, IN_QUALITY))
    )
    assert found["kintone/faq"] == {"user:kintone:sato", "everyone:kintone"}
    assert found["kintone/orders"] >= {"group:kintone:eigyo", "group:kintone:hinshitsu"}


def test_an_account_closed_in_one_pull_is_closed_for_every_stream() -> None:
    closed = account("kintone", "user:kintone:sato", MAIL, active=False)
    found = seen_by(Directory("kintone/faq", accounts(closed), members()), Directory("kintone/orders", accounts(SATO), members(IN_SALES)))
    assert found == {"kintone/faq": frozenset(), "kintone/orders": frozenset()}


def test_an_account_that_is_gone_reads_nothing_of_the_stream_that_no_longer_lists_it() -> None:
    other = account("kintone", "user:kintone:mori", "mori@sakura-seiki.example")
    found = seen_by(Directory("kintone/faq", accounts(other), members(IN_SALES)), Directory("kintone/orders", accounts(SATO), members()))
    assert found == {"kintone/faq": frozenset(), "kintone/orders": {"user:kintone:sato", "everyone:kintone"}}


def test_a_stream_without_a_directory_takes_from_its_own_system_and_another_takes_from_it_only_what_all_its_streams_agree_on() -> None:
    found = seen_by(
        Directory("erp/items", accounts(), members()),
        Directory("kintone/apps", accounts(), members()),
        Directory("kintone/faq", accounts(SATO), members(IN_SALES)),
        Directory("kintone/orders", accounts(SATO), members(IN_SALES, IN_QUALITY)),
    )
    assert found["erp/items"] == found["kintone/apps"] == {"user:kintone:sato", "everyone:kintone", "group:kintone:eigyo"}


@given(
    st.lists(
        st.tuples(st.sampled_from(["faq", "orders", "apps"]), st.sampled_from([IN_SALES, IN_QUALITY, ("group:kintone:a", IN_SALES[0])]))
    )
)
def test_no_stream_grants_what_its_own_edges_do_not(edges: list[tuple[str, tuple[str, str]]]) -> None:
    own = {name: [edge for stream, edge in edges if stream == name] for name in ("faq", "orders", "apps")}
    found = seen_by(*(Directory(f"kintone/{name}", accounts(SATO), members(*each)) for name, each in own.items()))
    for name, each in own.items():
        assert found[f"kintone/{name}"] == closure(MAIL, accounts(SATO), members(*each))


# Guests.


def guest(number: int, home: str, mail: str) -> dict[str, object]:
    return account("sharepoint", f"user:entra:t/{number}", f"{home.replace('@', '_')}#EXT#@q.example", mail)


def test_a_guest_is_known_by_the_address_they_were_invited_by() -> None:
    found = accounts(guest(7, "taro_yamada@partner.example", "taro_yamada@partner.example"))
    assert link("Taro_Yamada@partner.example", found).links == {"sharepoint": "user:entra:t/7"}
    assert [person.id for person in people(found)] == ["taro_yamada@partner.example"]


def test_a_guest_who_writes_a_colleagues_address_into_the_mail_field_becomes_nobody_else() -> None:
    found = accounts(guest(7, "eve@partner.example", MAIL))
    assert not link(MAIL, found).known and not link("eve@partner.example", found).known and people(found) == []
    with_sato = accounts(guest(7, "eve@partner.example", MAIL), account("sharepoint", "user:entra:t/1", MAIL, MAIL))
    assert link(MAIL, with_sato).links == {"sharepoint": "user:entra:t/1"}


def test_an_account_without_a_login_is_nobodys_whatever_its_mail_says() -> None:
    assert not link(MAIL, accounts(account("sharepoint", "user:entra:t/7", "", MAIL))).known


def test_a_guest_whose_home_address_is_a_members_login_neither_is_nor_shuts_out_the_member() -> None:
    found = accounts(guest(7, MAIL, MAIL), account("sharepoint", "user:entra:t/1", MAIL, MAIL))
    assert link(MAIL, found).links == {"sharepoint": "user:entra:t/1"}


@pytest.mark.parametrize(
    "login", ["", "#ext#@q.example", "partner.example#EXT#@q.example", "_partner.example#EXT#@t", "a_partner#EXT#@t", MAIL]
)
def test_a_login_that_carries_no_home_address_stands_for_none(login: str) -> None:
    assert home_address(login) == ""


ME, GONE, THERE, OWNERS = "user:entra:t/1", "group:entra:t/gone", "group:entra:t/there", "group:entra:t/team_o"


def test_what_a_token_says_of_the_tenants_groups_takes_away_and_adds_with_all_that_stands_above() -> None:
    edges = above_of(
        members(
            (GONE, ME),
            ("spgroup:q:1", GONE),
            ("spgroup:q:2", THERE),
            (OWNERS, ME),
            ("group:entra:other/x", ME),
            ("group:kintone:eigyo", ME),
        )
    )
    person = Person(MAIL, "", {"sharepoint": ME})
    reached = closure_of(person, edges, GroupsNow(ME, frozenset({THERE})))
    assert reached == {ME, "everyone:sharepoint", THERE, "spgroup:q:2", OWNERS, "group:entra:other/x", "group:kintone:eigyo"}
    assert closure_of(Person(MAIL, "", {"kintone": "user:kintone:sato"}), edges, GroupsNow(ME, frozenset({THERE}))).isdisjoint({THERE})


@given(st.lists(st.tuples(st.sampled_from("abcd"), st.sampled_from("abcde")), max_size=12), st.sets(st.sampled_from("abcd")))
def test_no_group_of_the_tenant_is_ever_reached_that_the_newest_word_does_not_hold(edges: list[tuple[str, str]], now: set[str]) -> None:
    names = {letter: f"group:entra:t/{letter}" for letter in "abcd"} | {"e": ME}
    found = above_of(members(*((names[above], names[below]) for above, below in edges)))
    reached = closure_of(Person(MAIL, "", {"sharepoint": ME}), found, GroupsNow(ME, frozenset(names[one] for one in now)))
    assert {name for name in reached if name.startswith("group:")} == {names[one] for one in now}


def test_a_proven_account_leads_to_the_same_login_elsewhere_and_never_to_another_account_of_its_own_system() -> None:
    assert proven(ME, EVERYWHERE).links == {"kintone": "user:kintone:sato", "sharepoint": ME, "erp": "user:erp:E17"}
    twice = accounts(
        account("sharepoint", ME, "old@x.example"),
        account("sharepoint", "user:entra:t/2", MAIL),
        account("kintone", "user:kintone:sato", MAIL),
    )
    assert proven(ME, twice).links == {"sharepoint": ME}
    shared = accounts(
        account("sharepoint", ME, MAIL), account("sharepoint", "user:entra:t/2", MAIL), account("kintone", "user:kintone:sato", MAIL)
    )
    assert (proven(ME, shared).links, proven(ME, shared).id) == ({"sharepoint": ME}, ME)
    # A guest whose login was left empty is nobody elsewhere.
    assert proven(ME, accounts(account("sharepoint", ME, "", MAIL), account("kintone", "user:kintone:sato", MAIL))).links == {
        "sharepoint": ME
    }


def test_an_account_that_is_closed_or_that_no_stream_knows_proves_nobody() -> None:
    for table in (
        accounts(account("sharepoint", ME, MAIL, active=False)),
        accounts(account("sharepoint", "user:entra:t/2", MAIL)),
        accounts(),
    ):
        assert proven(ME, table).links == {}
    half = accounts(account("sharepoint", ME, MAIL), account("sharepoint", ME, MAIL, active=False))
    assert proven(ME, half).links == {}


_ADDRESSES = st.sampled_from(["a@x.example", "A@x.example", "b@x.example", "E1", "", "b_x.example#EXT#@t.example"])
_ROWS = st.builds(
    account, st.sampled_from(["kintone", "sharepoint"]), st.sampled_from(["p:1", "p:2", "p:3"]), _ADDRESSES, _ADDRESSES, st.booleans()
)


@given(st.lists(_ROWS, max_size=8), st.sampled_from(["a@x.example", "b@x.example", "E1", ""]), st.sampled_from(["p:1", "p:2", "p:9"]))
def test_accounts_put_in_order_find_the_same_person_as_reading_them_all(rows: list[dict[str, object]], who: str, user: str) -> None:
    table = accounts(*rows)
    assert Accounts(table).linked(who) == link(who, table)
    assert Accounts(table).proven(user) == proven(user, table)
