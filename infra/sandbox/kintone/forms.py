"""What an app's form is made of: fields, tables, options, lookups, and how they read in ``fields.json`` and ``layout.json``."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

#: Types whose value is a list, so that "unset" is ``[]``.
LIST_TYPES = frozenset(
    {
        "CHECK_BOX",
        "MULTI_SELECT",
        "USER_SELECT",
        "ORGANIZATION_SELECT",
        "GROUP_SELECT",
        "STATUS_ASSIGNEE",
        "FILE",
        "SUBTABLE",
        "CATEGORY",
    }
)
OPTION_TYPES = frozenset({"CHECK_BOX", "RADIO_BUTTON", "DROP_DOWN", "MULTI_SELECT"})
#: Types that the system fills.
SYSTEM_TYPES = frozenset({"RECORD_NUMBER", "CREATOR", "MODIFIER", "CREATED_TIME", "UPDATED_TIME", "STATUS", "STATUS_ASSIGNEE", "CATEGORY"})
#: Types whose unset value on the wire is null rather than the empty string.
NULL_TYPES = frozenset({"DROP_DOWN", "DATE", "TIME"})


@dataclass(frozen=True)
class Reference:
    """Where a related-records field looks: the other app's code, the field here and the field there that must be equal, what is shown."""

    app: str
    own: str
    theirs: str
    shown: tuple[str, ...] = ()


@dataclass
class Field:
    """One field. ``key`` never changes and is what records are stored under; ``code`` is what the wire says and may be renamed.

    ``compute`` gives the value of a CALC field from the values of the same record or row.
    """

    code: str
    type: str
    label: str = ""
    options: tuple[str, ...] = ()
    required: bool = False
    unique: bool = False
    expression: str = ""
    #: How a CALC value is written: NUMBER, NUMBER_DIGIT or HOUR_MINUTE.
    format: str = "NUMBER_DIGIT"
    compute: Callable[[dict[str, Any]], str] | None = None
    #: (app code, key field there, ((field here, field there), …))
    lookup: tuple[str, str, tuple[tuple[str, str], ...]] | None = None
    inner: list[Field] = field(default_factory=list)
    reference: Reference | None = None
    enabled: bool = True
    key: str = ""

    def __post_init__(self) -> None:
        self.key = self.key or self.code
        self.label = self.label or self.code

    def empty(self) -> Any:
        """The unset value as a newly saved record has it."""
        if self.type in LIST_TYPES:
            return []
        return None if self.type in NULL_TYPES else ""


def system_fields() -> list[Field]:
    """The five fields that every app has, under the codes that a Japanese creator gets."""
    return [
        Field("レコード番号", "RECORD_NUMBER"),
        Field("作成者", "CREATOR"),
        Field("作成日時", "CREATED_TIME"),
        Field("更新者", "MODIFIER"),
        Field("更新日時", "UPDATED_TIME"),
    ]


def property_of(one: Field, resolve: Callable[[str], tuple[str, str]]) -> dict[str, Any]:
    """The entry of ``fields.json``. ``resolve`` gives (id, code) of the app that a lookup points at."""
    found: dict[str, Any] = {"type": one.type, "code": one.code, "label": one.label}
    if one.type == "SUBTABLE":
        return found | {"noLabel": False, "fields": {cell.code: property_of(cell, resolve) for cell in one.inner}}
    if one.type in ("STATUS", "STATUS_ASSIGNEE", "CATEGORY"):
        return found | {"enabled": one.enabled}
    found["noLabel"] = False
    if one.type in SYSTEM_TYPES:
        return found
    if one.reference is not None:
        app_id, app_code = resolve(one.reference.app)
        return found | {
            "referenceTable": {
                "relatedApp": {"app": app_id, "code": app_code},
                "condition": {"field": one.reference.own, "relatedField": one.reference.theirs},
                "filterCond": "",
                "displayFields": list(one.reference.shown),
                "sort": f"{one.reference.theirs} asc",
                "size": "5",
            }
        }
    if one.type == "CALC":
        return found | {
            "required": False,
            "expression": one.expression,
            "hideExpression": False,
            "format": one.format,
            "displayScale": "",
            "unit": "円",
            "unitPosition": "AFTER",
        }
    found["required"] = one.required
    if one.lookup is not None:
        app_id, app_code = resolve(one.lookup[0])
        return found | {
            "lookup": {
                "relatedApp": {"app": app_id, "code": app_code},
                "relatedKeyField": one.lookup[1],
                "fieldMappings": [{"field": here, "relatedField": there} for here, there in one.lookup[2]],
                "lookupPickerFields": [one.lookup[1]],
                "filterCond": "",
                "sort": f"{one.lookup[1]} asc",
            }
        }
    return found | _details(one)


def _details(one: Field) -> dict[str, Any]:
    kind = one.type
    if kind in OPTION_TYPES:
        found: dict[str, Any] = {"options": {name: {"label": name, "index": str(at)} for at, name in enumerate(one.options)}}
        found["defaultValue"] = [] if kind in ("CHECK_BOX", "MULTI_SELECT") else (one.options[0] if kind == "RADIO_BUTTON" else "")
        return found | ({"align": "HORIZONTAL"} if kind in ("CHECK_BOX", "RADIO_BUTTON") else {})
    if kind == "NUMBER":
        return {
            "unique": one.unique,
            "maxValue": "",
            "minValue": "",
            "defaultValue": "",
            "digit": True,
            "displayScale": "",
            "unit": "",
            "unitPosition": "BEFORE",
        }
    if kind in ("SINGLE_LINE_TEXT", "LINK"):
        found = {"unique": one.unique, "maxLength": "", "minLength": "", "defaultValue": ""}
        return found | ({"protocol": "WEB"} if kind == "LINK" else {"expression": "", "hideExpression": False})
    if kind in ("DATE", "TIME", "DATETIME"):
        return {"defaultValue": "", "defaultNowValue": False} | ({} if kind == "TIME" else {"unique": one.unique})
    if kind in ("USER_SELECT", "ORGANIZATION_SELECT", "GROUP_SELECT"):
        return {"entities": [], "defaultValue": []}
    if kind == "FILE":
        return {"thumbnailSize": "150"}
    return {"defaultValue": ""}


def layout_of(fields: list[Field]) -> list[dict[str, Any]]:
    """The form's layout: rows of up to three fields, tables by themselves. Every field that takes part in a form is listed."""
    rows: list[dict[str, Any]] = [{"type": "ROW", "fields": [{"type": "LABEL", "label": "基本情報", "size": {"width": "200"}}]}]
    cells: list[dict[str, Any]] = []

    def flush() -> None:
        if cells:
            rows.append({"type": "ROW", "fields": list(cells)})
            cells.clear()

    for one in fields:
        if one.type in ("STATUS", "STATUS_ASSIGNEE", "CATEGORY"):
            continue
        if one.reference is not None:
            flush()
            rows.append({"type": "ROW", "fields": [{"type": one.type, "code": one.code}]})
            continue
        if one.type == "SUBTABLE":
            flush()
            inner = [{"type": cell.type, "code": cell.code, "size": {"width": "160"}} for cell in one.inner]
            rows.append({"type": "SUBTABLE", "code": one.code, "fields": inner})
            continue
        cells.append({"type": one.type, "code": one.code, "size": {"width": "193"}})
        if len(cells) == 3:
            flush()
    flush()
    return rows
