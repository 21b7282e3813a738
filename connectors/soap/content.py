"""What the content model of a complex type holds, put together part by part: elements, choices, what repeats, what is left open."""

from __future__ import annotations

from dataclasses import dataclass, replace

from connectors.soap.components import Choice, Element
from connectors.soap.xmltree import local


@dataclass(frozen=True)
class Content:
    """What a content model, or a part of one, holds. ``empty``: it may be there without any element."""

    elements: tuple[Element, ...] = ()
    open: bool = False
    choices: tuple[Choice, ...] = ()
    repeats: tuple[tuple[str, ...], ...] = ()
    empty: bool = False

    def then(self, more: Content) -> Content:
        """Both, one after the other."""
        return Content(
            (*self.elements, *more.elements),
            self.open or more.open,
            (*self.choices, *more.choices),
            (*self.repeats, *more.repeats),
            self.empty and more.empty,
        )


def chosen(parts: tuple[Content, ...], *, required: bool, repeated: bool) -> Content:
    """A choice among parts. A branch that may be empty, or is what the schema leaves open, can't be missed."""
    whole = Content(empty=True)
    for part in parts:
        whole = whole.then(part)
    whole = replace(whole, empty=not parts or any(part.empty for part in parts))
    named = [tuple(one.name for one in part.elements) for part in parts if part.elements]
    if not named:
        return whole
    name = local(named[0][0])
    must = required and all(part.elements and not part.empty and not part.open for part in parts)
    made = Choice(name, tuple(named), must, repeated)
    elements = tuple(replace(one, choice=one.choice or name) for one in whole.elements)
    return replace(whole, elements=elements, choices=(made, *whole.choices) if len(named) > 1 or must else whole.choices)
