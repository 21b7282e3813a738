"""What may drift about a field beyond its type: its place in the form, its limits, and the states of the app's process.

Place and states cost a call each. They are read when the app's settings moved since the last published pull, and left out while the
settings' revision stands: nothing can have changed then.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import Any, TypeVar, cast

from connectors.errors import AccessRefused
from connectors.kintone.address import App
from connectors.kintone.client import Client, Credential
from connectors.kintone.schema import Form
from connectors.kintone.states import Process, read_process
from connectors.protocol import LiveField, Schema

_T = TypeVar("_T")
_PROCESS = frozenset({"STATUS", "STATUS_ASSIGNEE"})
#: Settings that bound or fill what people type in. Old values stay as they are, so they are notes and nothing more.
_LIMITS = ("minValue", "maxValue", "minLength", "maxLength", "defaultValue")
Facets = dict[str, str | int | bool | tuple[str, ...]]


def with_facets(client: Client, app: App, form: Form, schema: Schema, *, moved: bool) -> Schema:
    """The schema with all that may drift; ``moved`` says that the settings are not those of the last pull. Up to two calls then."""
    slots = _readable(lambda: read_slots(client, app)) if moved else None
    process = _readable(lambda: read_process(client, app)) if moved and form.system_field("STATUS") else None
    return told(schema, form, slots or {}, process)


def told(schema: Schema, form: Form, slots: Mapping[str, str], process: Process | None) -> Schema:
    """The schema with the facets that are known."""

    def fields(found: Iterable[LiveField], prefix: str) -> tuple[LiveField, ...]:
        return tuple(one(field, prefix) for field in found)

    def one(field: LiveField, prefix: str) -> LiveField:
        facets: Facets = dict(field.facets)
        path = prefix + field.source
        if path in slots:
            facets["slot"] = slots[path]
        if field.vendor_type in _PROCESS:
            facets["feature"] = "process"
        if field.vendor_type == "STATUS" and process is not None:
            facets["states"], facets["actions"] = process.states, process.actions
        facets |= _limits(form, path)
        return replace(field, facets=facets, children=fields(field.children, path + "."))

    return replace(schema, fields=fields(schema.fields, ""))


def read_slots(client: Client, app: App, *, preview: bool = False, credential: Credential = "records") -> dict[str, str]:
    """Where each field stands: path (inner fields as ``table.field``) → row and place, as ``3.1``; in a group ``4.2.1``."""
    resource = "preview/app/form/layout" if preview else "app/form/layout"
    reply = client.get(resource, {"app": app.id}, guest_space=app.guest_space, credential=credential, app=app.label)
    return dict(_slots(cast("list[dict[str, Any]]", reply.get("layout") or []), ""))


def _slots(rows: list[dict[str, Any]], prefix: str) -> Iterable[tuple[str, str]]:
    for number, row in enumerate(rows, 1):
        code, place = str(row.get("code") or ""), f"{prefix}{number}"
        if row.get("type") == "GROUP":
            yield from _slots(cast("list[dict[str, Any]]", row.get("layout") or []), place + ".")
            continue
        table = row.get("type") == "SUBTABLE"
        if table:
            yield code, place
        for at, cell in enumerate(cast("list[dict[str, Any]]", row.get("fields") or []), 1):
            if cell.get("code"):
                yield (f"{code}.{cell['code']}" if table else str(cell["code"])), f"{place}.{at}"


def _limits(form: Form, path: str) -> Facets:
    outer, _, inner = path.partition(".")
    field = form.fields.get(outer)
    if field is not None and inner:
        field = next((child for child in field.children if child.code == inner), None)
    if field is None:
        return {}
    found = {name: field.settings.get(name) for name in _LIMITS}
    return {name: _text(value) for name, value in found.items() if value not in (None, "", [])}


def _text(value: Any) -> str:
    return ", ".join(map(str, cast("list[Any]", value))) if isinstance(value, list) else str(value)


def _readable(ask: Callable[[], _T]) -> _T | None:
    """What is asked for, or None where these credentials may not read it: drift then has less to go by, and a pull goes on."""
    try:
        return ask()
    except AccessRefused:
        return None
