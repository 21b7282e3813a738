"""What a plan looks at beside its columns: elements that are unknown, types that are said, and choices that are made."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

from connectors.soap.checks import TypeSaid
from connectors.soap.choices import ChoiceMade, choices_of
from connectors.soap.components import TYPE_SAID, ComplexType, Contract, Element
from connectors.soap.known import Known
from connectors.soap.slots import Slots
from connectors.soap.steps import XSI_TYPE, Kind, Step, expat_name
from connectors.soap.xmltree import local


def judge_choices(contract: Contract, element: Element, step: Step, slots: Slots, path: str, within: int) -> None:
    """Check the choices of what is read by this raw row, from the element at ``path`` of it down."""
    for source, choice in choices_of(contract, element.type):
        branches = tuple((local(names[0]), _marks(contract, element, step, slots, path, names)) for names in choice.branches)
        slots.checks.append(ChoiceMade(_joined(path, source), branches, choice.required, within))
    seen: set[int] = set()
    for child in _all_children(contract, element):
        below = next((one for name in child.names if (one := step.children.get(expat_name(name))) is not None), None)
        if below is None or below.kind is not Kind.THROUGH or not below.children or id(below) in seen:
            continue
        seen.add(id(below))
        at = _joined(path, local(child.name))
        judged = any(choice.required for _, choice in choices_of(contract, child.type))
        judge_choices(contract, child, below, slots, at, _mark(below, slots, at) if judged else -1)


def _marks(contract: Contract, element: Element, step: Step, slots: Slots, path: str, names: tuple[str, ...]) -> tuple[int, ...]:
    """The slots that say whether one of these children came, wanted or not."""
    found: dict[int, None] = {}
    for child in _all_children(contract, element):
        if child.name in names:
            at = _joined(path, local(child.name))
            for name in child.names:
                one = step.children.setdefault(expat_name(name), Step(name=local(name)))
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


def judge_type(contract: Contract, element: Element, step: Step, slots: Slots, path: str, *, always: bool = False) -> None:
    """Check what an element says to be by xsi:type, where that can be more than one thing or ``always``."""
    further = contract.derived(element.type)
    if XSI_TYPE in step.attributes or not isinstance(contract.type(element), ComplexType) or not (further or always):
        return
    source = f"{path}@{TYPE_SAID}"
    step.attributes[XSI_TYPE] = slot = slots.take(source)
    slots.checks.append(TypeSaid(source, slot, frozenset((element.type, *further))))


def know(step: Step, known: Known, path: str) -> None:
    """Tell the steps from here down what the contract lets stand in their elements."""
    step.known, step.path, step.array = known, path, "*" in step.children
    for name, child in step.children.items():
        inside = known.at(name)
        if inside is not None and child.known is None:
            know(child, inside, f"{path}/{local(name)}" if path else local(name))
