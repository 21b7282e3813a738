"""Arrow arrays from lists of decoded cell values: one function a shape, and which values did not fit.

Every function returns the array and the positions that do not fit, each with a reason code; those positions are null in the array, and
the caller holds their whole rows back.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate, chain
from typing import Any

import pyarrow as pa

from connectors.kintone.schema import Shape

#: Position of a value that does not fit → reason code.
Bad = dict[int, str]

ABSENT = "field.absent"
_REASONS: dict[Shape, str] = {
    "text": "text.type",
    "number": "number.overflow",
    "timestamp": "timestamp.format",
    "date": "date.format",
    "time": "time.format",
    "minutes": "minutes.format",
}
_TIMES = frozenset({None, "", *(f"{hour:02}:{minute:02}" for hour in range(24) for minute in range(60))})
_MINUTES = re.compile(r"(-?)(\d+):([0-5]\d)", re.ASCII)
_NUMBER = re.compile(r"[+-]?(?:\d+\.?\d*|\.\d+)(?:[eE][+-]?\d+)?", re.ASCII)


@dataclass(frozen=True)
class Plan:
    """How one column, or one child of a nested column, is built. ``get`` takes the raw value out of a decoded record, row or item.

    ``get`` raises AttributeError where the key was absent.
    """

    name: str
    type: pa.DataType
    shape: Shape
    get: Callable[[Any], Any]
    children: tuple[Plan, ...] = ()


def build(plan: Plan, items: Sequence[Any]) -> tuple[pa.Array, Bad]:
    """The column of ``plan`` over decoded records (or rows, or items of a list)."""
    absent: Bad = {}
    try:
        values = list(map(plan.get, items))
    except AttributeError:
        values = list[Any]()
        for position, item in enumerate(items):
            try:
                values.append(plan.get(item))
            except AttributeError:
                values.append(None)
                absent[position] = ABSENT
    array, bad = _SHAPES[plan.shape](plan, values)
    return array, {**bad, **absent}


def _strings(plan: Plan, values: list[Any]) -> tuple[pa.Array, Bad]:
    """Text as it is, or cast by Arrow's lossless rules. Empty means unset: kintone sends "" and null for the same thing."""
    texts = [value or None for value in values] if "" in values else values
    plain = pa.array(texts, pa.string())
    if plan.type == plain.type:
        return plain, {}
    try:
        return plain.cast(plan.type), {}
    except pa.ArrowInvalid:
        bad = {position: _why(plan.shape, text) for position, text in enumerate(texts) if text is not None and not _fits(text, plan.type)}
        kept = [None if position in bad else text for position, text in enumerate(texts)]
        return pa.array(kept, pa.string()).cast(plan.type), bad


def _fits(text: str, kind: pa.DataType) -> bool:
    try:
        pa.array([text], pa.string()).cast(kind)
    except pa.ArrowInvalid:
        return False
    return True


def _why(shape: Shape, text: str) -> str:
    return "number.format" if shape == "number" and not _NUMBER.fullmatch(text) else _REASONS[shape]


def _times(plan: Plan, values: list[Any]) -> tuple[pa.Array, Bad]:
    """Clock times "HH:MM". "25:01" is a duration and no time of day."""
    if _TIMES.issuperset(values):
        return _strings(plan, values)
    bad = {position: _REASONS["time"] for position, value in enumerate(values) if value not in _TIMES}
    array, more = _strings(plan, [None if position in bad else value for position, value in enumerate(values)])
    return array, {**more, **bad}


def _minutes(plan: Plan, values: list[Any]) -> tuple[pa.Array, Bad]:
    """Durations "25:01" as minutes (1501)."""
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
    lists: list[list[str]] = [value or [] for value in values]
    for chosen in lists:
        chosen.sort()
    return pa.array(lists, pa.list_(pa.string())).cast(plan.type), {}


def _entity(plan: Plan, values: list[Any]) -> tuple[pa.Array, Bad]:
    """One user as code and name, or as the code alone where the contract says text."""
    if not pa.types.is_struct(plan.type):
        return pa.array([value.code if value else None for value in values], pa.string()).cast(plan.type), {}
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
    lists = [value or () for value in values]
    array, inner = _struct(plan.type.value_type, plan.children, list(chain.from_iterable(lists)))
    starts = list(accumulate(map(len, lists), initial=0))
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
