"""Access: the first rule that fits decides, denies become allow lists, and what can't be known is served to nobody."""

from __future__ import annotations

from typing import Any

import httpx
import pyarrow as pa
import pytest
from kintone_world import EVERYONE, World, cell, connector, field_of, order, refused, stream

from connectors.access import Access, Member, Scope, column_scope
from connectors.errors import BrokenReply
from connectors.protocol import Column, Window

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
    assert [row for page in rest for row in page.rows.to_pylist()] == [row for page in pages[1:] for row in page.rows.to_pylist()]


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


def by_field(code: str, *, view: bool = True, subs: bool = False) -> dict[str, Any]:
    return may({"type": "FIELD_ENTITY", "code": code}, view=view, subs=subs)


def staffed() -> World:
    """Records 1 to 6: sato and suzuki take turns, department eigyo has the even ones."""
    world = company()
    world.fields["担当者"] = field_of("USER_SELECT", "担当者")
    world.fields["担当部署"] = field_of("ORGANIZATION_SELECT", "担当部署")
    for at, record in enumerate(world.records):
        record["担当者"] = cell("USER_SELECT", [{"code": ("suzuki", "sato")[at % 2], "name": "-"}])
        record["担当部署"] = cell("ORGANIZATION_SELECT", [{"code": "eigyo", "name": "営業"}] if at % 2 else [])
    return world


def resolved(world: World, ids: list[str]) -> dict[str, Scope]:
    return {one.id: one for one in connector(world).scopes(stream(SUBJECT), ids)}


def test_a_record_that_names_its_readers_by_a_field_is_for_them() -> None:
    world = staffed()
    world.record_acl = [{"filterCond": "", "entities": [by_field("担当者"), may(group("quality"))]}]
    rows = scopes_of_rows(world)
    assert len(set(rows)) == 2 and [one.partition("?")[2] for one in rows] == ["user=suzuki", "user=sato"] * 3
    assert access(world).scopes == ()
    found = resolved(world, rows)
    assert found[rows[0]].principals == ("group:kintone:quality", "user:kintone:suzuki")
    assert found[rows[1]].principals == ("group:kintone:quality", "user:kintone:sato")


def test_the_named_readers_take_part_in_the_order_of_the_rule() -> None:
    world = staffed()
    world.record_acl = [{"filterCond": "", "entities": [by_field("担当者", view=False), may(group("sales"))]}]
    rows = scopes_of_rows(world)
    found = resolved(world, rows)
    assert found[rows[0]].principals == ("user:kintone:sato",)
    assert found[rows[1]].principals == ("user:kintone:suzuki",)


def test_a_department_in_a_field_reaches_below_only_where_the_rule_says_so() -> None:
    world = staffed()
    world.organisations["eigyo-east"] = ("eigyo", ["sato"])
    world.record_acl = [{"filterCond": "", "entities": [by_field("担当部署", subs=True)]}]
    rows = scopes_of_rows(world)
    found = resolved(world, rows)
    assert found[rows[1]].principals == ("org:kintone:eigyo",) and found[rows[0]].principals == ()
    world.record_acl[0]["entities"][0]["includeSubs"] = False
    assert resolved(world, rows)[rows[1]].principals == ("user:kintone:suzuki",)


def test_only_records_that_met_no_earlier_rule_are_for_those_they_name() -> None:
    world = staffed()
    world.record_acl = [
        {"filterCond": '件名 in ("一")', "entities": [may(group("quality"))]},
        {"filterCond": "", "entities": [by_field("担当者")]},
    ]
    world.conditions = {'件名 in ("一")': lambda record: record["$id"]["value"] == "1"}
    rows = scopes_of_rows(world)
    assert rows[0] == scope(access(world), 1).id and "?" not in rows[0]
    assert all(one.startswith("kintone:ORDERS:2@") and "?user=" in one for one in rows[1:])


def test_a_record_without_anyone_in_the_field_is_for_nobody_by_it() -> None:
    world = staffed()
    world.records[0]["担当者"] = cell("USER_SELECT", [])
    world.record_acl = [{"filterCond": "", "entities": [by_field("担当者")]}]
    first = scopes_of_rows(world)[0]
    found = resolved(world, [first])[first]
    assert found.resolved and found.principals == ()


def test_scopes_follow_the_directory_and_the_rule_of_today() -> None:
    world = staffed()
    world.record_acl = [{"filterCond": "", "entities": [by_field("担当者")]}]
    first = scopes_of_rows(world)[0]
    assert resolved(world, [first])[first].principals == ("user:kintone:suzuki",)
    world.record_acl[0]["entities"].append(may(group("quality")))
    assert resolved(world, [first])[first].principals == ("group:kintone:quality", "user:kintone:suzuki")
    world.users["suzuki"] = False
    assert resolved(world, [first])[first].principals == ("group:kintone:quality",)


@pytest.mark.parametrize("change", ["condition", "another field", "no field", "gone"])
def test_a_scope_whose_rule_changed_its_shape_is_nobodys(change: str) -> None:
    world = staffed()
    world.record_acl = [{"filterCond": "", "entities": [by_field("担当者")]}]
    first = scopes_of_rows(world)[0]
    match change:
        case "condition":
            world.record_acl[0]["filterCond"] = '件名 in ("一")'
        case "another field":
            world.record_acl[0]["entities"] = [by_field("担当部署")]
        case "no field":
            world.record_acl[0]["entities"] = [may(group("quality"))]
        case _:
            world.record_acl = []
    found = resolved(world, [first])[first]
    assert not found.resolved and found.principals == () and found.reason


def test_ids_that_never_were_are_nobodys() -> None:
    world = staffed()
    world.record_acl = [{"filterCond": "", "entities": [by_field("担当者")]}]
    base = scopes_of_rows(world)[0].partition("?")[0]
    for one in ("", "kintone:ORDERS:9@00000000", base, f"{base}?", f"{base}?org=eigyo", f"{base}?z=AAAA", f"{base}?!hidden", "unresolved"):
        found = connector(world).scopes(stream(SUBJECT), [one])
        assert [(scope.id, scope.resolved, scope.principals) for scope in found] == [(one, False, ())], one


@pytest.mark.parametrize("code", ["件名", "消えた項目"])
def test_a_field_that_names_nobody_leaves_the_rule_unresolved(code: str) -> None:
    world = staffed()
    world.record_acl = [{"filterCond": "", "entities": [by_field(code)]}]
    found = scope(access(world), 1)
    assert not found.resolved and code in found.reason
    assert set(scopes_of_rows(world)) == {found.id}


def test_a_field_for_those_whom_the_record_names_has_another_scope_in_each_record() -> None:
    world = staffed()
    world.field_acl = [
        {"code": "件名", "entities": [{"entity": group("quality"), "accessibility": "READ", "includeSubs": False},
                                      {"entity": {"type": "FIELD_ENTITY", "code": "担当者"}, "accessibility": "READ", "includeSubs": False}]},
    ]  # fmt: skip
    found = access(world)
    assert found.restricted == {"subject": "kintone:ORDERS:field:件名?"}
    rows = scopes_of_rows(world)
    assert [row.partition("#")[2] for row in rows] == ["担当者.user=suzuki", "担当者.user=sato"] * 3
    columns = [column_scope(found.restricted["subject"], row) for row in rows]
    by_id = resolved(world, [*rows, *columns])
    assert {by_id[one].principals for one in rows} == {ALL}, "who reads the record is another matter"
    assert by_id[columns[0]].principals == ("group:kintone:quality", "user:kintone:suzuki")
    assert by_id[columns[1]].principals == ("group:kintone:quality", "user:kintone:sato")


def test_a_record_that_hides_the_field_which_names_a_columns_readers_keeps_that_column_from_everybody() -> None:
    world = staffed()
    reader = {"entity": {"type": "FIELD_ENTITY", "code": "担当者"}, "accessibility": "READ", "includeSubs": False}
    world.field_acl = [{"code": "件名", "entities": [reader]}]
    restricted = access(world).restricted["subject"]
    for record in world.records:
        del record["担当者"]
    rows = scopes_of_rows(world)
    column = column_scope(restricted, rows[0])
    by_id = resolved(world, [rows[0], column])
    assert by_id[rows[0]].resolved and not by_id[column].resolved
    assert "does not show" in by_id[column].reason


def test_a_row_landed_before_a_columns_rights_named_its_readers_shows_that_column_to_nobody() -> None:
    world = staffed()
    row = scopes_of_rows(world)[0]
    world.field_acl = [
        {"code": "件名", "entities": [{"entity": {"type": "FIELD_ENTITY", "code": "担当者"}, "accessibility": "READ", "includeSubs": False}]},
    ]  # fmt: skip
    column = column_scope(access(world).restricted["subject"], row)
    assert not resolved(world, [column])[column].resolved


def test_a_guest_reaches_only_what_every_list_names_a_guest_for() -> None:
    world = staffed()
    guest = "guest/gaibu@partner.example"
    world.record_acl = [{"filterCond": "", "entities": [by_field("担当者")]}]
    world.records[0]["担当者"] = cell("USER_SELECT", [{"code": guest, "name": "外部"}])
    first = scopes_of_rows(world)[0]
    assert resolved(world, [first])[first].principals == ()
    world.app["spaceId"] = "5"
    world.space = {"isPrivate": False, "isGuest": True, "members": [{"entity": user(guest), "isAdmin": False, "includeSubs": False}]}
    world.app_acl = [may(user(guest)), may(EVERYONE)]
    assert resolved(world, [first])[first].principals == ("user:kintone:guest/gaibu%40partner.example",)


def test_the_view_moves_with_rights_and_with_whose_login_reads_and_with_nothing_else() -> None:
    world = staffed()
    world.record_acl = [{"filterCond": "", "entities": [by_field("担当者")]}]

    def view(**config: Any) -> str:
        return connector(world, **config).access(stream(SUBJECT)).view

    first, by_login = view(), view(tokens=False)
    world.revision += 1
    world.records.pop()
    assert (view(), view(tokens=False)) == (first, by_login) and first != by_login
    world.groups["admins"] = ["service"]
    world.users["service"] = True
    assert view() == first, "tokens do not hang on anybody's groups"
    assert view(tokens=False) != by_login
    seen = {first}
    for change in (
        lambda: world.record_acl[0]["entities"].append(may(group("quality"))),
        lambda: world.app_acl[0].update(recordViewable=False),
        lambda: world.field_acl.append({"code": "件名", "entities": []}),
        lambda: world.app.update(creator={"code": "sato"}),
    ):
        change()
        assert view() not in seen
        seen.add(view())
    assert "password-secret-1" not in repr(seen)


def test_without_readable_rules_the_view_moves_with_the_settings() -> None:
    world = staffed()
    first = connector(world, login=False).access(stream(SUBJECT)).view
    assert first == connector(world, login=False).access(stream(SUBJECT)).view
    world.revision += 1
    assert first != connector(world, login=False).access(stream(SUBJECT)).view


@pytest.mark.parametrize("condition", ['担当者 in (GROUP("sales"))', "担当者 in (PRIMARY_ORGANIZATION())", "更新日時 > now ()"])
def test_any_function_in_a_condition_is_refused_and_never_asked_as_the_service_account(condition: str) -> None:
    world = staffed()
    world.record_acl = [{"filterCond": condition, "entities": [may(EVERYONE)]}]
    found = scope(access(world), 1)
    assert not found.resolved and "function" in found.reason
    assert set(scopes_of_rows(world)) == {found.id}
    assert not any(condition in query for query in world.queries())


def test_a_condition_these_credentials_may_not_evaluate_is_unresolved() -> None:
    world = staffed()
    world.record_acl = [{"filterCond": '社外秘 in ("はい")', "entities": [may(EVERYONE)]}]
    world.before = lambda request, _: refused("CB_NO02", 403) if "社外秘" in str(request.url.params.get("query", "")) else None
    found = scope(access(world), 1)
    assert not found.resolved and "CB_NO02" in found.reason


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
