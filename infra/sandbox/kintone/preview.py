"""Settings before "Update app": a draft per app that is read and changed under ``/preview/``, and the deploying of it.

A draft is a shell of the app without records, on which every change is tried at once; deploying does the same changes to the live app.
"""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from infra.sandbox.kintone import evolution, settings_api
from infra.sandbox.kintone.call import Answer, Call, integer, json_answer
from infra.sandbox.kintone.errors import KintoneError, invalid
from infra.sandbox.kintone.forms import SYSTEM_TYPES
from infra.sandbox.kintone.matching import Compiler
from infra.sandbox.kintone.query import parse
from infra.sandbox.kintone.store import App

Change = Callable[[App], None]
_ENTITIES = frozenset({"USER", "GROUP", "ORGANIZATION", "CREATOR", "FIELD_ENTITY"})


def get_fields(call: Call) -> Answer:
    return settings_api.fields_answer(call, _draft(call)[0], frozenset())


def get_layout(call: Call) -> Answer:
    return settings_api.layout_answer(_draft(call)[0])


def get_settings(call: Call) -> Answer:
    return settings_api.settings_answer(_draft(call)[0])


def get_status(call: Call) -> Answer:
    return settings_api.status_answer(_draft(call)[0])


def get_views(call: Call) -> Answer:
    return settings_api.views_answer(_draft(call)[0])


def get_app_acl(call: Call) -> Answer:
    return settings_api.rights_answer(_draft(call)[0], "app_acl")


def get_record_acl(call: Call) -> Answer:
    return settings_api.rights_answer(_draft(call)[0], "record_acl")


def get_field_acl(call: Call) -> Answer:
    return settings_api.rights_answer(_draft(call)[0], "field_acl")


def post_fields(call: Call) -> Answer:
    """Add fields: ``properties`` as in fields.json."""
    sent = _properties(call)
    return _change(call, [_adding(code, one) for code, one in sent.items()])


def put_fields(call: Call) -> Answer:
    """Change fields: code, label, options, required, expression. A type cannot be changed."""
    shell, _ = _draft(call)
    steps: list[Change] = []
    for code, one in _properties(call).items():
        found = shell.find(code)
        if found is None:
            raise invalid(f"properties.{code}", "user", value=code)
        if one.get("type", found[0].type) != found[0].type:
            raise invalid(f"properties.{code}.type", "option", value=one.get("type"))
        steps.append(_changing(code, one))
    return _change(call, steps)


def delete_fields(call: Call) -> Answer:
    shell, _ = _draft(call)
    codes = call.texts("fields", most=100)
    for place, code in enumerate(codes):
        found = shell.find(code)
        if found is None or found[0].type in SYSTEM_TYPES:
            raise invalid(f"fields[{place}]", "user", value=code)
    return _change(call, [lambda app, code=code: evolution.remove_field(app, code) for code in codes])


def put_settings(call: Call) -> Answer:
    """Name, description, number precision, first month of the fiscal year."""
    sent = {name: call.params[name] for name in ("name", "description", "numberPrecision", "enableComments") if name in call.params}

    def change(app: App) -> None:
        app.name = str(sent.get("name", app.name))
        app.description = str(sent.get("description", app.description))
        if "numberPrecision" in sent:
            wanted = sent["numberPrecision"] if isinstance(sent["numberPrecision"], dict) else {}
            digits, places, mode = app.precision
            app.precision = (
                str(wanted.get("digits", digits)),
                str(wanted.get("decimalPlaces", places)),
                str(wanted.get("roundingMode", mode)),
            )
        if "enableComments" in sent:
            app.comments_on = sent["enableComments"] in (True, "true")

    return _change(call, [change])


def put_app_acl(call: Call) -> Answer:
    """Rights of the live app: everything that is in the draft is deployed with them."""
    return _deploying(call, "app_acl")


def put_record_acl(call: Call) -> Answer:
    return _deploying(call, "record_acl")


def put_field_acl(call: Call) -> Answer:
    return _deploying(call, "field_acl")


def put_preview_app_acl(call: Call) -> Answer:
    return _change(call, [_granting(call, "app_acl")])


def put_preview_record_acl(call: Call) -> Answer:
    return _change(call, [_granting(call, "record_acl")])


def put_preview_field_acl(call: Call) -> Answer:
    return _change(call, [_granting(call, "field_acl")])


def post_deploy(call: Call) -> Answer:
    """ "Update app" for ``apps``: [{app, revision?}]; with ``revert`` the drafts are thrown away. Done at once."""
    sent = call.items("apps", most=300, required=True)
    apps: list[App] = []
    for place, one in enumerate(sent):
        if not isinstance(one, dict):
            raise invalid(f"apps[{place}].app", "required")
        app = call.domain.apps.get(integer(one.get("app"), f"apps[{place}].app"))
        if app is None:
            raise KintoneError("GAIA_AP01", {"id": one.get("app")})
        call.located(app)
        call.check(app, "appEditable")
        draft = call.domain.drafts.get(app.id)
        _guard(one.get("revision"), draft[0] if draft else app)
        apps.append(app)
    for app in apps:
        if call.flag("revert"):
            call.domain.drafts.pop(app.id, None)
        else:
            deploy(call, app)
    return json_answer({})


def get_deploy(call: Call) -> Answer:
    numbers = [integer(one, f"apps[{place}]") for place, one in enumerate(call.items("apps", most=300, required=True))]
    for number in numbers:
        app = call.domain.apps.get(number)
        if app is None:
            raise KintoneError("GAIA_AP01", {"id": number})
        call.check(app, "appEditable")
    return json_answer({"apps": [{"app": str(number), "status": "SUCCESS"} for number in numbers]})


def deploy(call: Call, app: App) -> None:
    """Do to the live app what was tried on its draft."""
    shell, steps = call.domain.drafts.pop(app.id, (None, []))
    if shell is None:
        return
    for step in steps:
        step(app)
    app.form_changed(call.domain.clock.now())
    app.revision = max(app.revision, shell.revision)


def _draft(call: Call) -> tuple[App, list[Change]]:
    app = call.app("appEditable")
    if app.id not in call.domain.drafts:
        return shell_of(app), []
    return call.domain.drafts[app.id]


def shell_of(app: App) -> App:
    """The app's settings without its records."""
    shell = App(app.id, app.code, app.name, app.description, copy.deepcopy(app.fields), created=app.created, owner=app.owner)
    for name in ("key", "revision", "modified", "process", "title", "precision", "comments_on", "space", "guest_space", "members"):
        setattr(shell, name, getattr(app, name))
    for name in ("app_acl", "record_acl", "field_acl", "views"):
        setattr(shell, name, copy.deepcopy(getattr(app, name)))
    return shell


def _change(call: Call, steps: list[Change]) -> Answer:
    shell, before = _draft(call)
    _guard(call.params.get("revision"), shell)
    trial = shell_of(shell)
    try:
        for step in steps:
            step(trial)
    except ValueError as error:
        raise KintoneError("GAIA_FC01", {"reason": str(error)}) from error
    trial.form_changed(None)
    trial.revision += 1
    call.domain.drafts[shell.id] = (trial, [*before, *steps])
    return json_answer({"revision": str(trial.revision)})


def _deploying(call: Call, name: str) -> Answer:
    answer = _change(call, [_granting(call, name)])
    deploy(call, call.app("appEditable"))
    return answer


def _granting(call: Call, name: str) -> Change:
    rights = call.items("rights", most=1_000, required=True)
    for place, rule in enumerate(rights):
        entries = [rule] if name == "app_acl" else rule.get("entities") if isinstance(rule, dict) else None
        if not isinstance(entries, list) or (name == "field_acl" and not isinstance(rule.get("code"), str)):
            raise invalid(f"rights[{place}]", "required")
        for entry in entries:
            entity = entry.get("entity") if isinstance(entry, dict) else None
            if not isinstance(entity, dict) or entity.get("type") not in _ENTITIES:
                raise invalid(f"rights[{place}].entity.type", "option", value=entity)
            entity.setdefault("code", None)
            if name == "field_acl" and entry.get("accessibility") not in ("READ", "WRITE", "NONE"):
                raise invalid(f"rights[{place}].accessibility", "option", value=entry.get("accessibility"))
        if name == "record_acl":
            Compiler(_draft(call)[0], call.caller, call.domain.clock.now(), others=call.domain.app_of).test(
                parse(str(rule.get("filterCond") or "")).condition
            )
    return lambda app: setattr(app, name, evolution.completed(name, copy.deepcopy(rights)))


def _guard(revision: Any, app: App) -> None:
    if revision not in (None, "", -1, "-1") and integer(revision, "revision") != app.revision:
        raise KintoneError("GAIA_CO03")


def _properties(call: Call) -> dict[str, Any]:
    sent = call.params.get("properties")
    if not isinstance(sent, dict) or not sent or not all(isinstance(one, dict) for one in sent.values()):
        raise invalid("properties", "required")
    for code, one in sent.items():
        options = one.get("options", {})
        if not isinstance(options, dict) or not all(isinstance(facts, dict) for facts in options.values()):
            raise invalid(f"properties.{code}.options", "list")
        for name, facts in options.items():
            integer(facts.get("index", 0), f"properties.{code}.options.{name}.index")
    return sent


def _adding(code: str, one: dict[str, Any]) -> Change:
    options = tuple(sorted(one.get("options") or {}, key=lambda name: int(one["options"][name].get("index", 0))))
    return lambda app: evolution.add_field(
        app, code, str(one.get("type")), label=str(one.get("label", code)), options=options, required=bool(one.get("required"))
    )


def _changing(code: str, one: dict[str, Any]) -> Change:
    def change(app: App) -> None:
        found = app.find(code)
        if found is None:
            raise ValueError(f"there is no field {code}")
        cell = found[0]
        cell.label = str(one.get("label", cell.label))
        cell.required = bool(one.get("required", cell.required))
        if "options" in one:
            wanted = sorted(one["options"].items(), key=lambda item: int(item[1].get("index", 0)))
            for name, facts in wanted:
                new = str(facts.get("label", name))
                if name in cell.options and new != name:
                    evolution.rename_option(app, code, name, new)
            cell.options = tuple(str(facts.get("label", name)) for name, facts in wanted)
        inner = one.get("fields") or {}
        if not isinstance(inner, dict) or not all(isinstance(facts, dict) for facts in inner.values()):
            raise ValueError(f"fields of {code} is no object of fields")
        for name, facts in inner.items():
            _changing(name, facts)(app)
        if one.get("code", code) != code:
            evolution.rename_field(app, code, str(one["code"]))

    return change
