"""Expects elements that repeat together, as one list in the order of the document."""

from __future__ import annotations

from collections.abc import Callable

import pyarrow as pa

from connectors.errors import FixConfiguration
from connectors.protocol import Column
from connectors.soap.components import Contract, Element, UnknownPath
from connectors.soap.repeats import is_repeat, item_of, repeat_at
from connectors.soap.slots import Slots, column_gone
from connectors.soap.steps import Cell, Kind, Step, Together, below, expat_name
from connectors.soap.xmltree import local

#: Checks what an element says to be, at its path in a raw row; makes cells of the columns of an item.
Typed = Callable[[Contract, Element, Step, Slots, str], None]
Cells = Callable[[Contract, str, Element, Step, Slots, tuple[Column, ...]], tuple[Cell, ...]]


def comes_together(cell: Cell) -> bool:
    """Whether a column is of such elements, or has one that is."""
    return is_repeat(cell.column.source) or any(map(comes_together, cell.children))


def expect_together(
    contract: Contract, operation: str, owner: Element, step: Step, slots: Slots, column: Column, typed: Typed, cells: Cells
) -> Cell:
    """A column of elements that repeat together: each that comes is an item, and makes one of their choices. ``typed`` and ``cells`` compile
    what the plan compiles everywhere: types that are said, and the columns of a raw row.
    """
    try:
        trail, source, group = repeat_at(contract, owner, column.source)
    except UnknownPath as error:
        raise column_gone(operation, column, error) from error
    if many := next((element for element in trail if element.many), None):
        raise FixConfiguration(
            "soap.column_inside_list", operation=operation, column=column.name, source=column.source, many=local(many.name)
        )
    twice = FixConfiguration("soap.column_twice", operation=operation, column=column.name, source=column.source)
    kind = column.type.value_type if isinstance(column.type, pa.ListType) else None
    if kind is None or not pa.types.is_struct(kind) or not column.children:
        raise FixConfiguration("soap.column_together", operation=operation, column=column.name, source=column.source, kind=str(column.type))
    slot = slots.take(source)
    for depth, element in enumerate(trail, 1):
        step = below(step, element)
        typed(contract, element, step, slots, "/".join(source.split("/")[:depth]))
        if step.kind is not Kind.THROUGH:
            raise twice
    if trail:
        step.slot = slot
    inside, item = item_of(contract, group)
    # What one item fills, until it is known how wide an item is; then its steps go where the elements stand.
    apart, inner, together = Step(Kind.GROUPS, local(item.name)), slots.below(source), Together(slot)
    children = cells(inside, operation, item, apart, inner, column.children)
    together.width = len(inner.of)
    others = {one.name for one in contract.children((owner, *trail)[-1])} - {one.name for one in group.elements}
    for name, child in apart.children.items():
        # What one of them is sent as may be the name of an element beside them.
        if name in step.children or name in map(expat_name, others):
            raise twice
        child.together, step.children[name] = together, child
    return Cell(column, slot, None, True, children=children, checks=tuple(inner.checks))
