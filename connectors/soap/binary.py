"""Columns of bytes: from base64, hex and what was put aside to one Arrow array, each byte copied once."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import pyarrow as pa

from connectors.soap.aside import Attachment
from connectors.soap.lexical import read, value_of
from connectors.soap.notes import OfRows
from connectors.soap.raw import Block, Raw, RawRow
from connectors.soap.rules import Rules, Unfit
from connectors.soap.steps import Cell, Plan

#: The bytes from attachments that rows typed together may have; a row with more is typed alone.
_TOGETHER = 8 * 1024 * 1024


def column_of_bytes(cell: Cell, raw: Sequence[Raw], rules: Rules, odd: OfRows) -> tuple[pa.Array[Any], dict[int, Unfit]]:
    """The typed column of a type ``binary`` or ``large_binary``, null in the rows that are unfit."""
    import numpy as np

    unfit: dict[int, Unfit] = {}
    values: list[bytes | Attachment | None] = []
    for index, one in enumerate(raw):
        try:
            values.append(_checked(cell, one, rules))
        except Unfit as error:
            values.append(None)
            unfit[index] = error
        odd.take(cell.column, index, rules.met)
    sizes = [0 if one is None else one.size if isinstance(one, Attachment) else len(one) for one in values]
    offsets = np.zeros(len(values) + 1, np.int32)
    np.cumsum(sizes, out=offsets[1:])
    data = bytearray(int(offsets[-1]))
    view = memoryview(data)
    for one, start in zip(values, offsets[:-1].tolist(), strict=True):
        for piece in one.pieces() if isinstance(one, Attachment) else (one or b"",):
            view[start : start + len(piece)] = piece
            start += len(piece)
    there = pa.array([one is not None for one in values], pa.bool_())
    buffers = [there.buffers()[1] if None in values else None, pa.py_buffer(offsets), pa.py_buffer(data)]
    made = pa.Array.from_buffers(pa.binary(), len(values), buffers)
    return (made if cell.column.type == made.type else made.cast(cell.column.type)), unfit


def _checked(cell: Cell, raw: Raw, rules: Rules) -> bytes | Attachment | None:
    if not isinstance(raw, Attachment):
        return value_of(cell, raw, rules)
    assert cell.simple is not None
    return read(raw, cell.simple) if raw.unfit else raw


def portions(rows: Sequence[RawRow], plan: Plan) -> Iterator[Sequence[RawRow]]:
    """The rows in portions whose attachments memory can hold."""
    if not plan.binary or isinstance(rows, Block):
        yield rows
        return
    first = size = 0
    for index, row in enumerate(rows):
        weight = _weight(row)
        if index > first and size + weight > _TOGETHER:
            yield rows[first:index]
            first, size = index, 0
        size += weight
    yield rows[first:]


def _weight(raw: Raw) -> int:
    if isinstance(raw, list):
        return sum(map(_weight, raw))
    return raw.size if isinstance(raw, Attachment) else 0
