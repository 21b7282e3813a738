"""What the SharePoint measures read: one library of any size with 2 % of its items unique, small libraries beside it, people and groups.

The library ``L0`` has a folder for every hundred items, ten folders deep at most; every fiftieth item has role assignments of its own.
"""

from __future__ import annotations

import random
from collections.abc import Iterator
from typing import Any

SITE = "/sites/bench"
TENANT = "11111111-2222-3333-4444-555555555555"
SITE_ID = "localhost,22222222-0000-0000-0000-000000000001,22222222-0000-0000-0000-000000000002"
PEOPLE, GROUPS, SITE_GROUPS = 2_000, 40, 6
#: One item in so many has role assignments of its own, and a scope has so many assignments.
UNIQUE, ASSIGNMENTS = 50, 8
_DEPTH, _FOLDER = 10, 100
_NAMES = ("検査成績書", "図面", "作業手順書", "見積書", "議事録", "納入仕様書")
_LAST = "2026-11-01T02:03:04Z"


def drive(number: int) -> dict[str, Any]:
    """A library as the site lists it; number 0 is the large one."""
    return {"id": f"b!D{number}", "name": f"library {number}", "driveType": "documentLibrary", "webUrl": f"http://bench.example/D{number}"}


class Library:
    """The items of one library by number, from 1 on: the first hundredth are folders, the rest files in them."""

    def __init__(self, number: int, items: int) -> None:
        self.number, self.items = number, items
        self.folders = max(items // _FOLDER, 1)

    @property
    def files(self) -> int:
        return self.items - self.folders

    def delta(self) -> Iterator[dict[str, Any]]:
        """Every entry of a whole feed: the root, then the items, folders before what lies in them."""
        yield {
            "id": self._id(0),
            "name": "root",
            "root": {},
            "folder": {"childCount": 1},
            "size": 0,
            "parentReference": {"driveId": f"b!D{self.number}"},
        }
        dice = random.Random(20261121)
        for at in range(1, self.items + 1):
            yield self._item(at, dice)

    def rest(self) -> Iterator[dict[str, Any]]:
        """The same items as SharePoint REST lists them for their rights."""
        for at in range(1, self.items + 1):
            yield {
                "Id": at,
                "UniqueId": f"{at:08x}-0000-0000-0000-{self.number:012x}",
                "FileRef": f"{SITE}/D{self.number}{self._path(self._parent(at))}/{self._name(at)}",
                "FSObjType": str(int(at <= self.folders)),
                "HasUniqueRoleAssignments": at % UNIQUE == 0,
            }

    def _id(self, at: int) -> str:
        return f"01{self.number:04}{at:08}ABCDEFGHIJKLMNOPQRST"

    def _parent(self, at: int) -> int:
        if at > self.folders:
            return at % self.folders + 1
        return 0 if at % _DEPTH == 1 or self.folders == 1 else at - 1

    def _name(self, at: int) -> str:
        return f"フォルダー {at}" if at <= self.folders else f"{_NAMES[at % len(_NAMES)]} {at:06}.docx"

    def _path(self, folder: int) -> str:
        return "" if folder == 0 else f"{self._path(self._parent(folder))}/{self._name(folder)}"

    def _item(self, at: int, dice: random.Random) -> dict[str, Any]:
        who = dice.randrange(PEOPLE)
        item: dict[str, Any] = {
            "id": self._id(at),
            "name": self._name(at),
            "size": dice.randrange(1_000, 9_000_000),
            "eTag": f'"{{{at:08X}-0000-0000-0000-{self.number:012X}}},{dice.randrange(1, 9)}"',
            "createdDateTime": f"2025-{dice.randrange(1, 13):02}-{dice.randrange(1, 29):02}T01:02:03Z",
            "lastModifiedDateTime": _LAST,
            "lastModifiedBy": {"user": {"email": f"user{who:04}@bench.example", "id": f"{who:08}", "displayName": f"担当者 {who:04}号"}},
            "webUrl": f"http://bench.example{SITE}/D{self.number}/{at}",
            "parentReference": {
                "driveType": "documentLibrary",
                "driveId": f"b!D{self.number}",
                "id": self._id(self._parent(at)),
                "siteId": SITE_ID,
            },
            "sharepointIds": {
                "listId": f"L{self.number}",
                "listItemId": str(at),
                "listItemUniqueId": f"{at:08x}-0000-0000-0000-{self.number:012x}",
            },
        }
        if at <= self.folders:
            return item | {"folder": {"childCount": _FOLDER}}
        hashes = {"quickXorHash": f"{dice.randrange(1 << 60):020x}AAAAAAA="}
        return item | {"file": {"mimeType": "application/vnd.openxmlformats-officedocument.wordprocessingml.document", "hashes": hashes}}


def user(number: int) -> dict[str, Any]:
    mail = f"user{number:04}@bench.example"
    return {
        "id": f"{number:08}",
        "userPrincipalName": mail,
        "mail": mail,
        "displayName": f"担当者 {number:04}号",
        "accountEnabled": True,
        "userType": "Member",
    }


def site_user(number: int) -> dict[str, Any]:
    """A person of the site's own list, who is the one of the directory."""
    return {"Id": _person(number)["Id"], "AadObjectId": {"NameId": user(number)["id"]}}


def members(group: int) -> list[dict[str, Any]]:
    """Fifty people, and for every group but the last the next one, nested."""
    people = [{"@odata.type": "#microsoft.graph.user", "id": f"{number:08}"} for number in range(group, PEOPLE, GROUPS)]
    nested = [{"@odata.type": "#microsoft.graph.group", "id": group_id(group + 1)}] if group + 1 < GROUPS else []
    return people + nested


def group_id(number: int) -> str:
    return f"33333333-0000-0000-0000-{number:012}"


def assignments(item: int) -> list[dict[str, Any]]:
    """The role assignments of one securable, in the verbose dialect: site groups, Entra groups, people, and one that only passes through."""
    rows = [(_site_group(item % SITE_GROUPS + 1), 2), (_site_group((item + 1) % SITE_GROUPS + 1), 6)]
    rows += [(_entra_group((item + at) % GROUPS), 2) for at in range(3)]
    rows += [(_person((item * 7 + at) % PEOPLE), 2) for at in range(2)]
    rows.append((_person(item % PEOPLE), 1))
    assert len(rows) == ASSIGNMENTS
    return [
        {
            "PrincipalId": member["Id"],
            "Member": member,
            "RoleDefinitionBindings": {"results": [{"Id": 1, "Name": "-", "RoleTypeKind": kind}]},
        }
        for at, (member, kind) in enumerate(rows)
        if all(member["Id"] != before["Id"] for before, _ in rows[:at])
    ]


def site_group_users(number: int) -> list[dict[str, Any]]:
    return [_entra_group(number), *(_person(number * 10 + at) for at in range(10))]


def _site_group(number: int) -> dict[str, Any]:
    return {"Id": number, "Title": f"site group {number}", "LoginName": f"site group {number}", "PrincipalType": 8}


def _entra_group(number: int) -> dict[str, Any]:
    return {"Id": 1_000 + number, "Title": f"group {number}", "LoginName": f"c:0t.c|tenant|{group_id(number)}", "PrincipalType": 4}


def _person(number: int) -> dict[str, Any]:
    login = f"i:0#.f|membership|user{number:04}@bench.example"
    return {"Id": 10_000 + number, "Title": f"担当者 {number:04}号", "LoginName": login, "PrincipalType": 1, "IsSiteAdmin": False}
