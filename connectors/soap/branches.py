"""Expects what tells which branch of an xs:choice was taken, in whatever of a row is read. Source: XML Schema 1.0 part 1 §3.8."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from connectors.errors import FixConfiguration
from connectors.protocol import Column
from connectors.soap.choices import ChoiceMade, choice_at, choices_of
from connectors.soap.components import Choice, Contract, Element, UnknownPath
from connectors.soap.slots import Slots, column_gone
from connectors.soap.steps import Kind, Step, below, expat_name
from connectors.soap.xmltree import local


def way(contract: Contract, operation: str, owner: Element, step: Step, column: Column) -> tuple[str, Choice]:
    """Expect the elements down to the one whose choice the column is; the choice's full source, and the choice."""
    try:
        trail, source, choice = choice_at(contract, owner, column.source)
    except UnknownPath as error:
        raise column_gone(operation, column, error) from error
    for element in trail:
        if element.many:
            raise FixConfiguration(
                "soap.column_inside_list", operation=operation, column=column.name, source=column.source, many=local(element.name)
            )
        step = below(step, element)
        if step.kind is not Kind.THROUGH:
            raise FixConfiguration("soap.column_twice", operation=operation, column=column.name, source=column.source)
    return source, choice


def expect_choices(contract: Contract, element: Element, step: Step, slots: Slots, path: str, within: int, *, deeper: bool = True) -> None:
    """Check the choices of what is read by this raw row, from the element at ``path`` of it down, or of that element alone."""
    for source, choice in choices_of(contract, element.type):
        branches = tuple((local(names[0]), _marks(contract, element, step, slots, path, names)) for names in choice.branches)
        slots.checks.append(ChoiceMade(_joined(path, source), branches, choice.required, within))
    seen: set[int] = set()
    for child in _all_children(contract, element) if deeper else ():
        under = next((one for name in child.names if (one := step.children.get(expat_name(name))) is not None), None)
        if under is None or under.kind is not Kind.THROUGH or not under.children or id(under) in seen or under.together is not None:
            continue
        seen.add(id(under))
        at = _joined(path, local(child.name))
        judged = any(choice.required for _, choice in choices_of(contract, child.type))
        expect_choices(contract, child, under, slots, at, _mark(under, slots, at) if judged else -1)


def _marks(contract: Contract, element: Element, step: Step, slots: Slots, path: str, names: tuple[str, ...]) -> tuple[int, ...]:
    """The slots that say whether one of these children came, wanted or not."""
    found: dict[int, None] = {}
    for child in _all_children(contract, element):
        if child.name in names:
            at = _joined(path, local(child.name))
            for name in child.names:
                one = step.children.setdefault(expat_name(name), Step(name=local(name)))
                if one.together is not None:
                    # What came of it lies in an item of their list.
                    found[one.together.slot] = None
                    continue
                found[_mark(one, slots, at) if one.kind is Kind.THROUGH and one.slot < 0 else one.slot] = None
    return tuple(found)


def _mark(step: Step, slots: Slots, path: str) -> int:
    if step.mark < 0:
        step.mark = slots.take(f"#{path}")
    return step.mark


def _all_children(contract: Contract, element: Element) -> Iterator[Element]:
    for name in (element.type, *contract.derived(element.type)):
        yield from contract.children(replace(element, type=name))


def _joined(path: str, step: str) -> str:
    return f"{path}/{step}" if path else step
