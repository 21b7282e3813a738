"""Ordered rights against a judge that asks person by person: whoever reaches a scope is whom the rules let view, never one more."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass, replace
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.access import Account, column_scope
from connectors.kintone.directory import Directory
from connectors.kintone.rights import Readers, Rights, rights_of
from connectors.kintone.scope_ids import (
    HIDDEN,
    LONGEST,
    PLAIN,
    REASONS,
    TOO_MANY,
    column_values,
    row_scope,
    split,
    split_columns,
    values_of,
    with_columns,
)

USERS = ("sato", "suzuki", "ito", "left")
GROUPS = {"quality": {"sato"}, "sales": {"suzuki", "sato"}, "none": set[str]()}
#: honsha above eigyo above higashi.
PARENTS = {"eigyo": "honsha", "higashi": "eigyo"}
ORGANISATIONS = {"honsha": {"ito"}, "eigyo": {"suzuki"}, "higashi": {"sato"}}
GUEST = "guest/gaibu@partner.example"
FIELDS = {
    "担当者": "USER_SELECT",
    "担当部署": "ORGANIZATION_SELECT",
    "担当グループ": "GROUP_SELECT",
    "作成者": "CREATOR",
    "件名": "SINGLE_LINE_TEXT",
}
ACTIVE = frozenset({"sato", "suzuki", "ito"})
DIRECTORY = Directory(
    accounts=tuple(Account(f"user:kintone:{one}", one, "", one, active=one in ACTIVE) for one in USERS),
    active=ACTIVE,
    groups={code: frozenset(members) & ACTIVE for code, members in GROUPS.items()},
    organisations={code: frozenset(members) for code, members in ORGANISATIONS.items()},
    parents=PARENTS,
)
EVERYONE = {"entity": {"type": "GROUP", "code": "everyone"}, "includeSubs": False}
Values = dict[str, list[str]]


@dataclass(frozen=True)
class Asker:
    """One who asks: an active user, or a guest, who is no part of everyone."""

    code: str

    def within(self, code: str, subs: bool) -> bool:
        own = next((one for one, members in ORGANISATIONS.items() if self.code in members), "")
        while own:
            if own == code:
                return True
            own = PARENTS.get(own, "") if subs else ""
        return False

    def fits(self, entry: dict[str, Any], values: Values) -> bool:
        kind, code, subs = entry["entity"]["type"], entry["entity"]["code"], entry["includeSubs"]
        if kind == "FIELD_ENTITY":
            inner = {"USER_SELECT": "USER", "CREATOR": "USER", "GROUP_SELECT": "GROUP", "ORGANIZATION_SELECT": "ORGANIZATION"}[FIELDS[code]]
            return any(self.fits({"entity": {"type": inner, "code": one}, "includeSubs": subs}, values) for one in values[code])
        if kind == "USER":
            return self.code == code
        if kind == "GROUP":
            return self.code in (ACTIVE if code == "everyone" else GROUPS.get(code, set()))
        return self.within(code, subs)

    def may(self, entries: list[dict[str, Any]], values: Values) -> bool:
        return next((entry["viewable"] for entry in entries if self.fits(entry, values)), False)


def reached(principals: tuple[str, ...], asker: str) -> bool:
    held, todo = {f"user:kintone:{asker.replace('@', '%40')}"}, [f"user:kintone:{asker.replace('@', '%40')}"]
    while todo:
        one = todo.pop()
        more = {edge.group for edge in DIRECTORY.members("kintone") if edge.member == one} - held
        held |= more
        todo += more
    return bool(held & set(principals))


entities = st.one_of(
    st.sampled_from([*USERS, GUEST]).map(lambda code: {"type": "USER", "code": code}),
    st.sampled_from([*GROUPS, "gone"]).map(lambda code: {"type": "GROUP", "code": code}),
    st.sampled_from([*ORGANISATIONS, "gone"]).map(lambda code: {"type": "ORGANIZATION", "code": code}),
    st.sampled_from([code for code in FIELDS if code != "件名"]).map(lambda code: {"type": "FIELD_ENTITY", "code": code}),
)
plain = entities.filter(lambda entity: entity["type"] != "FIELD_ENTITY")


def lists(of: st.SearchStrategy[dict[str, str]]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """Ordered lists; everyone, where they are listed, at the end, as kintone keeps them."""
    entries = st.lists(st.fixed_dictionaries({"entity": of, "viewable": st.booleans(), "includeSubs": st.booleans()}), max_size=5)
    last = st.sampled_from([[], [{**EVERYONE, "viewable": True}], [{**EVERYONE, "viewable": False}]])
    return st.tuples(entries, last).map(lambda both: [*both[0], *both[1]])


values_in_a_record = st.fixed_dictionaries(
    {
        "担当者": st.lists(st.sampled_from([*USERS, GUEST, "nobody"]), max_size=3, unique=True),
        "担当部署": st.lists(st.sampled_from(list(ORGANISATIONS)), max_size=2, unique=True),
        "担当グループ": st.lists(st.sampled_from(list(GROUPS)), max_size=2, unique=True),
        "作成者": st.sampled_from(USERS).map(lambda one: [one]),
    }
)


def rights(entries: list[dict[str, Any]]) -> Rights:
    return rights_of(entries, "viewable", fields=FIELDS)


@given(lists(plain), lists(entities), values_in_a_record)
def test_whoever_reaches_a_record_is_whom_app_and_rule_let_view_it(
    app: list[dict[str, Any]], rule: list[dict[str, Any]], values: Values
) -> None:
    principals = Readers([rights(app)], DIRECTORY, "kintone").principals(rights(rule), values=values)
    for asker in (*USERS, GUEST):
        active = asker in ACTIVE or asker == GUEST
        allowed = active and Asker(asker).may(app, values) and Asker(asker).may(rule, values)
        assert reached(principals, asker) == allowed, (asker, principals)


@given(
    st.permutations([{**EVERYONE, "viewable": True}, {"entity": {"type": "USER", "code": "sato"}, "includeSubs": False, "viewable": False}])
)
def test_everyone_above_a_denied_person_still_leaves_that_person_out(entries: list[dict[str, Any]]) -> None:
    principals = Readers([rights(entries)], DIRECTORY, "kintone").principals()
    assert principals == ("user:kintone:ito", "user:kintone:suzuki")


def test_everyone_denied_above_an_allowed_person_lets_nobody_in() -> None:
    entries = [{**EVERYONE, "viewable": False}, {"entity": {"type": "USER", "code": "sato"}, "includeSubs": False, "viewable": True}]
    assert Readers([rights(entries)], DIRECTORY, "kintone").principals() == ()


def test_the_records_creator_is_whoever_stands_in_the_creator_field_and_the_apps_is_one_person() -> None:
    entry = {"entity": {"type": "CREATOR", "code": None}, "includeSubs": False, "viewable": True}
    by_record = rights_of([entry], "viewable", fields=FIELDS)
    assert by_record.fields == (("作成者", "user"),)
    by_app = rights_of([entry], "viewable", creator="suzuki")
    assert [(one.kind, one.code) for one in by_app.entries] == [("USER", "suzuki")]


@pytest.mark.parametrize("code", ["件名", "消えた項目", ""])
def test_a_field_that_holds_no_persons_leaves_the_rule_unresolved(code: str) -> None:
    found = rights_of([{"entity": {"type": "FIELD_ENTITY", "code": code}, "viewable": True}], "viewable", fields=FIELDS)
    assert found.entries == () and code in found.reason


codes = st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=40)
SHAPE = (("担当者", "user"), ("担当部署", "org"))


@given(st.lists(codes, max_size=12), st.lists(codes, max_size=4))
def test_a_scopes_name_gives_back_the_codes_it_was_made_of(users: list[str], units: list[str]) -> None:
    values = {"担当者": users, "担当部署": units}
    id = row_scope("kintone:ORDERS:3@0123abcd", SHAPE, values)
    base, rest = split(id)
    assert base == "kintone:ORDERS:3@0123abcd"
    if rest not in REASONS:
        assert values_of(rest, SHAPE) == {code: tuple(sorted(set(found))) for code, found in values.items()}
    assert id == row_scope(base, SHAPE, {code: list(reversed(found)) for code, found in values.items()})


@given(st.lists(codes, max_size=6), st.lists(codes, max_size=6), codes)
def test_a_records_scope_carries_what_its_columns_scopes_are_made_of_and_stays_readable_without(
    readers: list[str], buyers: list[str], field: str
) -> None:
    shape = ((field, "user"),)
    row = row_scope("kintone:ORDERS:3@0123abcd", SHAPE[:1], {"担当者": readers})
    whole = with_columns(row, shape, {field: buyers})
    plain, rest = split_columns(whole)
    assert plain == row
    column = column_scope("kintone:ORDERS:field:原価?", whole)
    assert split(column) == ("kintone:ORDERS:field:原価", rest)
    if rest not in REASONS:
        assert column_values(rest) == {(field, "user"): tuple(sorted(set(buyers)))}


def test_a_column_of_which_the_record_says_nothing_has_a_name_without_values() -> None:
    assert column_values(split(column_scope("kintone:ORDERS:field:原価?", "kintone:ORDERS:1@ab"))[1]) == {}
    assert column_values("nonsense") is None and column_values("z=AAAA") is None
    many = [f"{hashlib.sha256(str(at).encode()).hexdigest()[:12]}@sakura-seiki.example" for at in range(3_000)]
    assert split_columns(with_columns("kintone:ORDERS:1@ab", SHAPE[:1], {"担当者": many}))[1] == TOO_MANY


def test_a_name_of_many_persons_is_packed_and_one_of_too_many_is_nobodys() -> None:
    some = [f"person.number{at:03}@sakura-seiki.example" for at in range(60)]
    packed = row_scope("kintone:ORDERS:3@0123abcd", SHAPE, {"担当者": some, "担当部署": []})
    assert PLAIN < len(packed) <= LONGEST and "?z=" in packed
    assert values_of(split(packed)[1], SHAPE) == {"担当者": tuple(some), "担当部署": ()}
    many = [f"{hashlib.sha256(str(at).encode()).hexdigest()[:12]}@sakura-seiki.example" for at in range(3_000)]
    assert split(row_scope("kintone:ORDERS:3@0123abcd", SHAPE, {"担当者": many, "担当部署": []}))[1] == TOO_MANY
    assert split(row_scope("kintone:ORDERS:3@0123abcd", SHAPE, {"担当者": some}))[1] == HIDDEN


@pytest.mark.parametrize(
    "rest", ["user=sato", "org=eigyo&user=sato", "user=sato&org=eigyo&org=x", "z=!!", "z=AAAA", "nonsense", "user&org"]
)
def test_a_name_of_another_shape_says_nothing(rest: str) -> None:
    assert values_of(rest, SHAPE) is None


def test_what_a_logins_view_hangs_on_is_its_groups_and_departments_and_for_a_stranger_everybodys() -> None:
    assert DIRECTORY.memberships("sato") == {
        "group:kintone:quality",
        "group:kintone:sales",
        "org:kintone:higashi",
        "org:kintone:eigyo",
        "org:kintone:honsha",
    }
    moved = replace(DIRECTORY, groups={**DIRECTORY.groups, "quality": frozenset({"ito"})})
    assert moved.memberships("?") != DIRECTORY.memberships("?") and moved.memberships("suzuki") == DIRECTORY.memberships("suzuki")
