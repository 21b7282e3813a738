"""Reading apps and their settings: facts, form, layout, process, rights, and the rights of the caller."""

from __future__ import annotations

import copy
from typing import Any

from infra.sandbox.kintone.access import app_right
from infra.sandbox.kintone.call import Answer, Call, integer, json_answer
from infra.sandbox.kintone.directory import NAMES, REGISTER
from infra.sandbox.kintone.errors import KintoneError, invalid
from infra.sandbox.kintone.forms import layout_of, property_of
from infra.sandbox.kintone.spaces import exact
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
    spaces = {integer(one, f"spaceIds[{place}]") for place, one in enumerate(call.items("spaceIds", most=100))}
    asked = [app for number, app in sorted(call.domain.apps.items()) if (not ids or number in ids) and (not spaces or app.space in spaces)]
    if call.guest_space is not None:
        asked = [app for app in asked if app.guest_space and app.space == call.guest_space]
    found = [app for app in asked if (not codes or app.code in codes) and name in app.name.casefold() and _may_read(call, app)]
    return json_answer({"apps": [_facts(app) for app in found[offset : offset + limit]]})


def get_fields(call: Call) -> Answer:
    app = _readable(call)
    return fields_answer(call, app, call.rights(app).hidden(None))


def fields_answer(call: Call, app: App, hidden: frozenset[str]) -> Answer:
    _language(call)

    def resolve(key: str) -> tuple[str, str]:
        other = call.domain.app_of(key)
        return str(other.id), other.code

    properties = {one.code: property_of(one, resolve) for one in app.fields if one.code not in hidden}
    return json_answer({"properties": properties, "revision": str(app.revision)})


def get_layout(call: Call) -> Answer:
    return layout_answer(_readable(call))


def layout_answer(app: App) -> Answer:
    return json_answer({"layout": layout_of(app.fields), "revision": str(app.revision)})


def get_settings(call: Call) -> Answer:
    app = _readable(call)
    _language(call)
    return settings_answer(app)


def settings_answer(app: App) -> Answer:
    digits, places, mode = app.precision
    return json_answer(
        {
            "name": app.name,
            "description": app.description,
            "icon": {"type": "PRESET", "key": "APP72"},
            "theme": "WHITE",
            "titleField": {"selectionMode": "MANUAL", "code": app.title} if app.title else {"selectionMode": "AUTO"},
            "enableThumbnails": True,
            "enableBulkDeletion": False,
            "enableComments": app.comments_on,
            "enableDuplicateRecord": True,
            "enableInlineRecordEditing": True,
            "numberPrecision": {"digits": digits, "decimalPlaces": places, "roundingMode": mode},
            "firstMonthOfFiscalYear": "4",
            "revision": str(app.revision),
        }
    )


def get_status(call: Call) -> Answer:
    app = _readable(call)
    _language(call)
    return status_answer(app)


def status_answer(app: App) -> Answer:
    process = app.process
    if not process.states:
        return json_answer({"enable": False, "states": None, "actions": None, "revision": str(app.revision)})
    states = {name: {"name": name, "index": str(at), "assignee": {"type": "ONE", "entities": []}} for at, name in enumerate(process.states)}
    actions = [{"name": name, "from": before, "to": after, "filterCond": "", "type": "PRIMARY"} for name, before, after in process.actions]
    return json_answer({"enable": process.enabled, "states": states, "actions": actions, "revision": str(app.revision)})


def get_views(call: Call) -> Answer:
    app = _readable(call)
    _language(call)
    return views_answer(app)


def views_answer(app: App) -> Answer:
    """The lists of the app: the one that process management brings, and those of ``app.views``, by default one of all records."""
    fields = [one.code for one in app.fields if one.type not in ("SUBTABLE", "REFERENCE_TABLE", "STATUS_ASSIGNEE")]
    known = app.views or {"すべて": {"type": "LIST", "fields": fields[:8], "filterCond": "", "sort": f"{app.record_number} desc"}}
    views: dict[str, dict[str, Any]] = {}
    if app.process.enabled:
        mine: dict[str, Any] = {"type": "LIST", "builtinType": "ASSIGNEE", "fields": fields[:8], "filterCond": "作業者 in (LOGINUSER())"}
        views["（作業者が自分）"] = mine | {"sort": f"{app.record_number} desc"}
    views |= known
    shown = {name: one | {"id": str(app.id * 1_000 + at), "name": name, "index": str(at)} for at, (name, one) in enumerate(views.items())}
    return json_answer({"views": shown, "revision": str(app.revision)})


def get_statistics(call: Call) -> Answer:
    """Counts of every app that the caller administers. Not open to API tokens, not counted itself."""
    if call.caller.by_token:
        raise KintoneError("GAIA_NO01")
    limit, offset = call.number("limit", 100, low=1, high=100), call.number("offset", 0, high=2**31 - 1)
    apps = [app for _, app in sorted(call.domain.apps.items()) if app_right(app, call.caller, "appEditable")]
    return json_answer({"apps": [_statistics(call, app) for app in apps[offset : offset + limit]]})


def _statistics(call: Call, app: App) -> dict[str, Any]:
    facts = _facts(app)
    newest = app.last_saved()
    space = call.domain.spaces.get(app.space) if app.space is not None else None
    return {
        "id": facts["appId"],
        "name": app.name,
        "space": {"id": str(space.id), "name": space.name} if space is not None else None,
        "appGroup": "Public",
        "status": "CHANGED" if app.id in call.domain.drafts else "ACTIVATED",
        "recordUpdatedAt": newest,
        "recordCount": str(len(app.ids)),
        "fieldCount": str(len(app.fields) + sum(len(one.inner) for one in app.fields)),
        "dailyRequestCount": str(call.domain.calls[call.domain.window(), app.id]),
        "storageUsage": str(sum(file.size for file in call.domain.files.values() if file.app_code == app.key)),
        "customized": False,
        "creator": facts["creator"],
        "createdAt": facts["createdAt"],
        "modifier": facts["modifier"],
        "modifiedAt": facts["modifiedAt"],
    }


def get_apis(call: Call, paths: list[str]) -> Answer:
    """Which APIs there are. The schemas that the service links from here are the vendor's; the sandbox has none of its own."""
    names = [path.removeprefix("/k/v1/").removesuffix(".json") for path in paths if path.startswith("/k/v1/")]
    return json_answer({"baseUrl": "/k/v1/", "apis": {name: {"link": f"apis/{name}.json"} for name in names}})


def get_app_acl(call: Call) -> Answer:
    return rights_answer(call.app("appEditable"), "app_acl")


def get_record_acl(call: Call) -> Answer:
    app = call.app("appEditable")
    _language(call)
    return rights_answer(app, "record_acl")


def get_field_acl(call: Call) -> Answer:
    return rights_answer(call.app("appEditable"), "field_acl")


def rights_answer(app: App, area: str) -> Answer:
    """Rules of one kind, users under their login names of today."""
    rights = copy.deepcopy(getattr(app, area))
    for rule in rights:
        for one in [rule, *rule.get("entities", ())]:
            entity = one.get("entity")
            if entity is not None and entity["type"] == "USER":
                entity["code"] = REGISTER.shown(entity["code"])
    return json_answer({"rights": rights, "revision": str(app.revision)})


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


def _readable(call: Call, name: str = "app") -> App:
    number = call.number(name)
    app = call.domain.apps.get(number)
    if app is None:
        raise KintoneError("GAIA_AP01", {"id": number})
    call.located(app)
    call.check(app, *_READERS)
    return app


def _may_read(call: Call, app: App) -> bool:
    return any(app_right(app, call.caller, one) for one in _READERS)


def _language(call: Call) -> None:
    if call.text("lang", "default") not in _LANGUAGES:
        raise invalid("lang", "option", value=call.text("lang"))


def _facts(app: App) -> dict[str, Any]:
    owner = {"code": REGISTER.shown(app.owner), "name": NAMES[app.owner]}
    space = None if app.space is None else str(app.space)
    return {
        "appId": str(app.id),
        "code": app.code,
        "name": app.name,
        "description": app.description,
        "spaceId": space,
        "threadId": space,
        "createdAt": exact(app.created),
        "creator": owner,
        "modifiedAt": exact(app.modified),
        "modifier": owner,
    }
