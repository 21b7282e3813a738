"""What kintone's small replies must look like where we reach into them. Records have decoders of their own (``layout``).

Only what is used is held to a shape: kintone may add keys at any time, sends ids as texts or as numbers, and booleans as either.
"""

from __future__ import annotations

from typing import Annotated, Any

import msgspec

from connectors.errors import BrokenReply

_Number = int | Annotated[str, msgspec.Meta(pattern=r"^\d{1,18}$")]
_Index = int | Annotated[str, msgspec.Meta(pattern=r"^-?\d{1,9}$")] | None
_Flag = bool | str | None
#: What an error says of a reply stays readable, whatever stands in the reply.
_LONGEST_REASON = 300


class _Entity(msgspec.Struct):
    type: str
    code: str | None = None


class _Coded(msgspec.Struct):
    code: str | None = None


class _Named(msgspec.Struct):
    code: str | None
    name: str | None = None


class _App(msgspec.Struct):
    appId: _Number
    code: str | None = None
    name: str | None = None
    spaceId: _Number | None = None
    creator: _Coded | None = None


class _Apps(msgspec.Struct):
    apps: list[_App]


class _Option(msgspec.Struct):
    index: _Index = None


class _Target(msgspec.Struct):
    app: int | str | None = None
    code: str | None = None


class _Condition(msgspec.Struct):
    relatedField: str | None = None


class _Points(msgspec.Struct):
    relatedApp: _Target | None = None
    relatedKeyField: str | None = None
    condition: _Condition | None = None


class _Field(msgspec.Struct):
    type: str
    label: str | None = None
    format: str | None = None
    options: dict[str, _Option] | list[Any] | None = None
    fields: dict[str, _Field] | None = None
    lookup: _Points | None = None
    referenceTable: _Points | None = None


class _Form(msgspec.Struct):
    properties: dict[str, _Field]
    revision: _Number


class _State(msgspec.Struct):
    index: _Index = None


class _Action(msgspec.Struct):
    name: str | None = None


class _Process(msgspec.Struct):
    states: dict[str, _State] | None = None
    actions: list[_Action] | None = None


class _Row(msgspec.Struct):
    type: str
    code: str | None = None
    layout: list[_Row] | None = None
    fields: list[_Coded] | None = None


class _Layout(msgspec.Struct):
    layout: list[_Row]


class _Right(msgspec.Struct):
    entity: _Entity | None = None


class _AppRights(msgspec.Struct):
    rights: list[_Right]


class _Rule(msgspec.Struct):
    filterCond: str | None = None
    code: str | None = None
    entities: list[_Right] | None = None


class _Rules(msgspec.Struct):
    rights: list[_Rule]


class _Members(msgspec.Struct):
    members: list[_Right]


class _Users(msgspec.Struct):
    users: list[_Coded]


class _Groups(msgspec.Struct):
    groups: list[_Coded]


class _Organisations(msgspec.Struct):
    organizations: list[_Coded]


class _UserTitle(msgspec.Struct):
    user: _Coded | None = None


class _UserTitles(msgspec.Struct):
    userTitles: list[_UserTitle]


class _Mention(msgspec.Struct):
    code: str | None = None
    type: str | None = None


class _Comment(msgspec.Struct):
    id: _Number
    createdAt: str
    creator: _Named
    text: str | None = None
    mentions: list[_Mention] | None = None


class _Comments(msgspec.Struct):
    comments: list[_Comment]
    older: _Flag = None


_SHAPES: dict[str, Any] = {
    "app": _App,
    "apps": _Apps,
    "app/form/fields": _Form,
    "app/form/layout": _Layout,
    "app/status": _Process,
    "app/acl": _AppRights,
    "record/acl": _Rules,
    "field/acl": _Rules,
    "space/members": _Members,
    "record/comments": _Comments,
    "users": _Users,
    "groups": _Groups,
    "group/users": _Users,
    "organizations": _Organisations,
    "organization/users": _UserTitles,
}
_CHECKS: dict[str, msgspec.json.Decoder[Any]] = {resource: msgspec.json.Decoder(shape) for resource, shape in _SHAPES.items()}
_OBJECT: msgspec.json.Decoder[dict[str, Any]] = msgspec.json.Decoder(dict[str, Any])
#: What decoding raises over bytes that are no such JSON; a nesting without end is a RecursionError, and text that is no UTF-8 a ValueError.
UNREADABLE = (msgspec.MsgspecError, ValueError, RecursionError)


def read_object(body: bytes, resource: str, *, host: str) -> dict[str, Any]:
    """The reply of ``resource`` as a dict in which everything that we use has its type. Raises BrokenReply."""
    try:
        check = _CHECKS.get(resource.removeprefix("preview/"))
        if check is not None:
            check.decode(body)
        return _OBJECT.decode(body)
    except UNREADABLE as error:
        raise BrokenReply("kintone.reply_shape", host=host, app="-", resource=resource, reason=why(error)) from error


def why(error: Exception) -> str:
    """What a decoder complained of, short enough to be read."""
    return str(error)[:_LONGEST_REASON]
