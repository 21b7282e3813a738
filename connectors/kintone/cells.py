"""Arrow arrays from lists of decoded cell values: one function a shape, and which values did not fit.

Every function returns the array and the positions that do not fit, each with a reason code; those positions are null in the array, and
the caller holds their whole rows back.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from operator import attrgetter
from typing import Any

import pyarrow as pa

from connectors.kintone.schema import Shape

#: Position of a value that does not fit → reason code.
Bad = dict[int, str]

ABSENT = "field.absent"
#: A value of a kind that the column can't hold, whatever it is: the field is of another type than the contract's.
OTHER_TYPE = "field.type"
_REASONS: dict[Shape, str] = {
    "text": "text.type",
    "number": "number.overflow",
    "timestamp": "timestamp.format",
    "date": "date.format",
    "time": "time.format",
    "minutes": "minutes.format",
}
_TIMES = frozenset({None, *(f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(60))})
#: As many hours as eight bytes hold in minutes, and far more.
_MINUTES = re.compile(r"(-?)(\d{1,16}):([0-5]\d)", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Plan:
    """How one column, or one child of a nested column, is built. ``path`` is where a decoded record, row or item has its raw value.

    Empty means unset: kintone sends "", [] and null for the same thing, and all are None here.
    """

    name: str
    type: pa.DataType
    shape: Shape
    path: str
    children: tuple[Plan, ...] = ()

    @cached_property
    def attribute(self) -> str:
        """The record's attribute that the value stands in."""
        return self.path.partition(".")[0]

    @cached_property
    def get(self) -> Callable[[Any], Any]:
        """The value of one item as it was sent. Raises AttributeError where the key was absent."""
        return attrgetter(self.path)

    @cached_property
    def read(self) -> Callable[[Sequence[Any]], list[Any]]:
        """The values of all items. Raises AttributeError where a key was absent.

        Compiled for its path, which we made ourselves: attribute names written in code are read twice as fast as looked up by string.
        """
        if not all(part.isidentifier() for part in self.path.split(".")):
            raise ValueError(f"{self.path!r} is no path of attributes")
        return eval(f"lambda items: [item.{self.path} or None for item in items]")


def build(plan: Plan, items: Sequence[Any]) -> tuple[pa.Array, Bad]:
    """The column of ``plan`` over decoded records (or rows, or items of a list)."""
    try:
        return build_values(plan, plan.read(items))
    except AttributeError:
        values = list[Any]()
        absent: Bad = {}
        for position, item in enumerate(items):
            try:
                values.append(plan.get(item) or None)
            except AttributeError:
                values.append(None)
                absent[position] = ABSENT
        array, bad = build_values(plan, values)
        return array, {**bad, **absent}


def build_values(plan: Plan, values: list[Any]) -> tuple[pa.Array, Bad]:
    """The column of ``plan`` from its raw values, None where unset."""
    return _SHAPES[plan.shape](plan, values)


def _strings(plan: Plan, values: list[Any]) -> tuple[pa.Array, Bad]:
    """Text as it is, or cast by Arrow's lossless rules."""
    plain = pa.array(values, pa.string())
    if plan.type == plain.type:
        return plain, {}
    try:
        return plain.cast(plan.type), {}
    except pa.ArrowInvalid:
        bad = {position: _why(plan.shape, values[position]) for position in _unfit(plain, plan.type, 0)}
        kept = [None if position in bad else text for position, text in enumerate(values)]
        return pa.array(kept, pa.string()).cast(plan.type), bad


def _unfit(texts: pa.Array, kind: pa.DataType, start: int) -> Iterator[int]:
    """Positions, from ``start``, of the texts that ``kind`` cannot hold: halves are tried until what fails is a single one."""
    try:
        texts.cast(kind)
    except pa.ArrowInvalid:
        if len(texts) == 1:
            yield start
            return
        half = len(texts) // 2
        yield from _unfit(texts.slice(0, half), kind, start)
        yield from _unfit(texts.slice(half), kind, start + half)


def _why(shape: Shape, text: str) -> str:
    return "number.format" if shape == "number" and not _NUMBER.fullmatch(text) else _REASONS[shape]


def are_times(values: list[Any]) -> bool:
    """Whether all are clock times "HH:MM" or unset. "25:01" is a duration and no time of day."""
    return _TIMES.issuperset(values)


def _times(plan: Plan, values: list[Any]) -> tuple[pa.Array, Bad]:
    if are_times(values):
        return _strings(plan, values)
    bad = {position: _REASONS["time"] for position, value in enumerate(values) if value not in _TIMES}
    array, more = _strings(plan, [None if position in bad else value for position, value in enumerate(values)])
    return array, {**more, **bad}


def _minutes(plan: Plan, values: list[Any]) -> tuple[pa.Array, Bad]:
    """Durations "25:01" as minutes (1501). A column of amounts holds none: minutes would look like an amount there."""
    if not (pa.types.is_integer(plan.type) or pa.types.is_string(plan.type)):
        return pa.nulls(len(values), plan.type), {position: OTHER_TYPE for position, value in enumerate(values) if value is not None}
    bad: Bad = {}
    minutes: list[int | None] = []
    for position, value in enumerate(values):
        found = _MINUTES.fullmatch(value) if value else None
        if value and found is None:
            bad[position] = _REASONS["minutes"]
        minutes.append(None if found is None else (-1 if found[1] else 1) * (int(found[2]) * 60 + int(found[3])))
    return pa.array(minutes, pa.int64()).cast(plan.type), bad


def _texts(plan: Plan, values: list[Any]) -> tuple[pa.Array, Bad]:
    """Chosen options, sorted: kintone gives their order no meaning, and it must not look like a change."""
    for chosen in values:
        if chosen and len(chosen) > 1:
            chosen.sort()
    flat, starts = _flat(values)
    array = pa.ListArray.from_arrays(pa.array(starts, pa.int32()), pa.array(flat, pa.string()))
    return (array if array.type == plan.type else array.cast(plan.type)), {}


def _flat(lists: list[Any]) -> tuple[list[Any], list[int]]:
    """The items of all lists, and where each list starts among them (and the last one ends). An unset list has no items."""
    flat: list[Any] = []
    starts = [0]
    for items in lists:
        if items:
            flat += items
        starts.append(len(flat))
    return flat, starts


def _entity(plan: Plan, values: list[Any]) -> tuple[pa.Array, Bad]:
    """One user as code and name, or as the code alone where the contract says text."""
    if not pa.types.is_struct(plan.type):
        return pa.array([value.code if value else None for value in values], pa.string()).cast(plan.type), {}
    if all(values):
        return _struct(plan.type, plan.children, values)
    array, bad = _struct(plan.type, plan.children, [value or _NOBODY for value in values])
    empty = pa.array([value is None for value in values], pa.bool_())
    return pa.StructArray.from_arrays(array.flatten(), fields=list(plan.type), mask=empty), bad


@dataclass(frozen=True)
class _Nobody:
    code: str | None = None
    name: str | None = None


_NOBODY = _Nobody()


def _entities(plan: Plan, values: list[Any]) -> tuple[pa.Array, Bad]:
    """Users, groups or organisations; as codes alone where the contract's list holds text."""
    if not pa.types.is_struct(plan.type.value_type):
        return pa.array([[one.code for one in value or ()] for value in values], pa.list_(pa.string())).cast(plan.type), {}
    return _structs(plan, values)


def _structs(plan: Plan, values: list[Any]) -> tuple[pa.Array, Bad]:
    """Lists of structs (people, files, table rows); a child that does not fit spoils the record it stands in."""
    flat, starts = _flat(values)
    array, inner = _struct(plan.type.value_type, plan.children, flat)
    bad = {bisect_right(starts, position) - 1: reason for position, reason in inner.items()}
    return pa.ListArray.from_arrays(pa.array(starts, pa.int32()), array, type=plan.type), bad


def _struct(kind: pa.DataType, children: tuple[Plan, ...], items: Sequence[Any]) -> tuple[pa.Array, Bad]:
    arrays: list[pa.Array] = []
    bad: Bad = {}
    for child in children:
        array, wrong = build(child, items)
        arrays.append(array)
        bad.update(wrong)
    return pa.StructArray.from_arrays(arrays, fields=list(kind)), bad


_SHAPES: dict[Shape, Callable[[Plan, list[Any]], tuple[pa.Array, Bad]]] = {
    "text": _strings,
    "number": _strings,
    "timestamp": _strings,
    "date": _strings,
    "time": _times,
    "minutes": _minutes,
    "texts": _texts,
    "entity": _entity,
    "entities": _entities,
    "files": _structs,
    "table": _structs,
}
