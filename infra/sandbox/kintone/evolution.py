"""What app owners do to an app's settings, as functions of the app: each keeps rules, formulas and stored values as kintone keeps them.

None of them counts a revision: the caller does, when the change is deployed. ValueError carries the sentence for whoever asked.
"""

from __future__ import annotations

from decimal import Decimal
from typing import Any

from infra.sandbox.kintone.bulk import BulkRecords
from infra.sandbox.kintone.forms import LIST_TYPES, OPTION_TYPES, SYSTEM_TYPES, Field, Reference
from infra.sandbox.kintone.query import rename
from infra.sandbox.kintone.query import rename_option as rename_in_query
from infra.sandbox.kintone.store import App, Record

ADDABLE = frozenset(
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
        "REFERENCE_TABLE",
    }
)
_TRUE_OF_APP = (
    "recordViewable",
    "recordAddable",
    "recordEditable",
    "recordDeletable",
    "recordImportable",
    "recordExportable",
    "appEditable",
)


def field_of(app: App, code: str) -> tuple[Field, Field | None]:
    """A field and the table it is in."""
    found = app.find(code)
    if found is None:
        raise ValueError(f"app {app.id} has no field {code}")
    return found


def rename_field(app: App, old: str, new: str) -> None:
    """Another code; rules and formulas that name the field follow, stored values stay."""
    one, table = field_of(app, old)
    if app.find(new) is not None or new in ("", "$id", "$revision") or new[0].isdigit() or len(new) > 128:
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
    app.form_changed(None)


def add_field(
    app: App,
    code: str,
    kind: str,
    *,
    label: str = "",
    options: tuple[str, ...] = (),
    required: bool = False,
    reference: Reference | None = None,
) -> None:
    """A new field, unset (null) in every record there is."""
    if kind not in ADDABLE:
        raise ValueError(f"a field of type {kind} cannot be added; the types are: {', '.join(sorted(ADDABLE))}")
    if (kind == "REFERENCE_TABLE") is not (reference is not None):
        raise ValueError("a related-records field, and only such a one, needs what it refers to")
    if app.find(code) is not None:
        raise ValueError(f"app {app.id} has a field {code} already")
    key = code
    while key in app.retired or any(one.key == key for one in app.fields):
        key += "'"
    app.fields.append(Field(code, kind, label=label or code, options=options, required=required, reference=reference, key=key))
    for record in _kept(app):
        record.values[key] = [] if kind in LIST_TYPES else None
    app.form_changed(None)


def remove_field(app: App, code: str, *, used_too: bool = False) -> None:
    """Delete a field with all its values. Refused where a rule or formula needs it, as kintone does."""
    one, table = field_of(app, code)
    if one.type in SYSTEM_TYPES:
        raise ValueError(f"{code} is a system field")
    formulas = " ".join(cell.expression for cell in [*app.fields, *(inner for outer in app.fields for inner in outer.inner)])
    rules = " ".join(rule["filterCond"] for rule in app.record_acl)
    if not used_too and any(used.code in formulas or used.code in rules for used in (one, *one.inner)):
        raise ValueError(f"{code} is used in a formula or a rule of app {app.id}; it cannot be removed")
    app.field_acl = [rule for rule in app.field_acl if rule["code"] != code]
    if table is None:
        app.retired.add(one.key)
        app.fields.remove(one)
        for record in _kept(app):
            record.values.pop(one.key, None)
    else:
        table.inner.remove(one)
        for record in _kept(app):
            for _, row in record.values.get(table.key) or ():
                row.pop(one.key, None)
    app.title = "" if app.title == code else app.title
    app.form_changed(None)


def replace_field(app: App, code: str, kind: str) -> None:
    """Deleted and added again under the same code with another type, in the same place: all values are gone."""
    one, table = field_of(app, code)
    if table is not None:
        raise ValueError(f"{code} is inside a table; only a field of the form itself is replaced")
    place = app.fields.index(one)
    label, options = one.label, one.options if kind in OPTION_TYPES else ()
    remove_field(app, code)
    add_field(app, code, kind, label=label, options=options)
    app.fields.insert(place, app.fields.pop())
    app.form_changed(None)


def rename_option(app: App, code: str, old: str, new: str) -> None:
    """An option's name, and with it the stored values of all records; neither their revision nor their update time moves."""
    one, table = field_of(app, code)
    if one.type not in OPTION_TYPES or old not in one.options or new in one.options or not new:
        raise ValueError(f"{code} has no option {old} that could be called {new}")
    one.options = tuple(new if name == old else name for name in one.options)
    if isinstance(app.records, BulkRecords):
        names = app.records.rows.renamed.setdefault(one.key, {})
        for first, now in list(names.items()):
            names[first] = new if now == old else now
        names.setdefault(old, new)
    for record in _kept(app):
        for values in [record.values] if table is None else [row for _, row in record.values.get(table.key) or ()]:
            have = values.get(one.key)
            if isinstance(have, list):
                values[one.key] = [new if name == old else name for name in have]
            elif have == old:
                values[one.key] = new
    for rule in app.record_acl:
        rule["filterCond"] = rename_in_query(rule["filterCond"], code, old, new)
    app.form_changed(None)


def remove_option(app: App, code: str, name: str) -> None:
    """Take an option away; records keep the value."""
    one, _ = field_of(app, code)
    if name not in one.options or len(one.options) == 1:
        raise ValueError(f"{code} has no option {name} that could be removed")
    one.options = tuple(kept for kept in one.options if kept != name)


def move_into_table(app: App, code: str, table: str) -> None:
    """A field goes from the form into a table: another field under the same code, its values gone."""
    one, outer = field_of(app, code)
    target, above = field_of(app, table)
    if outer is not None or above is not None or target.type != "SUBTABLE" or one.type not in ADDABLE - {"REFERENCE_TABLE"}:
        raise ValueError(f"{code} cannot be moved into {table}")
    remove_field(app, code)
    target.inner.append(Field(code, one.type, label=one.label, options=one.options, key=f"{one.key}'"))
    app.form_changed(None)


def write_as_hours(app: App, code: str) -> None:
    """A CALC field's format becomes HOUR_MINUTE: the same field type, another kind of value (``25:01``)."""
    one, table = field_of(app, code)
    before = one.compute
    if one.type != "CALC" or before is None or one.format == "HOUR_MINUTE":
        raise ValueError(f"{code} is no CALC field that could be written as hours")

    def compute(values: dict[str, Any]) -> str:
        text = before(values)
        return "{}:{:02d}".format(*divmod(int(Decimal(text)), 60)) if text else ""

    one.format, one.compute = "HOUR_MINUTE", compute
    for record in _kept(app):
        for values in [record.values] if table is None else [row for _, row in record.values.get(table.key) or ()]:
            values[one.key] = compute(values)
    app.form_changed(None)


def completed(area: str, rights: list[dict[str, Any]]) -> list[dict[str, Any]]:
    """Rights as they are kept: what a request left out is filled in."""
    for rule in rights:
        if area == "app_acl":
            rule.setdefault("includeSubs", False)
            for name in _TRUE_OF_APP:
                rule[name] = rule.get(name) in (True, "true")
            continue
        for entry in rule["entities"]:
            entry["includeSubs"] = entry.get("includeSubs") in (True, "true")
            if area == "record_acl":
                for name in ("viewable", "editable", "deletable"):
                    entry[name] = entry.get(name) in (True, "true")
        if area == "record_acl":
            rule.setdefault("filterCond", "")
    return rights


def _kept(app: App) -> list[Record]:
    """The records that are stored as such; those of a bulk app that nobody changed follow the form by themselves."""
    return list(app.records.own.values() if isinstance(app.records, BulkRecords) else app.records.values())
