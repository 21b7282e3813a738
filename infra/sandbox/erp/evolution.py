"""How a service's contract changes under its readers: each step is a new list of elements and what it does to a row."""

from __future__ import annotations

import zlib
from collections.abc import Callable
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, time
from decimal import Decimal
from typing import Any, Generic, Protocol, TypeVar

from infra.sandbox.erp.contract import Element, Row, SimpleType, text_of

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
_DEFAULTS: dict[str, dict[str, dict[str, str]]] = {
    "items": {
        "add_element": {"name": "Eco_Rank", "type": "string"},
        "rename_element": {"name": "Unit_Price", "to": "Sales_Price"},
        "remove_element": {"name": "Net_Weight"},
        "narrow_type": {"name": "Inventory"},
        "require_element": {"name": "規格"},
        "add_value": {"name": "Item_Category", "value": "ZZ"},
        "nillable_element": {"name": "Inventory"},
        "repeat_element": {"name": "Shelf_No"},
    },
    "invoices": {
        "add_element": {"name": "department", "type": "string"},
        "rename_element": {"name": "total_net", "to": "total_ht"},
        "remove_element": {"name": "note_public"},
        "narrow_type": {"name": "customer_id"},
    },
    "drawings": {
        "add_element": {"name": "Checked_By", "type": "string"},
        "rename_element": {"name": "Material", "to": "Material_Code"},
        "remove_element": {"name": "Remarks"},
        "narrow_type": {"name": "Sheets"},
        "require_element": {"name": "Remarks"},
        "add_value": {"name": "Status", "value": "Frozen"},
        "nillable_element": {"name": "Sheets"},
        "repeat_element": {"name": "Item_No"},
    },
}


class _Changing(Protocol):
    """What a step needs of a dataclass that declares an entity."""

    @property
    def key(self) -> str: ...
    @property
    def identity(self) -> str: ...
    @property
    def elements(self) -> tuple[Element, ...]: ...
    @property
    def fixed(self) -> frozenset[str]: ...


E = TypeVar("E", bound=_Changing)


@dataclass(frozen=True)
class Step(Generic[E]):
    """One change: the entity after it, and how a row of the entity before it becomes one of the entity after it."""

    entity: E
    adapt: Callable[[Row], Row]


def _change(entity: E, name: str, by: Element) -> E:
    return _with(entity, tuple(by if element.name == name else element for element in entity.elements))


def _with(entity: E, elements: tuple[Element, ...]) -> E:
    return replace(entity, elements=elements)  # type: ignore[type-var]


def _some(entity: _Changing, row: Row) -> bool:
    """Whether a change of values befalls this row: what is blocked, or else one in ten."""
    return bool(row["Blocked"]) if "Blocked" in row else zlib.crc32(str(row[entity.identity]).encode()) % 10 == 0


def _fill(kind: SimpleType) -> Any:
    return kind.values[0] if kind.values else _FILL.get(kind.base, 0)


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


def completed(entity: _Changing, change: dict[str, Any]) -> dict[str, str]:
    """The change with the defaults of a drill on this entity. Raises ValueError for a kind there is not."""
    known, kind = _DEFAULTS.get(entity.key, {}), str(change.get("kind", ""))
    if kind not in known:
        raise ValueError(f"no such change: {kind!r}; there are: {', '.join(known)}, restore")
    return {**known[kind], **{key: str(value) for key, value in change.items()}}


def step(entity: E, rows: list[Row], change: dict[str, Any]) -> Step[E]:
    """The step ``change`` asks for. ``kind`` is one of ``_DEFAULTS``; the rest says which element, with a default for a drill.

    Rows always obey the changed contract. Raises ValueError for a kind or element there is not, or a narrowing the rows do not fit.
    """
    asked = completed(entity, change)
    kind, name = asked["kind"], asked["name"]
    old = next((element for element in entity.elements if element.name == name), None)
    if name in entity.fixed:
        raise ValueError(f"{name} stays as it is: the ERP pages by it")
    if kind == "add_element":
        return _added(entity, name, asked["type"], old)
    if old is None:
        raise ValueError(f"{entity.key} has no element {name}")
    if kind == "rename_element":
        to = asked["to"]
        if any(element.name == to for element in entity.elements):
            raise ValueError(f"{entity.key} already has {to}")
        changed = _change(entity, name, replace(old, name=to))
        return Step(changed, lambda row: {to if key == name else key: value for key, value in row.items()})
    if kind == "remove_element":
        left = tuple(element for element in entity.elements if element.name != name)
        return Step(_with(entity, left), lambda row: {key: value for key, value in row.items() if key != name})
    if old.type is None or old.many:
        raise ValueError(f"{name} has parts; only a single column can be changed this way")
    return _IN_PLACE[kind](entity, rows, old, old.type, asked)


def _added(entity: E, name: str, base: str, old: Element | None) -> Step[E]:
    if old is not None:
        raise ValueError(f"{entity.key} already has {name}")
    if base not in _FILL and base not in _LARGEST:
        raise ValueError(f"an added element cannot be of type {base!r}")
    # In the middle of the sequence: a reader that goes by position breaks, one that goes by name does not.
    middle = len(entity.elements) // 2
    added = Element(name, SimpleType(base), min_occurs=0)
    fill = "Ｂ級" if base == "string" else _FILL.get(base, 1)
    return Step(_with(entity, (*entity.elements[:middle], added, *entity.elements[middle:])), lambda row: {**row, name: fill})


def _narrow(entity: E, rows: list[Row], old: Element, kind: SimpleType, _: dict[str, str]) -> Step[E]:
    narrowed = _narrowed(kind, [row[old.name] for row in rows if row.get(old.name) is not None])
    return Step(_change(entity, old.name, replace(old, type=narrowed)), lambda row: row)


def _require(entity: E, _: list[Row], old: Element, kind: SimpleType, __: dict[str, str]) -> Step[E]:
    name, default = old.name, _fill(kind)
    required = replace(old, min_occurs=1, nillable=False)
    return Step(_change(entity, name, required), lambda row: row if row.get(name) is not None else {**row, name: default})


def _add_value(entity: E, _: list[Row], old: Element, kind: SimpleType, asked: dict[str, str]) -> Step[E]:
    if not kind.values:
        raise ValueError(f"{old.name} is not an enumeration")
    name, value = old.name, asked["value"]
    wider = replace(kind, values=(*kind.values, value))
    return Step(_change(entity, name, replace(old, type=wider)), lambda row: {**row, name: value} if _some(entity, row) else row)


def _nillable(entity: E, _: list[Row], old: Element, kind: SimpleType, __: dict[str, str]) -> Step[E]:
    """The other way round: what could be nil never is, or what never was is nil here and there."""
    name, default = old.name, _fill(kind)
    changed = _change(entity, name, replace(old, nillable=not old.nillable))
    if old.nillable:
        return Step(changed, lambda row: {**row, name: default} if name in row and row[name] is None else row)
    return Step(changed, lambda row: {**row, name: None} if _some(entity, row) else row)


def _repeat(entity: E, _: list[Row], old: Element, __: SimpleType, ___: dict[str, str]) -> Step[E]:
    """From one to any number: most rows still have one, some have it twice."""
    name = old.name

    def adapt(row: Row) -> Row:
        value = row.get(name)
        return row if value is None else {**row, name: [value, value] if _some(entity, row) else [value]}

    return Step(_change(entity, name, replace(old, many=True)), adapt)


_IN_PLACE: dict[str, Callable[..., Step[Any]]] = {
    "narrow_type": _narrow,
    "require_element": _require,
    "add_value": _add_value,
    "nillable_element": _nillable,
    "repeat_element": _repeat,
}


class Evolution(Generic[E]):
    """An entity and what became of it: the changes so far, in order, each of which can be taken back."""

    def __init__(self, first: E) -> None:
        self._first = first
        self._made: list[tuple[dict[str, str], Step[E]]] = []

    @property
    def shape(self) -> E:
        """The entity as it is now."""
        return self._made[-1][1].entity if self._made else self._first

    @property
    def changed(self) -> bool:
        return bool(self._made)

    def adapt(self, row: Row) -> Row:
        """A row of the first entity as one of the entity as it is now."""
        for _, one in self._made:
            row = one.adapt(row)
        return row

    def apply(self, change: dict[str, Any], rows: list[Row]) -> dict[str, str]:
        """Make one more change, ``rows`` being as they are now, or with kind ``restore`` take all back. Raises ValueError as ``step`` does."""
        if change.get("kind") == "restore":
            self._made = []
            return {"kind": "restore"}
        made = completed(self.shape, change)
        self._made.append((made, step(self.shape, rows, made)))
        return made

    def withdraw(self, change: dict[str, str], rows: list[Row]) -> None:
        """Take back one change that ``apply`` returned, ``rows`` being as the first entity has them. Raises ValueError when another depends on it."""
        kept = [one for one, _ in self._made if one is not change]
        fresh: Evolution[E] = Evolution(self._first)
        for one in kept:
            try:
                fresh._made.append((one, step(fresh.shape, [fresh.adapt(row) for row in rows], one)))
            except ValueError as error:
                raise ValueError(f"heal {one['kind']} of {one['name']} first: {error}") from error
        self._made = fresh._made
