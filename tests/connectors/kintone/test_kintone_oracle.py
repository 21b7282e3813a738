"""Who reaches a record, held against kintone's own answer: ``records/acl/evaluate.json`` asked as each person of the company."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from kintone_company import Company, app_id, stream_of

from connectors.access import Access, Member, Scope, column_scope
from connectors.protocol import Connector, Stream, Window
from infra.sandbox import process
from infra.sandbox.company.people import GROUPS, ORGANISATIONS, PEOPLE, Person, person
from infra.sandbox.kintone.directory import user_code

APPS = ("CUSTOMERS", "ORDERS", "FAQ", "DEFECTS")
STAFF = tuple(one for one in PEOPLE if not one.guest)


@pytest.fixture(scope="module")
def company(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Company]:
    home = tmp_path_factory.mktemp("oracle")
    process.up(home, base_port=0, only=("kintone",))
    asked = Company(home)
    yield asked
    asked.http.close()
    process.down(home)


class Index:
    """What an index would know: the scope of each record, the scopes' principals, and membership edges."""

    def __init__(self, opened: Connector, stream: Stream, every: int = 1) -> None:
        self.access: Access = opened.access(stream)
        found = [row for page in opened.pull(stream, Window()) for row in page.rows.select(["record_id", "_scope"]).to_pylist()]
        self.scope_of = {int(row["record_id"]): str(row["_scope"]) for row in found[::every]}
        named = {one.id for one in self.access.scopes}
        rows = set(self.scope_of.values())
        columns = {column_scope(restricted, row) for restricted in self.access.restricted.values() for row in rows}
        derived = opened.scopes(stream, sorted((rows | columns) - named))
        self.scopes: dict[str, Scope] = {one.id: one for one in (*self.access.scopes, *derived)}
        self._held = {account.login: _closure(account.principal, self.access.members) for account in self.access.accounts if account.active}

    def reaches(self, who: Person, scope: str) -> bool:
        return bool(self._held.get(user_code(who), frozenset()) & set(self.scopes[scope].principals))


def _closure(principal: str, members: Sequence[Member]) -> frozenset[str]:
    above: dict[str, set[str]] = {}
    for edge in members:
        above.setdefault(edge.member, set()).add(edge.group)
    held, todo = {principal}, [principal]
    while todo:
        more = above.get(todo.pop(), set()) - held
        held |= more
        todo += more
    return frozenset(held)


def differences(company: Company, app: str, index: Index, people: Sequence[Person]) -> list[str]:
    """Where index and kintone disagree."""
    ids = sorted(index.scope_of)
    wrong: list[str] = []
    for who in people:
        evaluated = company.evaluated(app, ids, who)
        for id in ids:
            viewable, hidden = evaluated[id]
            ours = index.reaches(who, index.scope_of[id])
            if ours != viewable:
                wrong.append(f"{who.login} record {id}: ours {ours}, kintone's {viewable}, by {index.scope_of[id]}")
            for column, scope in index.access.restricted.items() if viewable and ours else ():
                seen = index.reaches(who, column_scope(scope, index.scope_of[id]))
                if seen != (column not in hidden):
                    wrong.append(f"{who.login} record {id} column {column}: ours {seen}, kintone's {column not in hidden}")
            if viewable and hidden - set(index.access.restricted):
                wrong.append(f"{who.login} record {id}: {sorted(hidden)} are hidden and not restricted")
    return wrong


@pytest.mark.parametrize(("app", "every"), [("CUSTOMERS", 1), ("FAQ", 1), ("DEFECTS", 1), ("ORDERS", 41)])
def test_everyone_of_the_company_reaches_exactly_the_records_that_kintone_shows_them(company: Company, app: str, every: int) -> None:
    with company.connector() as opened:
        index = Index(opened, stream_of(opened, app), every)
    assert len(index.scope_of) > 50
    assert all(scope.resolved for scope in index.scopes.values())
    assert differences(company, app_id(company, app), index, PEOPLE) == []


@pytest.mark.soak
@pytest.mark.parametrize("app", APPS)
def test_every_record_of_every_app_is_shown_to_exactly_those_whom_kintone_shows_it(company: Company, app: str) -> None:
    with company.connector() as opened:
        index = Index(opened, stream_of(opened, app))
    assert differences(company, app_id(company, app), index, PEOPLE) == []


# --- rule sets drawn at random, on the customers app -----------------------------------------------------------------------

USERS = st.sampled_from(STAFF).map(lambda one: {"type": "USER", "code": one.login})
GROUP = st.sampled_from(GROUPS).map(lambda one: {"type": "GROUP", "code": one.code})
UNIT = st.sampled_from(ORGANISATIONS).map(lambda one: {"type": "ORGANIZATION", "code": one.code})
FIELD = st.sampled_from(["担当者", "担当部署", "担当グループ", "作成者", "更新者"]).map(lambda code: {"type": "FIELD_ENTITY", "code": code})
EVERYONE = {"type": "GROUP", "code": "everyone"}
CONDITIONS = ("", 'ランク in ("A")', 'ランク not in ("A")', "与信限度額 >= 15000000", '都道府県 = "東京都" or ランク in ("C")', "$id <= 20")


def rights(entities: st.SearchStrategy[dict[str, str]], **values: st.SearchStrategy[Any]) -> st.SearchStrategy[list[dict[str, Any]]]:
    """An ordered list; everyone, where listed, last."""

    def entry(entity: st.SearchStrategy[dict[str, str]]) -> st.SearchStrategy[dict[str, Any]]:
        return st.fixed_dictionaries({"entity": entity, "includeSubs": st.booleans(), **values}).map(
            lambda one: one | {"includeSubs": one["includeSubs"] and one["entity"]["type"] in ("ORGANIZATION", "FIELD_ENTITY")}
        )

    some = st.lists(entry(entities), max_size=4, unique_by=lambda one: (one["entity"]["type"], one["entity"]["code"]))
    return st.tuples(some, st.lists(entry(st.just(EVERYONE)), max_size=1)).map(lambda both: [*both[0], *both[1]])


RECORD_RULES = st.lists(
    st.fixed_dictionaries(
        {
            "filterCond": st.sampled_from(CONDITIONS),
            "entities": rights(st.one_of(FIELD, USERS, GROUP, UNIT), viewable=st.booleans()).filter(bool),
        }
    ),
    max_size=4,
)
APP_RULES = rights(st.one_of(USERS, GROUP, UNIT), recordViewable=st.booleans())
FIELD_RULES = rights(st.one_of(FIELD, USERS, GROUP, UNIT), accessibility=st.sampled_from(["READ", "WRITE", "NONE"])).filter(bool)
ADMIN = {"entity": {"type": "USER", "code": person("akari.mori").login}, "includeSubs": False, "recordViewable": True, "appEditable": True}


@pytest.fixture(scope="module")
def customers(company: Company) -> str:
    """The app number, after every third customer got groups in a new field."""
    process.control(company.home, "add_field", {"app": "CUSTOMERS", "code": "担当グループ", "type": "GROUP_SELECT"}, server="kintone")
    number = app_id(company, "CUSTOMERS")
    records = [
        {"id": at, "record": {"担当グループ": {"value": [{"code": GROUPS[at % len(GROUPS)].code}]}}} for at in range(1, 41) if at % 3 == 0
    ]
    answer = company.ask(person("akari.mori"), "PUT", "records", {"app": number, "records": records})
    assert answer.status_code == 200, answer.text
    return number


@settings(max_examples=14)
@given(
    APP_RULES,
    RECORD_RULES,
    FIELD_RULES,
    st.lists(st.sampled_from(PEOPLE), min_size=4, max_size=4, unique=True),
)
def test_any_rules_an_app_owner_could_set_come_out_as_kintone_evaluates_them(
    company: Company,
    customers: str,
    app_rules: list[dict[str, Any]],
    record_rules: list[dict[str, Any]],
    field_rules: list[dict[str, Any]],
    people: list[Person],
) -> None:
    for resource, wanted in (
        ("app/acl", [ADMIN, *(one | {"appEditable": False} for one in app_rules if one["entity"]["code"] != ADMIN["entity"]["code"])]),
        (
            "record/acl",
            [rule | {"entities": [one | {"editable": False, "deletable": False} for one in rule["entities"]]} for rule in record_rules],
        ),
        ("field/acl", [{"code": "与信限度額", "entities": field_rules}]),
    ):
        answer = company.ask(person("akari.mori"), "PUT", resource, {"app": customers, "rights": wanted})
        assert answer.status_code == 200, (resource, wanted, answer.text)
    with company.connector() as opened:
        index = Index(opened, stream_of(opened, "CUSTOMERS", "$id <= 40"))
    assert differences(company, customers, index, people) == []
