"""The live form of an app: its fields, their Arrow types, and the fingerprint that a contract remembers.

Types follow kintone's field types (cybozu.dev, "Field types"). Numbers travel as text and become decimals of the app's own precision;
system fields are known by type, because their codes depend on the language of whoever made the app.
"""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal, cast

import pyarrow as pa

from connectors.errors import AccessRefused, BrokenReply
from connectors.kintone.address import App
from connectors.kintone.client import Client, Credential
from connectors.protocol import LiveField, Schema

#: How a cell's value looks on the wire, and so how it is decoded.
Shape = Literal["text", "number", "timestamp", "date", "time", "minutes", "texts", "entity", "entities", "files", "table"]

#: Taken for the numbers of an app whose settings may not be read.
_WIDEST = (38, 10)
#: Field types without a value in records.
VALUELESS = frozenset({"REFERENCE_TABLE", "GROUP", "LABEL", "HR", "SPACER"})
#: Keyed in records by a localised name, and absent while the feature is off: found by type.
BY_TYPE = frozenset({"STATUS", "STATUS_ASSIGNEE", "CATEGORY"})

TIMESTAMP = pa.timestamp("us", "UTC")
ENTITY = pa.struct([("code", pa.string()), ("name", pa.string())])
FILE = pa.struct([("fileKey", pa.string()), ("name", pa.string()), ("contentType", pa.string()), ("size", pa.int64())])

_SHAPES: dict[str, Shape] = {
    "__ID__": "text",
    "__REVISION__": "text",
    "RECORD_NUMBER": "text",
    "CREATOR": "entity",
    "MODIFIER": "entity",
    "CREATED_TIME": "timestamp",
    "UPDATED_TIME": "timestamp",
    "SINGLE_LINE_TEXT": "text",
    "MULTI_LINE_TEXT": "text",
    "RICH_TEXT": "text",
    "LINK": "text",
    "RADIO_BUTTON": "text",
    "DROP_DOWN": "text",
    "STATUS": "text",
    "NUMBER": "number",
    "DATE": "date",
    "TIME": "time",
    "DATETIME": "timestamp",
    "CHECK_BOX": "texts",
    "MULTI_SELECT": "texts",
    "CATEGORY": "texts",
    "USER_SELECT": "entities",
    "ORGANIZATION_SELECT": "entities",
    "GROUP_SELECT": "entities",
    "STATUS_ASSIGNEE": "entities",
    "FILE": "files",
    "SUBTABLE": "table",
}
_CALC: dict[str, Shape] = {
    "NUMBER": "number",
    "NUMBER_DIGIT": "number",
    "DATETIME": "timestamp",
    "DATE": "date",
    "TIME": "time",
    "HOUR_MINUTE": "minutes",
    "DAY_HOUR_MINUTE": "minutes",
}
_ARROW: dict[Shape, pa.DataType] = {
    "text": pa.string(),
    "timestamp": TIMESTAMP,
    "date": pa.date32(),
    # "HH:MM" without a zone; Delta has no time type.
    "time": pa.string(),
    # Durations such as "25:01", as minutes.
    "minutes": pa.int64(),
    "texts": pa.list_(pa.string()),
    "entity": ENTITY,
    "entities": pa.list_(ENTITY),
    "files": pa.list_(FILE),
}


@dataclass(frozen=True)
class Field:
    """One field of the form that carries a value. ``code`` is the key in records, except for the types in ``BY_TYPE``."""

    code: str
    label: str
    vendor_type: str
    shape: Shape
    settings: Mapping[str, Any]
    children: tuple[Field, ...] = ()


@dataclass(frozen=True)
class Form:
    """The deployed form of an app at one settings revision. ``precision`` is (digits, decimal places).

    ``related`` are its fields of related records, which have no value, each as ``code: app and field it looks into``. ``properties`` is
    what all of it was made of, as fields.json gave it.
    """

    revision: str
    fields: Mapping[str, Field]
    precision: tuple[int, int]
    precision_known: bool
    related: tuple[str, ...] = ()
    properties: Mapping[str, Any] = dataclasses.field(default_factory=dict[str, Any], repr=False, compare=False)

    def system_field(self, vendor_type: str) -> Field | None:
        return next((field for field in self.fields.values() if field.vendor_type == vendor_type), None)


ID = Field("$id", "レコードID", "__ID__", "text", {})
REVISION = Field("$revision", "リビジョン", "__REVISION__", "text", {})


def read_form(client: Client, app: App, *, remembered: tuple[str, tuple[int, int]] | None = None, preview: bool = False) -> Form:
    """fields.json and settings.json of the app. Raises BrokenReply for a field type this connector does not know.

    ``remembered`` is a settings revision and the precision as it was then: one counter counts all settings, so while it stands still
    settings.json need not be asked again.

    ``preview`` reads what will be deployed when somebody presses "Update app", which takes the right to manage the app.
    """
    reply = _fields(client, app, preview=preview)
    if remembered is not None and remembered[0] == str(reply["revision"]):
        precision, known = remembered[1], True
    else:
        precision, known = _precision(client, app, preview=preview)
    return form_of(reply["properties"], str(reply["revision"]), precision if known else None, app)


def form_of(found: Mapping[str, Any], revision: str, precision: tuple[int, int] | None, app: App) -> Form:
    """The form that fields.json describes by these properties. ``precision`` is None where nobody may know it: the widest decimal then.

    Raises BrokenReply for a field type this connector does not know.
    """
    fields: dict[str, Field] = {"$id": ID, "$revision": REVISION}
    properties = cast("Mapping[str, dict[str, Any]]", found)
    for code, settings in properties.items():
        if settings.get("type") in VALUELESS or (settings.get("type") in BY_TYPE and settings.get("enabled") is False):
            continue
        fields[code] = _field(code, settings, app)
    related = tuple(f"{code}: {_related(one)}" for code, one in sorted(properties.items()) if one.get("type") == "REFERENCE_TABLE")
    return Form(revision, fields, precision or _WIDEST, precision is not None, related, found)


def revision_now(client: Client, app: App) -> str:
    """The revision of the app's settings at this moment (one call)."""
    return str(_fields(client, app)["revision"])


def schema_of(app: App, form: Form) -> Schema:
    """The form as connectors show it, with the app's address as identity."""
    return Schema(
        fields=tuple(_live(field, form) for field in form.fields.values()),
        fingerprint=fingerprint(form),
        revision=form.revision,
        identity={"app_id": app.id, "app_code": app.code, "space_id": app.space_id, "name": app.name},
    )


def fingerprint(form: Form) -> str:
    """``sha256:…`` over what readers depend on: codes, types, inner codes, formats, options and, where numbers are, the precision.

    App number, revision, labels and order are left out, so a renumbered copy of an app has the fingerprint of its original.
    """
    lines = sorted(_print(field, form) for field in form.fields.values())
    return "sha256:" + hashlib.sha256(json.dumps(lines, ensure_ascii=False, separators=(",", ":")).encode()).hexdigest()


def arrow_type(field: Field, precision: tuple[int, int]) -> pa.DataType:
    """The Arrow type proposed for a field: Delta-friendly, no dictionary types, sub-tables as lists of structs with the row's id."""
    if field.vendor_type in ("__ID__", "__REVISION__"):
        return pa.int64()
    if field.shape == "number":
        return pa.decimal128(*precision)
    if field.shape == "table":
        return pa.list_(pa.struct([("id", pa.int64()), *((child.code, arrow_type(child, precision)) for child in field.children)]))
    return _ARROW[field.shape]


def _settings_call(client: Client, app: App, resource: str, preview: bool) -> dict[str, Any]:
    # A fixed language: labels must not follow the account's own.
    credential: Credential = "person" if preview and client.has_person else "records"
    path = f"preview/{resource}" if preview else resource
    return client.get(path, {"app": app.id, "lang": "default"}, guest_space=app.guest_space, credential=credential, app=app.label)


def _fields(client: Client, app: App, *, preview: bool = False) -> dict[str, Any]:
    reply = _settings_call(client, app, "app/form/fields", preview)
    if not isinstance(reply.get("properties"), dict) or not isinstance(reply.get("revision"), str | int):
        raise BrokenReply(
            "kintone.reply_shape", host=client.host, app=app.label, resource="app/form/fields", reason="no properties or revision"
        )
    return reply


def _precision(client: Client, app: App, *, preview: bool = False) -> tuple[tuple[int, int], bool]:
    """(digits, decimal places) of the app's numbers; the widest decimal where the credentials may not read the app's settings."""
    try:
        settings = _settings_call(client, app, "app/settings", preview)
    except AccessRefused:
        return _WIDEST, False
    found = settings.get("numberPrecision")
    try:
        digits, places = int(found["digits"]), int(found["decimalPlaces"])  # type: ignore[index]
    except (TypeError, KeyError, ValueError) as error:
        raise BrokenReply(
            "kintone.reply_shape", host=client.host, app=app.label, resource="app/settings", reason="no numberPrecision"
        ) from error
    if not 0 < digits <= 38 or not 0 <= places <= digits:
        raise BrokenReply(
            "kintone.reply_shape", host=client.host, app=app.label, resource="app/settings", reason=f"{digits} digits, {places} places"
        )
    return (digits, places), True


def _field(code: str, settings: dict[str, Any], app: App) -> Field:
    kind = str(settings.get("type"))
    shape = _CALC.get(str(settings.get("format"))) if kind == "CALC" else _SHAPES.get(kind)
    if shape is None:
        raise BrokenReply("kintone.field_type_unknown", app=app.label, field=code, type=f"{kind} {settings.get('format', '')}".strip())
    inner = cast("dict[str, dict[str, Any]]", settings.get("fields") or {}) if shape == "table" else {}
    return Field(
        code=code,
        label=str(settings.get("label", code)),
        vendor_type=kind,
        shape=shape,
        settings=settings,
        children=tuple(_field(name, one, app) for name, one in inner.items() if one.get("type") not in VALUELESS),
    )


def _options(field: Field) -> tuple[str, ...]:
    found = field.settings.get("options")
    if not isinstance(found, dict):
        return ()
    options = cast("dict[str, dict[str, Any]]", found)
    return tuple(sorted(options, key=lambda name: int(options[name].get("index") or 0)))


def _live(field: Field, form: Form) -> LiveField:
    facets: dict[str, str | int | bool | tuple[str, ...]] = {}
    for name in ("format", "expression", "unit", "protocol"):
        if field.settings.get(name):
            facets[name] = str(field.settings[name])
    if field.settings.get("unique") in (True, "true"):
        facets["unique"] = True
    if options := _options(field):
        facets["options"] = options
    if field.shape == "number":
        facets["digits"], facets["decimal_places"] = form.precision
        facets["precision_known"] = form.precision_known
    lookup = field.settings.get("lookup")
    if isinstance(lookup, dict):
        facets["lookup"] = _lookup(cast("dict[str, Any]", lookup))
    if field.vendor_type == "__ID__":
        facets["related"] = form.related
    children = tuple(_live(child, form) for child in field.children)
    if field.shape == "table":
        children = (LiveField("id", "行ID", pa.int64(), "__ROW_ID__", required=True), *children)
    return LiveField(
        source=field.code,
        label=field.label,
        type=arrow_type(field, form.precision),
        vendor_type=field.vendor_type,
        required=field.vendor_type in ("__ID__", "__REVISION__") or field.settings.get("required") in (True, "true"),
        facets=facets,
        children=children,
    )


def _lookup(lookup: dict[str, Any]) -> str:
    """Which app and field values were copied from. Copies are snapshots: a change in the master does not reach them."""
    return f"{_app_behind(lookup)}.{lookup.get('relatedKeyField', '-')}"


def _related(settings: dict[str, Any]) -> str:
    """Which app's records a field of related records shows, and by which of their fields."""
    table = cast("dict[str, Any]", settings.get("referenceTable") or {})
    return f"{_app_behind(table)}.{cast('dict[str, Any]', table.get('condition') or {}).get('relatedField', '-')}"


def _app_behind(settings: dict[str, Any]) -> str:
    """``CODE(number)``, or the number alone: an app made anew under its code is another app all the same."""
    related = cast("dict[str, Any]", settings.get("relatedApp") or {})
    code, number = related.get("code"), related.get("app", "-")
    return f"{code}({number})" if code else str(number)


def _print(field: Field, form: Form) -> list[Any]:
    return [
        field.code,
        field.vendor_type,
        str(field.settings.get("format", "")) if field.vendor_type == "CALC" else "",
        sorted(_options(field)),
        list(form.precision) if field.shape == "number" else [],
        sorted(_print(child, form) for child in field.children),
    ]
