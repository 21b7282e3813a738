"""How people of the directory are known: a guest by the address of their home, where nobody can pass for somebody else by it."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from sharepoint_world import Table, tenant

from connectors.sharepoint.directory import Directory
from pipelines.serving.callers.identity import Person, link

SAKURA = {
    "id": "u1",
    "userPrincipalName": "sakura@q.example",
    "mail": "s.yamada@q-group.example",
    "displayName": "山田 さくら",
    "userType": "Member",
}
TARO = {
    "id": "g1", "userPrincipalName": "gaibu_taro_partner.example#EXT#@q.onmicrosoft.example", "mail": "Gaibu_Taro@partner.example",
    "displayName": "外部 太郎", "userType": "Guest", "externalUserState": "Accepted",
}  # fmt: skip
#: The guest's own account in another system, known there by their mail address.
ELSEWHERE = {
    "system": "kintone",
    "principal": "user:kintone:taro",
    "login": "gaibu_taro@partner.example",
    "mail": "",
    "name": "太郎",
    "active": True,
}


def linked(who: str, *users: dict[str, Any]) -> Person:
    people = Directory(tenant(Table({"/v1.0/users": {"value": list(users)}}))).people
    rows = [{"system": "sharepoint", **one.account.__dict__} for one in people]
    return link(who, pa.Table.from_pylist([ELSEWHERE, *rows]))


def test_a_guest_is_linked_by_the_address_they_sign_in_with_at_home() -> None:
    assert set(linked("gaibu_taro@partner.example", SAKURA, TARO).links) == {"kintone", "sharepoint"}


def test_a_member_is_known_by_the_principal_name() -> None:
    assert set(linked("Sakura@q.example", SAKURA, TARO).links) == {"sharepoint"}
    assert not linked("s.yamada@q-group.example", SAKURA).known


@pytest.mark.parametrize(
    "changed",
    [
        {"mail": "sakura@q.example"},
        {"mail": ""},
        {"mail": None},
        {"externalUserState": "PendingAcceptance"},
        {"externalUserState": None},
        {"userPrincipalName": "gaibu.taro#EXT#@q.onmicrosoft.example"},
        {"userPrincipalName": "other_partner.example#EXT#@q.onmicrosoft.example"},
    ],
)
def test_a_guest_whose_address_is_not_proven_is_linked_to_nothing(changed: dict[str, Any]) -> None:
    assert "sharepoint" not in linked("gaibu_taro@partner.example", SAKURA, TARO | changed).links


@pytest.mark.parametrize("address", ["sakura@q.example", "s.yamada@q-group.example", "anybody@q.example"])
def test_a_guest_never_passes_for_somebody_of_the_company(address: str) -> None:
    upn = f"{address.replace('@', '_')}#EXT#@q.onmicrosoft.example"
    pretender = TARO | {"userPrincipalName": upn, "mail": address}
    assert "user:entra:11111111-2222-3333-4444-555555555555/g1" not in linked(address, SAKURA, pretender).links.values()


def test_two_guests_with_one_address_are_linked_to_nobody() -> None:
    twin = TARO | {"id": "g2", "userPrincipalName": "gaibu_taro_partner.example#EXT#@other.onmicrosoft.example"}
    assert set(linked("gaibu_taro@partner.example", TARO, twin).links) == {"kintone"}


def test_a_guest_is_still_found_by_the_name_that_role_assignments_use() -> None:
    directory = Directory(tenant(Table({"/v1.0/users": {"value": [TARO]}})))
    (someone,) = directory.people
    assert someone.guest and directory.by_login(str(TARO["userPrincipalName"])) == someone.principal
