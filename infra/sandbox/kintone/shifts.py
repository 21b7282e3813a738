"""What app owners do to an app, by name: its form, its process, its number, its code, its place. Each says what it did and how it is undone."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import replace

from infra.sandbox.breaks import Facts, Undo
from infra.sandbox.company.people import PEOPLE
from infra.sandbox.kintone import evolution
from infra.sandbox.kintone.directory import api_token, user_code
from infra.sandbox.kintone.domain import Domain, Granted
from infra.sandbox.kintone.forms import OPTION_TYPES, SYSTEM_TYPES, Field
from infra.sandbox.kintone.preview import shell_of
from infra.sandbox.kintone.spaces import Space
from infra.sandbox.kintone.store import App


def find_app(domain: Domain, wanted: object) -> App:
    """An app by id, by code, or by the code it was made under."""
    for app in domain.apps.values():
        if str(wanted) in (str(app.id), app.code) and wanted != "":
            return app
    for app in domain.apps.values():
        if wanted == app.key:
            return app
    raise ValueError(f"there is no app {wanted}")


def deployed(domain: Domain, app: App) -> Facts:
    """Count one deployed change of settings."""
    app.form_changed(domain.clock.now())
    return {"app": str(app.id), "revision": str(app.revision)}


# --- the form ---------------------------------------------------------------------------------------------------------------


def rename_field(domain: Domain, body: Facts) -> tuple[Facts, Undo]:
    app = app_in(domain, body)
    old = str(body.get("field") or _first(app, lambda one: one.type == "SINGLE_LINE_TEXT" and not one.unique and one.lookup is None).code)
    new = str(body.get("to") or f"{old}_新")
    evolution.rename_field(app, old, new)

    def undo() -> None:
        evolution.rename_field(app, new, old)
        deployed(domain, app)

    return deployed(domain, app) | {"field": old, "to": new}, undo


def rename_option(domain: Domain, body: Facts) -> tuple[Facts, Undo]:
    app = app_in(domain, body)
    one = _option_field(app, body)
    old = str(body.get("option") or one.options[0])
    new = str(body.get("to") or f"{old}（新）")
    evolution.rename_option(app, one.code, old, new)

    def undo() -> None:
        evolution.rename_option(app, one.code, new, old)
        deployed(domain, app)

    return deployed(domain, app) | {"field": one.code, "option": old, "to": new}, undo


def remove_option(domain: Domain, body: Facts) -> tuple[Facts, Undo]:
    app = app_in(domain, body)
    one = _option_field(app, body)
    name, before = str(body.get("option") or one.options[-1]), one.options
    evolution.remove_option(app, one.code, name)

    def undo() -> None:
        one.options = before
        deployed(domain, app)

    return deployed(domain, app) | {"field": one.code, "option": name}, undo


def replace_type(domain: Domain, body: Facts) -> tuple[Facts, None]:
    app = app_in(domain, body)
    code = str(body.get("field") or _first(app, lambda one: one.type == "NUMBER").code)
    kind = str(body.get("type") or "SINGLE_LINE_TEXT")
    evolution.replace_field(app, code, kind)
    return deployed(domain, app) | {"field": code, "type": kind}, None


def delete_field(domain: Domain, body: Facts) -> tuple[Facts, None]:
    app = app_in(domain, body)
    code = str(body.get("field") or _first(app, lambda one: one.type == "MULTI_LINE_TEXT").code)
    evolution.remove_field(app, code)
    return deployed(domain, app) | {"field": code}, None


def add_field(domain: Domain, body: Facts) -> tuple[Facts, Undo]:
    app = app_in(domain, body)
    code, kind = str(body.get("field") or "追加項目"), str(body.get("type") or "SINGLE_LINE_TEXT")
    options = tuple(body.get("options") or (("一", "二") if kind in OPTION_TYPES else ()))
    evolution.add_field(app, code, kind, options=options)

    def undo() -> None:
        evolution.remove_field(app, code)
        deployed(domain, app)

    return deployed(domain, app) | {"field": code, "type": kind}, undo


def rename_label(domain: Domain, body: Facts) -> tuple[Facts, Undo]:
    app = app_in(domain, body)
    one = evolution.field_of(app, str(body["field"]))[0] if body.get("field") else _first(app, lambda _: True)
    before = one.label
    one.label = str(body.get("to") or f"{before}（表示名）")

    def undo() -> None:
        one.label = before
        deployed(domain, app)

    return deployed(domain, app) | {"field": one.code, "label": one.label}, undo


def require_field(domain: Domain, body: Facts) -> tuple[Facts, Undo]:
    app = app_in(domain, body)
    one = evolution.field_of(app, str(body["field"]))[0] if body.get("field") else _first(app, lambda one: not one.required)
    before = one.required
    one.required = not before

    def undo() -> None:
        one.required = before
        deployed(domain, app)

    return deployed(domain, app) | {"field": one.code, "required": one.required}, undo


def remake_field(domain: Domain, body: Facts) -> tuple[Facts, None]:
    """Deleted and added again with the same code and type: every value is gone, and no record moved."""
    app = app_in(domain, body)
    one = evolution.field_of(app, str(body["field"]))[0] if body.get("field") else _first(app, lambda one: one.type == "MULTI_LINE_TEXT")
    code, kind = one.code, one.type
    evolution.replace_field(app, code, kind)
    return deployed(domain, app) | {"field": code, "type": kind}, None


def move_into_table(domain: Domain, body: Facts) -> tuple[Facts, None]:
    app = app_in(domain, body)
    table = str(body.get("to") or _first(app, lambda one: one.type == "SUBTABLE").code)
    code = str(body.get("field") or _first(app, lambda one: one.type == "MULTI_LINE_TEXT").code)
    evolution.move_into_table(app, code, table)
    return deployed(domain, app) | {"field": code, "table": table}, None


def change_format(domain: Domain, body: Facts) -> tuple[Facts, None]:
    app = app_in(domain, body)
    code = str(body.get("field") or _first(app, lambda one: one.type == "CALC").code)
    evolution.write_as_hours(app, code)
    return deployed(domain, app) | {"field": code, "format": "HOUR_MINUTE"}, None


def retarget_lookup(domain: Domain, body: Facts) -> tuple[Facts, Undo]:
    """The lookup looks into another app (``to``, by default FAQ); what was copied before stays."""
    app = app_in(domain, body)
    one = evolution.field_of(app, str(body["field"]))[0] if body.get("field") else _first(app, lambda one: one.lookup is not None)
    before = one.lookup
    if before is None:
        raise ValueError(f"{one.code} is no lookup")
    other = find_app(domain, body.get("to") or "FAQ")
    one.lookup = (other.key, _first(other, lambda field: field.type == "SINGLE_LINE_TEXT").code, ())

    def undo() -> None:
        one.lookup = before
        deployed(domain, app)

    return deployed(domain, app) | {"field": one.code, "to": other.code}, undo


def change_precision(domain: Domain, body: Facts) -> tuple[Facts, Undo]:
    app, before = app_in(domain, body), app_in(domain, body).precision
    app.precision = (str(body.get("digits", 30)), str(body.get("places", 10)), str(body.get("rounding", "HALF_EVEN")))

    def undo() -> None:
        app.precision = before
        deployed(domain, app)

    return deployed(domain, app) | {"digits": app.precision[0], "places": app.precision[1]}, undo


def rename_status(domain: Domain, body: Facts) -> tuple[Facts, Undo]:
    app = app_in(domain, body)
    if not app.process.states:
        raise ValueError(f"app {app.id} has no process management")
    old = str(body.get("option") or app.process.states[0])
    new = str(body.get("to") or f"{old}済み")

    def swap(first: str, now: str) -> None:
        actions = tuple((name, now if a == first else a, now if b == first else b) for name, a, b in app.process.actions)
        app.process = replace(app.process, states=tuple(now if one == first else one for one in app.process.states), actions=actions)
        for record in app.records.values():
            if record.values.get("ステータス") == first:
                record.values["ステータス"] = now
        deployed(domain, app)

    swap(old, new)
    return {"app": str(app.id), "revision": str(app.revision), "status": old, "to": new}, lambda: swap(new, old)


def disable_process(domain: Domain, body: Facts) -> tuple[Facts, Undo]:
    app = app_in(domain, body)

    def switch(on: bool) -> Facts:
        app.process = replace(app.process, enabled=on)
        for one in app.fields:
            if one.type in ("STATUS", "STATUS_ASSIGNEE"):
                one.enabled = on
        return deployed(domain, app)

    return switch(False), lambda: (switch(True), None)[1]


# --- the app ----------------------------------------------------------------------------------------------------------------


def renumber(domain: Domain, app: App, new: int) -> Facts:
    """The app goes on under another id; the old id is unknown from now on."""
    if new in domain.apps:
        raise ValueError(f"there is an app {new} already")
    del domain.apps[app.id]
    app.id = new
    domain.apps[new] = app
    domain.cursors.clear()
    return deployed(domain, app)


def renumber_app(domain: Domain, body: Facts) -> tuple[Facts, Undo]:
    app = app_in(domain, body)
    old = app.id
    facts = renumber(domain, app, int(body.get("id") or max(domain.apps) + 900))
    return facts | {"was": str(old)}, lambda: (renumber(domain, app, old), None)[1]


def recreate_app(domain: Domain, body: Facts) -> tuple[Facts, Undo]:
    """The old app is deleted and made again from its template: a new id, no code, no records, a new token."""
    app = app_in(domain, body)
    new = shell_of(app)
    new.id, new.code, new.revision = max(*domain.apps, *domain.trash, 0) + 100, str(body.get("code", "")), 2
    new.key = f"{app.key}#{new.id}"
    new.created = domain.clock.now()
    new.tell = app.tell
    if body.get("records"):
        for record in list(app.records.values()):
            new.add(copy.deepcopy(record.values))
    new.form_changed(None)
    domain.apps[new.id] = new
    token = api_token(domain.seed, new.key)
    domain.tokens[new.key] = Granted(token)
    _delete(domain, app)

    def undo() -> None:
        domain.apps.pop(new.id, None)
        if app.id in domain.trash:
            restore(domain, app.id, keep_code=True)

    return deployed(domain, new) | {"was": str(app.id), "code": new.code, "api_token": token}, undo


def _delete(domain: Domain, app: App) -> None:
    del domain.apps[app.id]
    domain.trash[app.id] = app
    for cursor in [one for one in domain.cursors.values() if one.app is app]:
        del domain.cursors[cursor.id]


def restore(domain: Domain, number: int, *, keep_code: bool = False) -> Facts:
    """A deleted app comes back under its id, with its records, but without its code."""
    app = domain.trash.pop(number, None)
    if app is None:
        raise ValueError(f"there is no deleted app {number}; there are: {', '.join(map(str, domain.trash)) or 'none'}")
    app.code = app.code if keep_code else ""
    domain.apps[number] = app
    return deployed(domain, app) | {"code": app.code}


def delete_app(domain: Domain, body: Facts) -> tuple[Facts, Undo]:
    """Its way back is what an administrator does: restore the app, then set its code again, which restoring does not bring back."""
    app = app_in(domain, body)
    code = app.code
    _delete(domain, app)

    def undo() -> Facts | None:
        if app.id in domain.trash:
            restore(domain, app.id)
        # Somebody may have given the app, or another one, a code meanwhile.
        if not code or app.code or domain.apps.get(app.id) is not app or any(one.code == code for one in domain.apps.values()):
            return None
        app.code = code
        deployed(domain, app)
        return {"app": str(app.id), "code": code}

    return {"app": str(app.id), "code": code}, undo


def restore_app(domain: Domain, body: Facts) -> tuple[Facts, None]:
    wanted = str(body.get("app") or next(iter(domain.trash), 0))
    number = next((number for number, app in domain.trash.items() if wanted in (str(number), app.code, app.key)), 0)
    return restore(domain, number), None


def set_code(domain: Domain, body: Facts) -> tuple[Facts, Undo]:
    app = app_in(domain, body)
    old, new = app.code, str(body.get("to") or f"{app.code}2")
    if len(new) > 64:
        raise ValueError("an app code has at most 64 characters")

    def put(code: str) -> Facts:
        app.code = code
        return deployed(domain, app)

    # Giving a restored app the code it was made under is a repair: healing takes that away from nobody.
    repaired = old == "" and new == app.key
    return put(new) | {"code": new, "was": old}, lambda: None if repaired else (put(old), None)[1]


def move_app(domain: Domain, body: Facts) -> tuple[Facts, Undo]:
    app, before = app_in(domain, body), domain.spaces.get(app_in(domain, body).space or 0)
    number = int(body.get("space") or max(domain.spaces, default=0) + 1)
    if number not in domain.spaces:
        make_space(domain, {"id": number, "private": body.get("private", False), "guest": body.get("guest", False)})
    domain.move(app, domain.spaces[number])
    return {"app": str(app.id), "space": str(number), "revision": str(app.revision)}, lambda: domain.move(app, before)


def make_space(domain: Domain, body: Facts) -> Facts:
    """``{"id"?, "name"?, "members"? (logins), "private"?, "guest"?}``. Members are everybody unless they are named."""
    number = int(body.get("id") or max(domain.spaces, default=0) + 1)
    people = [one for one in PEOPLE if body.get("members") is None or one.login in body["members"] or one.key in body["members"]]
    guest = bool(body.get("guest"))
    members = frozenset(user_code(one) for one in people if guest or not one.guest)
    owner = user_code(next(one for one in PEOPLE if one.key == "akari.mori"))
    domain.spaces[number] = Space(
        number, str(body.get("name") or f"スペース{number}"), members | {owner}, guest, bool(body.get("private")), owner
    )
    return {"space": str(number), "members": sorted(domain.spaces[number].members)}


# --- what a break is about --------------------------------------------------------------------------------------------------


def app_in(domain: Domain, body: Facts) -> App:
    return find_app(domain, body.get("app") or "ORDERS")


def _first(app: App, fits: Callable[[Field], bool]) -> Field:
    for one in app.fields:
        if one.type not in SYSTEM_TYPES and fits(one):
            return one
    raise ValueError(f"app {app.id} has no field for this; name one with field")


def _option_field(app: App, body: Facts) -> Field:
    if body.get("field"):
        return evolution.field_of(app, str(body["field"]))[0]
    return _first(app, lambda one: one.type in OPTION_TYPES)
