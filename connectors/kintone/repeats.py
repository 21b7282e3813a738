"""Cells that repeat from record to record (people, chosen options): each distinct one is decoded once a pull and then only looked up."""

from __future__ import annotations

from array import array
from collections.abc import Callable, Sequence
from typing import Any

import msgspec
import pyarrow as pa

from connectors.kintone.cells import Plan, build_values

#: Distinct cells of one field that are remembered; above this the field is read like any other.
MOST = 1024


class Unfit(Exception):
    """A cell is absent, is of another shape or does not fit its column: the page is to be read cell by cell."""


class WornOut(Exception):
    """More than ``MOST`` distinct cells: the field in ``attribute`` does not repeat."""

    def __init__(self, attribute: str) -> None:
        super().__init__(attribute)
        self.attribute = attribute


class Repeats:
    """The distinct cells of one attribute of the records, with the column built of them."""

    def __init__(self, attribute: str, cell: Any) -> None:
        self._attribute = attribute
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(cell)
        self._places: dict[bytes, int] = {}
        self._values: list[Any] = []
        self._built: dict[str, pa.Array] = {}
        self._codes: list[tuple[str, ...]] = []
        # As in ``Plan.read``: an attribute of ours, written in code.
        self._read: Callable[[Sequence[Any], dict[bytes, int]], list[int]] = eval(
            f"lambda records, places: [places[bytes(record.{attribute})] for record in records]"
        )
        self._one: Callable[[Any], Any] = eval(f"lambda record: record.{attribute}")

    def places(self, records: Sequence[Any]) -> list[int]:
        """Where each record's cell is among the distinct ones. Raises Unfit, WornOut."""
        try:
            return self._read(records, self._places)
        except KeyError:
            self._learn(records)
            return self._read(records, self._places)
        except TypeError as error:
            raise Unfit from error

    def column(self, plan: Plan, places: list[int]) -> pa.Array:
        """The column of ``plan``, whose values are this attribute's. Raises Unfit."""
        built = self._built.get(plan.name)
        if built is None or len(built) != len(self._values):
            built, bad = build_values(plan, self._values)
            if bad:
                raise Unfit
            self._built[plan.name] = built
        return built.take(pa.Array.from_buffers(pa.int32(), len(places), [None, pa.py_buffer(array("i", places))]))

    def codes(self, places: list[int]) -> list[tuple[str, ...]]:
        """The codes of the people in each record's cell."""
        self._codes += [codes_of(value) for value in self._values[len(self._codes) :]]
        known = self._codes
        return [known[place] for place in places]

    def _learn(self, records: Sequence[Any]) -> None:
        for record in records:
            raw = self._one(record)
            if raw is msgspec.UNSET:
                raise Unfit
            cell = bytes(raw)
            if cell not in self._places:
                try:
                    value = self._decoder.decode(cell).value
                except msgspec.MsgspecError as error:
                    raise Unfit from error
                if len(self._values) == MOST:
                    raise WornOut(self._attribute)
                self._places[cell] = len(self._values)
                self._values.append(value or None)


def codes_of(value: Any) -> tuple[str, ...]:
    """The codes in the value of a cell of one person or a list of them, None being nobody."""
    if value is None:
        return ()
    return tuple(one.code for one in (value if isinstance(value, list) else [value]) if one.code)
