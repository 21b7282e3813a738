"""Access: the first rule that fits decides, denies become allow lists, and what can't be known is served to nobody."""

from __future__ import annotations

from typing import Any

import httpx
import pyarrow as pa
import pytest
from kintone_world import EVERYONE, World, connector, field_of, order, refused, stream

from connectors.errors import BrokenReply
from connectors.protocol import Access, Column, Member, Scope, Window

SUBJECT = Column("subject", "件名", pa.string())
ALL = ("everyone:kintone",)


def user(code: str) -> dict[str, str]:
    return {"type": "USER", "code": code}


def group(code: str) -> dict[str, str]:
    return {"type": "GROUP", "code": code}


def organisation(code: str) -> dict[str, str]:
    return {"type": "ORGANIZATION", "code": code}


def may(entity: dict[str, str], *, view: bool = True, subs: bool = False) -> dict[str, Any]:
    return {"entity": entity, "viewable": view, "recordViewable": view, "includeSubs": subs}


def company() -> World:
    return World(
        records=[order(number) for number in range(1, 7)],
        users={"sato": True, "suzuki": True, "ito": True, "left": False},
        groups={"quality": ["sato", "left"], "sales": ["suzuki", "sato"]},
        organisations={"honsha": (None, ["ito"]), "eigyo": ("honsha", ["suzuki"])},
    )


def access(world: World, *columns: Column) -> Access:
    return connector(world).access(stream(SUBJECT, *columns))


def scopes_of_rows(world: World) -> list[str]:
    return [one for page in connector(world).pull(stream(SUBJECT), Window()) for one in page.rows.column("_scope").to_pylist()]


def scope(found: Access, number: int) -> Scope:
    return next(one for one in found.scopes if one.id.startswith(f"kintone:ORDERS:{number}@"))


def test_an_app_open_to_everyone_is_one_scope_for_everyone() -> None:
    world = company()
    found = access(world)
    assert [one.principals for one in found.scopes] == [ALL]
    assert set(scopes_of_rows(world)) == {found.scopes[0].id}


def test_each_record_takes_the_first_rule_whose_condition_it_meets() -> None:
    world = company()
    world.record_acl = [
        {"filterCond": '件名 in ("一")', "entities": [may(group("quality"))]},
        {"filterCond": '件名 in ("二")', "entities": [may(group("sales")), may(EVERYONE, view=False)]},
    ]
    world.conditions = {
        '件名 in ("一")': lambda record: record["$id"]["value"] in ("1", "2"),
        '件名 in ("二")': lambda record: record["$id"]["value"] in ("2", "3"),
    }
    found = access(world)
    one, two, none = (scope(found, number) for number in (1, 2, 0))
    assert scopes_of_rows(world) == [one.id, one.id, two.id, none.id, none.id, none.id]
    assert one.principals == ("group:kintone:quality",)
    assert two.principals == ("group:kintone:sales",)
    assert none.principals == ALL


def test_scopes_stay_right_over_many_pages_and_after_a_resume() -> None:
    world = company()
    world.records = [order(number) for number in range(1, 1401)]
    world.record_acl = [
        {"filterCond": '件名 in ("奇")', "entities": [may(group("quality"))]},
        {"filterCond": "", "entities": [may(EVERYONE)]},
    ]
    world.conditions = {'件名 in ("奇")': lambda record: int(record["$id"]["value"]) % 2 == 1}
    opened = connector(world)
    pages = list(opened.pull(stream(SUBJECT), Window()))
    digits = [one.split(":")[2][0] for page in pages for one in page.rows.column("_scope").to_pylist()]
    assert digits == ["1", "2"] * 700
    rest = list(opened.pull(stream(SUBJECT), Window(), pages[0].cursor))
    assert [page.rows for page in rest] == [page.rows for page in pages[1:]]


@pytest.mark.parametrize(
    "condition", ["更新日時 >= FROM_TODAY(-7, DAYS)", "担当者 in (LOGINUSER())", '件名 like "秘"'], ids=["time", "person", "word search"]
)
def test_a_rule_without_a_fixed_answer_leaves_all_it_might_decide_to_nobody(condition: str) -> None:
    world = company()
    world.record_acl = [
        {"filterCond": '件名 in ("一")', "entities": [may(group("quality"))]},
        {"filterCond": condition, "entities": [may(group("sales"))]},
        {"filterCond": "", "entities": [may(EVERYONE)]},
    ]
    world.conditions = {'件名 in ("一")': lambda record: record["$id"]["value"] == "1"}
    found = access(world)
    moving = scope(found, 2)
    assert not moving.resolved and moving.principals == () and moving.reason
    assert scopes_of_rows(world) == [scope(found, 1).id, *[moving.id] * 5]


def test_a_function_name_inside_a_text_literal_is_only_text() -> None:
    world = company()
    world.record_acl = [{"filterCond": '件名 in ("TODAY() like")', "entities": [may(EVERYONE)]}]
    world.conditions = {"TODAY() like": lambda record: True}
    assert scope(access(world), 1).resolved


def test_a_condition_that_kintone_refuses_is_unresolved_with_its_code() -> None:
    world = company()
    world.record_acl = [{"filterCond": '区分 in ("廃止")', "entities": [may(EVERYONE)]}]

    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        return refused("GAIA_IQ10", 400) if "廃止" in str(request.url.params.get("query", "")) else None

    world.before = before
    found = scope(access(world), 1)
    assert not found.resolved and "GAIA_IQ10" in found.reason
    assert set(scopes_of_rows(world)) == {found.id}


def test_an_overload_page_while_a_condition_is_tried_stops_the_pull_and_changes_no_scope() -> None:
    world = company()
    world.record_acl = [{"filterCond": '件名 in ("一")', "entities": [may(EVERYONE)]}]

    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        tried = str(request.url.params.get("query", "")).endswith("limit 1")
        return httpx.Response(200, text="<html></html>", headers={"Content-Type": "text/html"}) if tried else None

    world.before = before
    with pytest.raises(BrokenReply):
        scopes_of_rows(world)


def test_a_rule_that_names_persons_by_a_field_is_unresolved() -> None:
    world = company()
    world.record_acl = [{"filterCond": "", "entities": [may({"type": "FIELD_ENTITY", "code": "担当者"})]}]
    found = scope(access(world), 1)
    assert not found.resolved and "担当者" in found.reason


def test_a_deny_above_an_allow_becomes_a_list_of_persons_without_the_denied() -> None:
    world = company()
    world.app_acl = [may(group("quality"), view=False), may(EVERYONE)]
    assert scope(access(world), 0).principals == ("user:kintone:ito", "user:kintone:suzuki")


def test_app_and_rule_must_both_allow() -> None:
    world = company()
    world.app_acl = [may(group("sales")), may(EVERYONE, view=False)]
    world.record_acl = [{"filterCond": "", "entities": [may(group("quality"))]}]
    assert scope(access(world), 1).principals == ("user:kintone:sato",)
    world.record_acl = [{"filterCond": "", "entities": [may(EVERYONE)]}]
    assert scope(access(world), 1).principals == ("group:kintone:sales",)


def test_an_organisation_reaches_those_below_it_only_where_the_rule_says_so() -> None:
    world = company()
    world.app_acl = [may(organisation("honsha"), subs=True)]
    assert scope(access(world), 0).principals == ("org:kintone:honsha",)
    world.app_acl = [may(organisation("honsha"))]
    assert scope(access(world), 0).principals == ("user:kintone:ito",)


def test_the_apps_creator_is_a_person() -> None:
    world = company()
    world.app["creator"] = {"code": "suzuki"}
    world.app_acl = [may({"type": "CREATOR", "code": ""})]
    assert scope(access(world), 0).principals == ("user:kintone:suzuki",)


def test_an_app_in_a_private_space_is_for_its_members_only() -> None:
    world = company()
    world.app["spaceId"] = "5"
    world.space = {"isPrivate": True, "members": [{"entity": group("sales"), "isAdmin": False, "includeSubs": False}]}
    assert scope(access(world), 0).principals == ("group:kintone:sales",)
    world.space["isPrivate"] = False
    assert scope(access(world), 0).principals == ALL


def test_a_field_for_few_is_restricted_and_a_field_for_all_is_not() -> None:
    world = company()
    world.fields["原価"] = field_of("NUMBER", "原価")
    world.field_acl = [
        {"code": "原価", "entities": [{"entity": group("quality"), "accessibility": "READ", "includeSubs": False},
                                      {"entity": EVERYONE, "accessibility": "NONE", "includeSubs": False}]},
        {"code": "件名", "entities": [{"entity": EVERYONE, "accessibility": "WRITE", "includeSubs": False}]},
    ]  # fmt: skip
    found = access(world, Column("cost", "原価", pa.decimal128(16, 4)))
    assert found.restricted == {"cost": "kintone:ORDERS:field:原価"}
    assert next(one.principals for one in found.scopes if one.id == found.restricted["cost"]) == ("group:kintone:quality",)


def test_a_change_of_any_condition_gives_every_scope_a_new_name() -> None:
    world = company()
    world.record_acl = [{"filterCond": '件名 in ("一")', "entities": [may(group("quality"))]}]
    world.conditions = {'件名 in ("': lambda record: True}
    before = {one.id for one in access(world).scopes}
    world.record_acl[0]["entities"] = [may(group("sales"))]
    assert {one.id for one in access(world).scopes} == before
    world.record_acl[0]["filterCond"] = '件名 in ("二")'
    assert not {one.id for one in access(world).scopes} & before


def test_members_are_the_edges_of_groups_organisations_and_everyone_without_those_who_left() -> None:
    found = access(company())
    assert Member("group:kintone:quality", "user:kintone:sato") in found.members
    assert Member("org:kintone:honsha", "org:kintone:eigyo") in found.members
    assert Member("org:kintone:eigyo", "user:kintone:suzuki") in found.members
    assert {edge.member for edge in found.members if edge.group == "everyone:kintone"} == {
        f"user:kintone:{one}" for one in ("sato", "suzuki", "ito")
    }
    assert all(edge.member != "user:kintone:left" for edge in found.members)


def test_accounts_carry_the_mail_and_whether_they_are_active() -> None:
    accounts = {account.login: account for account in access(company()).accounts}
    assert accounts["sato"].mail == "sato@sakura-seiki.example" and accounts["sato"].active
    assert not accounts["left"].active


def test_without_a_login_access_is_unresolved_with_the_reason() -> None:
    found = connector(company(), login=False).access(stream(SUBJECT))
    assert [(one.id, one.principals, one.resolved) for one in found.scopes] == [("unresolved", (), False)]
    assert "login" in found.scopes[0].reason


@pytest.mark.parametrize("resource", ["app/acl.json", "record/acl.json", "field/acl.json", "groups.json"])
def test_rules_that_may_not_be_read_leave_access_unresolved(resource: str) -> None:
    def before(request: httpx.Request, _: World) -> httpx.Response | None:
        return refused("CB_NO02", 403) if request.url.path.endswith(resource) else None

    world = company()
    world.before = before
    assert [(one.principals, one.resolved) for one in access(world).scopes] == [((), False)]
