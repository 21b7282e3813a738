"""The control verbs of the kintone server: the truth for oracles, schema evolution, and faults. Never on the product's path."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import msgspec

from infra.sandbox.company.people import person
from infra.sandbox.kintone.access import Rights
from infra.sandbox.kintone.directory import api_token, caller_of
from infra.sandbox.kintone.domain import PERMISSIONS, Domain, Fault, Granted
from infra.sandbox.kintone.forms import LIST_TYPES, SYSTEM_TYPES, Field
from infra.sandbox.kintone.query import rename
from infra.sandbox.kintone.store import App

Verb = Callable[[dict[str, Any]], Any]
FAULTS = ("503", "429", "html200", "drop", "slow")
_ADDABLE = frozenset(
    {
        "SINGLE_LINE_TEXT",
        "MULTI_LINE_TEXT",
        "RICH_TEXT",
        "NUMBER",
        "CHECK_BOX",
        "RADIO_BUTTON",
        "DROP_DOWN",
        "MULTI_SELECT",
        "DATE",
        "TIME",
        "DATETIME",
        "LINK",
        "USER_SELECT",
        "ORGANIZATION_SELECT",
        "GROUP_SELECT",
        "FILE",
    }
)


def verbs(domain: Domain) -> dict[str, Verb]:
    """Every verb by name. ``app`` in a body is an id or a code; ValueError and KeyError carry the sentence for the caller."""
    control = _Control(domain)
    table: dict[str, Callable[[dict[str, Any]], Any]] = {
        "advanced": control.advanced,
        "truth": control.truth,
        "effective": control.effective,
        "rename_field": control.rename_field,
        "add_field": control.add_field,
        "remove_field": control.remove_field,
        "renumber_app": control.renumber_app,
        "token": control.token,
        "fault": control.fault,
        "heal": control.heal,
    }

    def locked(verb: Verb) -> Verb:
        def run(body: dict[str, Any]) -> Any:
            with domain.lock:
                domain.live()
                return verb(body)

        return run

    return {name: locked(verb) for name, verb in table.items()}


class _Control:
    def __init__(self, domain: Domain) -> None:
        self._domain = domain

    def advanced(self, _: dict[str, Any]) -> None:
        """The clock was moved; the company has lived by the time this runs."""

    def truth(self, body: dict[str, Any]) -> dict[str, Any]:
        """``{"app": 12}``: all records as stored, ids upwards; ``ids`` chooses some; ``"count": true`` gives only the number."""
        app = self._app(body)
        facts: dict[str, Any] = {
            "app": str(app.id),
            "code": app.code,
            "count": len(app.ids),
            "last_id": app.next_id - 1,
            "deleted_ids": app.deleted,
        }
        if body.get("count"):
            return facts
        wanted = [int(one) for one in body["ids"]] if "ids" in body else app.ids
        return facts | {"records": [msgspec.json.decode(app.body(app.records[number])) for number in wanted if number in app.records]}

    def effective(self, body: dict[str, Any]) -> dict[str, Any]:
        """``{"app", "ids", "logins"}``: for each login and record, whether it may be viewed and which fields are hidden in it."""
        app = self._app(body)
        numbers = [int(one) for one in body.get("ids", app.ids)]
        now = self._domain.clock.now()
        found: dict[str, dict[str, Any]] = {}
        for login in body["logins"]:
            rights = Rights(app, caller_of(person(login)), now)
            found[login] = {}
            for number in numbers:
                record = app.records.get(number)
                if record is None:
                    raise ValueError(f"app {app.id} has no record {number}")
                viewable = rights.of(record).viewable
                found[login][str(number)] = {"viewable": viewable, "hidden_fields": sorted(rights.hidden(record)) if viewable else []}
        return found

    def rename_field(self, body: dict[str, Any]) -> dict[str, str]:
        """Change a field's code, as an app owner does; rules and formulas that name it follow, stored values stay."""
        app, old, new = self._app(body), str(body["code"]), str(body["new_code"])
        one, table = self._field(app, old)
        if app.find(new) is not None or new in ("", "$id", "$revision"):
            raise ValueError(f"app {app.id} cannot name a field {new!r}: the code is in use or reserved")
        one.code = new
        for cell in [*app.fields, *(inner for outer in app.fields for inner in outer.inner)]:
            cell.expression = cell.expression.replace(old, new)
        if table is None:
            for rule in app.field_acl:
                rule["code"] = new if rule["code"] == old else rule["code"]
        for rule in app.record_acl:
            rule["filterCond"] = rename(rule["filterCond"], old, new)
            for entry in rule["entities"]:
                if entry["entity"]["type"] == "FIELD_ENTITY" and entry["entity"]["code"] == old:
                    entry["entity"]["code"] = new
        app.title = new if app.title == old else app.title
        return self._deployed(app)

    def add_field(self, body: dict[str, Any]) -> dict[str, str]:
        """``{"app", "code", "type", "label"?, "options"?}``: a new field, unset (null) in every record there is."""
        app, code, kind = self._app(body), str(body["code"]), str(body["type"])
        if kind not in _ADDABLE:
            raise ValueError(f"a field of type {kind} cannot be added; the types are: {', '.join(sorted(_ADDABLE))}")
        if app.find(code) is not None:
            raise ValueError(f"app {app.id} has a field {code} already")
        key = code
        while any(one.key == key for one in app.fields):
            key += "'"
        app.fields.append(Field(code, kind, label=str(body.get("label", code)), options=tuple(body.get("options", ())), key=key))
        for record in app.records.values():
            record.values[key] = [] if kind in LIST_TYPES else None
        return self._deployed(app)

    def remove_field(self, body: dict[str, Any]) -> dict[str, str]:
        """Delete a field with all its values. Refused where a rule or formula needs it, as kintone does."""
        app, code = self._app(body), str(body["code"])
        one, table = self._field(app, code)
        if one.type in SYSTEM_TYPES:
            raise ValueError(f"{code} is a system field")
        formulas = " ".join(cell.expression for cell in [*app.fields, *(inner for outer in app.fields for inner in outer.inner)])
        rules = " ".join(rule["filterCond"] for rule in app.record_acl)
        if any(used.code in formulas or used.code in rules for used in (one, *one.inner)):
            raise ValueError(f"{code} is used in a formula or a rule of app {app.id}; it cannot be removed")
        app.field_acl = [rule for rule in app.field_acl if rule["code"] != code]
        if table is None:
            app.fields.remove(one)
            for record in app.records.values():
                record.values.pop(one.key, None)
        else:
            table.inner.remove(one)
            for record in app.records.values():
                for _, row in record.values.get(table.key) or ():
                    row.pop(one.key, None)
        return self._deployed(app)

    def renumber_app(self, body: dict[str, Any]) -> dict[str, str]:
        """The app goes on under another id, as after being made anew from a template; the old id is unknown from now on."""
        app, new = self._app(body), int(body["new_id"])
        if new in self._domain.apps:
            raise ValueError(f"there is an app {new} already")
        del self._domain.apps[app.id]
        app.id = new
        self._domain.apps[new] = app
        self._domain.cursors.clear()
        return self._deployed(app)

    def token(self, body: dict[str, Any]) -> dict[str, Any]:
        """``{"app", "permissions": [...]}``: what the app's API token permits from now on; an empty list revokes it."""
        app, wanted = self._app(body), frozenset(body["permissions"])
        if not wanted <= PERMISSIONS:
            raise ValueError(f"permissions are: {', '.join(sorted(PERMISSIONS))}")
        if wanted:
            self._domain.tokens[app.code] = Granted(api_token(self._domain.seed, app.code), wanted)
        else:
            self._domain.tokens.pop(app.code, None)
        return {"app": str(app.id), "permissions": sorted(wanted)}

    def fault(self, body: dict[str, Any]) -> dict[str, Any]:
        """``{"kind", "count"?, "skip"?, "path"?, "milliseconds"?}``; without a count it lasts until healed."""
        kind = str(body["kind"])
        if kind not in FAULTS:
            raise ValueError(f"no such fault; there are: {', '.join(FAULTS)}")
        count = body.get("count")
        self._domain.faults.append(
            Fault(
                kind,
                None if count is None else int(count),
                skip=int(body.get("skip", 0)),
                milliseconds=int(body.get("milliseconds", 150)),
                path=str(body.get("path", "")),
            )
        )
        return {"faults": [one.kind for one in self._domain.faults]}

    def heal(self, _: dict[str, Any]) -> dict[str, Any]:
        self._domain.faults = []
        return {"faults": []}

    def _app(self, body: dict[str, Any]) -> App:
        wanted = str(body["app"])
        for app in self._domain.apps.values():
            if wanted in (str(app.id), app.code):
                return app
        raise ValueError(f"there is no app {wanted}")

    def _field(self, app: App, code: str) -> tuple[Field, Field | None]:
        found = app.find(code)
        if found is None:
            raise ValueError(f"app {app.id} has no field {code}")
        return found

    def _deployed(self, app: App) -> dict[str, str]:
        app.form_changed(self._domain.clock.now())
        return {"app": str(app.id), "revision": str(app.revision)}
