"""How the items page changes under its readers: each step is a new list of elements and what it does to a row."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any

from infra.sandbox.erp.contract import Element, Entity, Row, SimpleType, text_of

_FILL: dict[str, Any] = {
    "string": "",
    "boolean": False,
    "decimal": Decimal(0),
    "double": 0.0,
    "date": date(1753, 1, 1),
    "time": time(),
    "base64Binary": b"",
    "dateTime": datetime(1753, 1, 1, tzinfo=UTC),
}
_NARROWER = {"long": "int", "int": "short", "short": "byte"}
_LARGEST = {"int": 2**31 - 1, "short": 2**15 - 1, "byte": 2**7 - 1}
_DEFAULTS: dict[str, dict[str, str]] = {
    "add_element": {"name": "Eco_Rank", "type": "string"},
    "rename_element": {"name": "Unit_Price", "to": "Sales_Price"},
    "remove_element": {"name": "Net_Weight"},
    "narrow_type": {"name": "Inventory"},
    "require_element": {"name": "規格"},
    "add_value": {"name": "Item_Category", "value": "ZZ"},
}


@dataclass(frozen=True)
class Step:
    """One change: the entity after it, and how a row of the entity before it becomes one of the entity after it."""

    entity: Entity
    adapt: Callable[[Row], Row]


def _change(entity: Entity, name: str, by: Element) -> Entity:
    return replace(entity, elements=tuple(by if element.name == name else element for element in entity.elements))


def _narrowed(kind: SimpleType, values: list[Any]) -> SimpleType:
    if kind.base in _NARROWER:
        base = _NARROWER[kind.base]
        if any(not -_LARGEST[base] - 1 <= value <= _LARGEST[base] for value in values):
            raise ValueError(f"the values do not fit {base}")
        return replace(kind, base=base, name="", shared=False)
    if kind.base == "string" and not kind.values:
        return replace(kind, name="", shared=False, max_length=max((len(value) for value in values), default=1))
    if kind.base == "decimal":
        digits = max((len(text_of(abs(value)).replace(".", "").lstrip("0")) for value in values), default=1)
        scale = max((-int(value.as_tuple().exponent) for value in values), default=0)
        return replace(kind, name="", shared=False, total_digits=max(digits, scale, 1), fraction_digits=max(scale, 0))
    raise ValueError(f"a {kind.base} cannot be narrowed; narrow an integer, a text or a decimal")


def step(entity: Entity, rows: list[Row], change: dict[str, Any]) -> Step:
    """The step ``change`` asks for. ``kind`` is one of ``_DEFAULTS``; the rest says which element, with a default for a drill.

    Rows always obey the changed contract. Raises ValueError for a kind or element there is not, or a narrowing the rows do not fit.
    """
    kind = str(change.get("kind", ""))
    if kind not in _DEFAULTS:
        raise ValueError(f"no such change: {kind!r}; there are: {', '.join(_DEFAULTS)}, restore")
    asked = {**_DEFAULTS[kind], **{key: str(value) for key, value in change.items()}}
    name = asked["name"]
    old = next((element for element in entity.elements if element.name == name), None)
    if name in ("Key", entity.identity, "Last_Modified"):
        raise ValueError(f"{name} stays as it is: the ERP pages by it")
    if kind == "add_element":
        if old is not None:
            raise ValueError(f"{entity.key} already has {name}")
        base = asked["type"]
        if base not in _FILL and base not in _LARGEST:
            raise ValueError(f"an added element cannot be of type {base!r}")
        # In the middle of the sequence: a reader that goes by position breaks, one that goes by name does not.
        middle = len(entity.elements) // 2
        added = Element(name, SimpleType(base), min_occurs=0)
        fill = "Ｂ級" if base == "string" else _FILL.get(base, 1)
        elements = (*entity.elements[:middle], added, *entity.elements[middle:])
        return Step(replace(entity, elements=elements), lambda row: {**row, name: fill})
    if old is None:
        raise ValueError(f"{entity.key} has no element {name}")
    if kind == "rename_element":
        to = asked["to"]
        if any(element.name == to for element in entity.elements):
            raise ValueError(f"{entity.key} already has {to}")
        return Step(
            _change(entity, name, replace(old, name=to)), lambda row: {to if key == name else key: value for key, value in row.items()}
        )
    if kind == "remove_element":
        left = tuple(element for element in entity.elements if element.name != name)
        return Step(replace(entity, elements=left), lambda row: {key: value for key, value in row.items() if key != name})
    if old.type is None:
        raise ValueError(f"{name} has parts; only a single column can be changed this way")
    if kind == "narrow_type":
        narrowed = _narrowed(old.type, [row[name] for row in rows if row.get(name) is not None])
        return Step(_change(entity, name, replace(old, type=narrowed)), lambda row: row)
    if kind == "require_element":
        default = _FILL.get(old.type.base, 0)
        required = replace(old, min_occurs=1, nillable=False)
        return Step(_change(entity, name, required), lambda row: row if row.get(name) is not None else {**row, name: default})
    if not old.type.values:
        raise ValueError(f"{name} is not an enumeration")
    value = asked["value"]
    wider = replace(old.type, values=(*old.type.values, value))
    return Step(_change(entity, name, replace(old, type=wider)), lambda row: {**row, name: value} if row.get("Blocked") else row)
