"""Reading apps and their settings: facts, form, layout, process, rights, and the rights of the caller."""

from __future__ import annotations

from datetime import datetime
from typing import Any

from infra.sandbox.kintone.access import app_right
from infra.sandbox.kintone.call import Answer, Call, integer, json_answer
from infra.sandbox.kintone.directory import NAMES
from infra.sandbox.kintone.errors import KintoneError, invalid
from infra.sandbox.kintone.forms import layout_of, property_of
from infra.sandbox.kintone.store import App

_READERS = ("recordViewable", "recordAddable", "appEditable")
_LANGUAGES = ("ja", "en", "zh", "user", "default")


def get_app(call: Call) -> Answer:
    app = _readable(call, "id")
    return json_answer(_facts(app))


def get_apps(call: Call) -> Answer:
    """Apps that the caller may see. Not open to API tokens (GAIA_NO01)."""
    if call.caller.by_token:
        raise KintoneError("GAIA_NO01")
    limit, offset = call.number("limit", 100, low=1, high=100), call.number("offset", 0, high=2**31 - 1)
    ids = {integer(one, f"ids[{place}]") for place, one in enumerate(call.items("ids", most=100))}
    codes = set(call.texts("codes", most=100))
    for place, code in enumerate(call.texts("codes", most=100)):
        if not 1 <= len(code) <= 64:
            raise invalid(f"codes[{place}]", "range", low=1, high=64)
    name = call.text("name", "").casefold()
    spaces = call.items("spaceIds", most=100)
    # No app of this company is in a space.
    asked = [] if spaces else [app for number, app in sorted(call.domain.apps.items()) if not ids or number in ids]
    found = [app for app in asked if (not codes or app.code in codes) and name in app.name.casefold() and _may_read(call, app)]
    return json_answer({"apps": [_facts(app) for app in found[offset : offset + limit]]})


def get_fields(call: Call) -> Answer:
    app = _readable(call)
    _language(call)
    hidden = call.rights(app).hidden(None)

    def resolve(code: str) -> tuple[str, str]:
        other = call.domain.app_of(code)
        return str(other.id), other.code

    properties = {one.code: property_of(one, resolve) for one in app.fields if one.code not in hidden}
    return json_answer({"properties": properties, "revision": str(app.revision)})


def get_preview_fields(call: Call) -> Answer:
    """The form as it would be after the next "Update app". The sandbox deploys at once, so it is the live one."""
    call.app("appEditable")
    return get_fields(call)


def get_layout(call: Call) -> Answer:
    app = _readable(call)
    return json_answer({"layout": layout_of(app.fields), "revision": str(app.revision)})


def get_settings(call: Call) -> Answer:
    app = _readable(call)
    _language(call)
    return json_answer(
        {
            "name": app.name,
            "description": app.description,
            "icon": {"type": "PRESET", "key": "APP72"},
            "theme": "WHITE",
            "titleField": {"selectionMode": "MANUAL", "code": app.title} if app.title else {"selectionMode": "AUTO"},
            "enableThumbnails": True,
            "enableBulkDeletion": False,
            "enableComments": True,
            "enableDuplicateRecord": True,
            "enableInlineRecordEditing": True,
            "numberPrecision": {"digits": "16", "decimalPlaces": "4", "roundingMode": "HALF_EVEN"},
            "firstMonthOfFiscalYear": "4",
            "revision": str(app.revision),
        }
    )


def get_status(call: Call) -> Answer:
    app = _readable(call)
    _language(call)
    process = app.process
    if not process.states:
        return json_answer({"enable": False, "states": None, "actions": None, "revision": str(app.revision)})
    states = {name: {"name": name, "index": str(at), "assignee": {"type": "ONE", "entities": []}} for at, name in enumerate(process.states)}
    actions = [{"name": name, "from": before, "to": after, "filterCond": "", "type": "PRIMARY"} for name, before, after in process.actions]
    return json_answer({"enable": process.enabled, "states": states, "actions": actions, "revision": str(app.revision)})


def get_app_acl(call: Call) -> Answer:
    app = call.app("appEditable")
    return json_answer({"rights": app.app_acl, "revision": str(app.revision)})


def get_record_acl(call: Call) -> Answer:
    app = call.app("appEditable")
    _language(call)
    return json_answer({"rights": app.record_acl, "revision": str(app.revision)})


def get_field_acl(call: Call) -> Answer:
    app = call.app("appEditable")
    return json_answer({"rights": app.field_acl, "revision": str(app.revision)})


def evaluate_acl(call: Call) -> Answer:
    """The caller's own rights per record and field; up to 100 ids."""
    app = call.app("recordViewable")
    numbers = [integer(one, f"ids[{place}]") for place, one in enumerate(call.items("ids", most=100, required=True))]
    rights = call.rights(app)
    found: list[dict[str, Any]] = []
    for number in numbers:
        record = app.records.get(number)
        if record is None:
            raise KintoneError("GAIA_RE01", {"id": number})
        own = rights.of(record)
        cells = {one.code: rights.accessibility(one.code, record) for one in app.fields if one.enabled}
        found.append(
            {
                "id": str(number),
                "record": {"viewable": own.viewable, "editable": own.editable, "deletable": own.deletable},
                "fields": {
                    code: {"viewable": own.viewable and may != "NONE", "editable": own.editable and may == "WRITE"}
                    for code, may in cells.items()
                },
            }
        )
    return json_answer({"rights": found})


def get_comments(call: Call) -> Answer:
    """Nobody at Sakura Seiki comments on records: an empty list, after the same checks as on the real service."""
    app = call.app("recordViewable")
    number = call.number("record")
    if call.text("order", "desc") not in ("asc", "desc"):
        raise invalid("order", "option", value=call.text("order"))
    call.number("limit", 10, high=10)
    call.number("offset", 0)
    record = app.records.get(number)
    if record is None:
        raise KintoneError("GAIA_RE01", {"id": number})
    if not call.rights(app).of(record).viewable:
        raise KintoneError("CB_NO02")
    return json_answer({"comments": [], "older": False, "newer": False})


def _readable(call: Call, name: str = "app") -> App:
    number = call.number(name)
    app = call.domain.apps.get(number)
    if app is None:
        raise KintoneError("GAIA_AP01", {"id": number})
    call.check(app, *_READERS)
    return app


def _may_read(call: Call, app: App) -> bool:
    return any(app_right(app, call.caller, one) for one in _READERS)


def _language(call: Call) -> None:
    if call.text("lang", "default") not in _LANGUAGES:
        raise invalid("lang", "option", value=call.text("lang"))


def _facts(app: App) -> dict[str, Any]:
    owner = {"code": app.owner, "name": NAMES[app.owner]}
    return {
        "appId": str(app.id),
        "code": app.code,
        "name": app.name,
        "description": app.description,
        "spaceId": None,
        "threadId": None,
        "createdAt": _exact(app.created),
        "creator": owner,
        "modifiedAt": _exact(app.modified),
        "modifier": owner,
    }


def _exact(at: datetime) -> str:
    return at.strftime("%Y-%m-%dT%H:%M:%S.000Z")
