"""All columns of a page at once: values that become Arrow the same way are converted together, as long as every one of them fits.

This is the quick way only. Where a single value does not fit, or a key is absent, nothing is built here and ``cells`` goes column by
column to find out which.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import msgspec
import pyarrow as pa

from connectors.kintone.cells import Plan, are_times, build_values
from connectors.kintone.layout import Layout
from connectors.kintone.repeats import Repeats, Unfit, WornOut, codes_of
from connectors.kintone.schema import Shape

_TEXTUAL: frozenset[Shape] = frozenset({"text", "number", "timestamp", "date", "time"})
_STRING = pa.string()


@dataclass(frozen=True)
class Built:
    """A page in which everything fits: its columns, and the people in each row by field code. Columns of one type may share buffers."""

    columns: list[pa.Array]
    ids: list[int]
    revisions: list[str]
    people: Mapping[str, list[tuple[str, ...]]]


class PageColumns:
    """Reads whole pages in which everything fits. Made once a layout."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._repeats = {attribute: Repeats(attribute, cell) for attribute, cell in layout.repeating().items()}
        self._together: dict[pa.DataType, list[int]] = {}
        for at, plan in enumerate(layout.plans):
            if plan.shape in _TEXTUAL and not _is_id(plan):
                self._together.setdefault(plan.type, []).append(at)
        self._options_only = True
        self._make()

    def _make(self) -> None:
        self._decoder = self._layout.decoder(raw=frozenset(self._repeats), options_only=self._options_only)
        self._alone = tuple(
            (at, plan) for at, plan in enumerate(self._layout.plans) if plan.shape not in _TEXTUAL and plan.attribute not in self._repeats
        )
        self._looked_up = tuple((at, plan) for at, plan in enumerate(self._layout.plans) if plan.attribute in self._repeats)
        self._ids = tuple(at for at, plan in enumerate(self._layout.plans) if _is_id(plan))

    def read(self, body: bytes) -> Built | None:
        """The page in ``body``, with the same arrays as ``cells.build`` gives one by one; None when anything in it does not fit."""
        while True:
            try:
                return self._read(self._decoder.decode(body).records)
            except WornOut as worn:
                del self._repeats[worn.attribute]
                self._make()
            except msgspec.MsgspecError:
                if not self._options_only:
                    return None
                # An option that was deleted still stands in records: from here on options are texts like any other.
                self._options_only = False
                self._make()
            except (Unfit, AttributeError, ValueError, OverflowError, RecursionError):
                # Said anew, and for the very cell, by whoever reads the page cell by cell.
                return None

    def _read(self, records: Sequence[Any]) -> Built | None:
        rows = len(records)
        numbers = [record.id.value for record in records]
        digits = "".join(numbers)
        if not (digits.isascii() and digits.isdigit()):
            return None
        ids = list(map(int, numbers))
        plans = self._layout.plans
        arrays: dict[int, pa.Array] = {at: pa.array(ids, plans[at].type) for at in self._ids}
        for kind, positions in self._together.items():
            flat: list[Any] = []
            for at in positions:
                values = plans[at].read(records)
                if plans[at].shape == "time" and not are_times(values):
                    return None
                flat += values
            array = pa.array(flat, _STRING)
            if kind != _STRING:
                array = array.cast(kind)
            arrays.update((at, array.slice(number * rows, rows)) for number, at in enumerate(positions))
        for at, plan in self._alone:
            arrays[at], bad = build_values(plan, plan.read(records))
            if bad:
                return None
        places = {attribute: repeats.places(records) for attribute, repeats in self._repeats.items()}
        for at, plan in self._looked_up:
            arrays[at] = self._repeats[plan.attribute].column(plan, places[plan.attribute])
        people = {
            code: self._repeats[plan.attribute].codes(places[plan.attribute])
            if plan.attribute in self._repeats
            else [codes_of(value) for value in plan.read(records)]
            for code, plan in self._layout.people.items()
        }
        return Built([arrays[at] for at in range(len(plans))], ids, [record.revision.value for record in records], people)


def _is_id(plan: Plan) -> bool:
    return plan.path == "id.value" and pa.types.is_int64(plan.type)
