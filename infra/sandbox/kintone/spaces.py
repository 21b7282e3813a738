"""Spaces: private ones, guest spaces, who is in them, and moving an app from one to another."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from infra.sandbox.kintone.call import Answer, Call, json_answer
from infra.sandbox.kintone.directory import NAMES, REGISTER
from infra.sandbox.kintone.errors import KintoneError
from infra.sandbox.kintone.store import App


@dataclass
class Space:
    """``members`` are user codes; in a guest space they may begin with ``guest/``."""

    id: int
    name: str
    members: frozenset[str]
    guest: bool = False
    private: bool = False
    owner: str = ""

    def take_in(self, app: App) -> None:
        app.space = self.id
        app.guest_space = self.guest
        app.members = self.members if self.private or self.guest else None


def get_space(call: Call) -> Answer:
    """``space.json``: not open to API tokens."""
    space = _space(call)
    owner = {"code": REGISTER.shown(space.owner), "name": NAMES[space.owner]}
    attached = [
        {
            "threadId": str(space.id),
            "appId": str(app.id),
            "code": app.code,
            "name": app.name,
            "description": app.description,
            "createdAt": exact(app.created),
            "creator": owner,
            "modifiedAt": exact(app.modified),
            "modifier": owner,
        }
        for app in call.domain.apps.values()
        if app.space == space.id
    ]
    return json_answer(
        {
            "id": str(space.id),
            "name": space.name,
            "defaultThread": str(space.id),
            "isPrivate": space.private or space.guest,
            "creator": owner,
            "modifier": owner,
            "memberCount": str(len(space.members)),
            "coverType": "PRESET",
            "coverKey": "GREEN",
            "coverUrl": "",
            "body": "",
            "useMultiThread": False,
            "isGuest": space.guest,
            "attachedApps": attached,
            "fixedMember": False,
            "showAnnouncement": True,
            "showThreadList": True,
            "showAppList": True,
            "showMemberList": True,
            "showRelatedLinkList": True,
            "permissions": {"createApp": "EVERYONE"},
        }
    )


def get_members(call: Call) -> Answer:
    space = _space(call)
    return json_answer(
        {
            "members": [
                {"entity": {"type": "USER", "code": REGISTER.shown(code)}, "isAdmin": code == space.owner, "isImplicit": False}
                for code in sorted(space.members)
            ]
        }
    )


def move_app(call: Call) -> Answer:
    """Into another space, or out of one (no ``space``). Moving into or out of a guest space is impossible."""
    if call.caller.by_token:
        raise KintoneError("GAIA_NO01")
    app = call.app("appEditable")
    target = call.domain.spaces.get(call.number("space")) if call.params.get("space") is not None else None
    if app.guest_space or (target is not None and target.guest) or (target is None and call.params.get("space") is not None):
        raise KintoneError("CB_NO02")
    call.domain.move(app, target)
    return json_answer({})


def exact(at: Any) -> str:
    """An instant as app metadata carry it, with milliseconds."""
    return str(at.strftime("%Y-%m-%dT%H:%M:%S.000Z"))


def _space(call: Call) -> Space:
    if call.caller.by_token:
        raise KintoneError("GAIA_NO01")
    space = call.domain.spaces.get(call.number("id"))
    if space is None:
        raise KintoneError("GAIA_SP01")
    if space.guest != (call.guest_space == space.id):
        raise KintoneError("GAIA_IL23" if space.guest else "CB_NO02")
    if (space.private or space.guest) and call.caller.code not in space.members:
        raise KintoneError("CB_NO02")
    return space
