"""The User API under ``/v1``: users, organisations, groups and who is in them. Needs a password; API tokens are not known here."""

from __future__ import annotations

from typing import Any

from infra.sandbox.company.people import GROUPS, ORGANISATIONS, Person, flat_members
from infra.sandbox.kintone.call import Answer, Call, integer, json_answer
from infra.sandbox.kintone.directory import EVERYONE, REGISTER, USERS, user_code
from infra.sandbox.kintone.errors import KintoneError, invalid

MAX_SIZE = 100
_GROUPS = [{"code": EVERYONE, "name": "Everyone"}, *({"code": one.code, "name": one.name} for one in GROUPS)]


def get_users(call: Call) -> Answer:
    _with_password(call)
    codes = call.texts("codes", most=MAX_SIZE)
    found = [one for one in _users() if not codes or REGISTER.shown(user_code(one)) in codes]
    return json_answer({"users": [_user(one) for one in _page(call, _chosen(call, found, _user))]})


def get_organisations(call: Call) -> Answer:
    _with_password(call)
    codes = call.texts("codes", most=MAX_SIZE)
    found = [_organisation(one.code) for one in ORGANISATIONS if not codes or one.code in codes]
    return json_answer({"organizations": _page(call, _chosen(call, found, dict))})


def get_groups(call: Call) -> Answer:
    _with_password(call)
    codes = call.texts("codes", most=MAX_SIZE)
    found = [_group(str(one["code"])) for one in _GROUPS if not codes or one["code"] in codes]
    return json_answer({"groups": _page(call, _chosen(call, found, dict))})


def get_user_groups(call: Call) -> Answer:
    """Groups of one user (``code``). Nested groups are flattened: kintone knows no nesting."""
    _with_password(call)
    person = _person(call)
    mine = [str(one["code"]) for one in _GROUPS if one["code"] == EVERYONE or person.login in flat_members(str(one["code"]))]
    return json_answer({"groups": [_group(code) for code in mine]})


def get_user_organisations(call: Call) -> Answer:
    _with_password(call)
    person = _person(call)
    return json_answer({"organizationTitles": [{"organization": _organisation(person.organisation), "title": _title(person)}]})


def get_group_users(call: Call) -> Answer:
    """Members of one group (``code``), paged by ``offset`` and ``size``."""
    _with_password(call)
    code = call.text("code")
    if code not in {one["code"] for one in _GROUPS}:
        raise invalid("code", "user", value=code)
    members = _users() if code == EVERYONE else [one for one in _users() if one.login in flat_members(code)]
    return json_answer({"users": [_user(one) for one in _page(call, list(members))]})


def get_organisation_users(call: Call) -> Answer:
    """Persons directly in one organisation (``code``), paged by ``offset`` and ``size``."""
    _with_password(call)
    code = call.text("code")
    if code not in {one.code for one in ORGANISATIONS}:
        raise invalid("code", "user", value=code)
    members = [one for one in _users() if one.organisation == code]
    return json_answer({"userTitles": [{"user": _user(one), "title": _title(one)} for one in _page(call, members)]})


def _users() -> list[Person]:
    return [one for one in USERS if user_code(one) not in REGISTER.gone]


def _with_password(call: Call) -> None:
    if call.caller.by_token:
        raise KintoneError("CB_AU01")
    if call.caller.guest:
        raise KintoneError("CB_NO02")


def _person(call: Call) -> Person:
    code = call.text("code")
    for one in _users():
        if REGISTER.shown(user_code(one)) == code:
            return one
    raise invalid("code", "user", value=code)


def _chosen(call: Call, found: list[Any], facts: Any) -> list[Any]:
    ids = {str(integer(one, f"ids[{place}]")) for place, one in enumerate(call.items("ids", most=MAX_SIZE))}
    return [one for one in found if not ids or facts(one)["id"] in ids]


def _page(call: Call, found: list[Any]) -> list[Any]:
    offset, size = call.number("offset", 0), call.number("size", MAX_SIZE, low=1, high=MAX_SIZE)
    return found[offset : offset + size]


def _user(person: Person) -> dict[str, Any]:
    family, _, given = person.name.partition(" ")
    return {
        "id": str(101 + USERS.index(person)),
        "code": REGISTER.shown(user_code(person)),
        "name": person.name,
        "surName": family,
        "givenName": given,
        "surNameReading": "",
        "givenNameReading": "",
        "localName": person.name_en,
        "localNameLocale": "en",
        "email": person.mail,
        "valid": True,
        "locale": REGISTER.language(user_code(person)),
        "timezone": str(REGISTER.zone(user_code(person))),
        "description": "",
        "employeeNumber": "",
        "primaryOrganization": None,
        "customItemValues": [],
    }


def _organisation(code: str) -> dict[str, Any]:
    place, one = next((at, one) for at, one in enumerate(ORGANISATIONS) if one.code == code)
    return {
        "id": str(201 + place),
        "code": one.code,
        "name": one.name,
        "localName": one.name_en,
        "localNameLocale": "en",
        "parentCode": one.parent or None,
        "description": "",
    }


def _group(code: str) -> dict[str, Any]:
    place, one = next((at, one) for at, one in enumerate(_GROUPS) if one["code"] == code)
    return {"id": str(301 + place), "code": code, "name": one["name"], "description": ""}


def _title(person: Person) -> dict[str, Any]:
    return {"id": str(401 + USERS.index(person)), "code": person.title, "name": person.title, "description": ""}
