"""The tree of elements that the decoder expects in a reply: what each is for, and where what it holds goes."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum

from connectors.soap.aside import Form
from connectors.soap.components import Element
from connectors.soap.pairs import Around, Gathered
from connectors.soap.xmltree import local

XSI = "http://www.w3.org/2001/XMLSchema-instance"
#: A source's ``@xsi:type`` is the type an element says it has, as ``{namespace}local``.
XSI_TYPE = f"{XSI}}}type"

#: What vendors call the code and the text inside of a fault's detail, in lower case.
DETAIL: Mapping[str, str] = {
    **dict.fromkeys(("code", "errorcode", "faultcode", "exceptioncode", "errornumber", "statuscode"), "detail_code"),
    **dict.fromkeys(("message", "errormessage", "exceptionmessage", "description", "faulttext", "text"), "detail_text"),
}


class Kind(Enum):
    """What an expected element is for: see ``Step``."""

    THROUGH = 0
    BODY = 1
    ANSWER = 2
    SCALAR = 3
    ROW = 4
    LEAF = 5
    LEAVES = 6
    GROUP = 7
    GROUPS = 8
    FAULT_TEXT = 9
    FAULT_DETAIL = 10


@dataclass
class Step:
    """An element the decoder expects. Names are as expat gives them, ``namespace}local``; ``*`` matches any name.

    LEAF and LEAVES put text into ``slot``; GROUP and GROUPS a raw row of ``width`` of their own; a THROUGH with ``slot`` marks a list as
    present. A GROUP or GROUPS with ``text`` has its element's own text at that slot of its row. ``attributes`` maps attribute names to slots, ``defaults`` some of them to what an absent one stands for; ``scalars`` maps them to paths. ``qualified`` names the attributes, and by ""
    the text, that are QNames: their prefix means something only where it stands. ``form`` is how the element's bytes are written, where they
    are wanted as bytes; empty where it is text. ``gathered`` are the pairs of this step's raw row; ``around`` says that it is a pair outside
    of the rows, ``within`` that rows count in one such pair alone. ``repeats``: it may come again with the same text.
    """

    kind: Kind = Kind.THROUGH
    name: str = ""
    slot: int = -1
    width: int = 0
    text: int = -1
    form: Form | None = None
    children: dict[str, Step] = field(default_factory=dict[str, "Step"])
    attributes: dict[str, int] = field(default_factory=dict[str, int])
    defaults: dict[str, str] = field(default_factory=dict[str, str])
    scalars: dict[str, str] = field(default_factory=dict[str, str])
    qualified: set[str] = field(default_factory=set[str])
    gathered: list[Gathered] = field(default_factory=list[Gathered])
    around: Around | None = None
    within: Around | None = None
    repeats: bool = False

    def below(self) -> Iterator[int]:
        """The slots of this raw row that one element of this step may fill."""
        yield from (slot for slot in (self.slot, *self.attributes.values()) if slot >= 0)
        if self.kind in (Kind.THROUGH, Kind.LEAF):
            for child in self.children.values():
                yield from child.below()


def below(step: Step, element: Element) -> Step:
    """The step for an element, whichever of its names it comes by."""
    names = [expat_name(name) for name in element.names]
    found = next((one for name in names if (one := step.children.get(name)) is not None), None) or Step(name=local(element.name))
    for name in names:
        step.children.setdefault(name, found)
    return found


def expat_name(name: str) -> str:
    return name[1:] if name.startswith("{") else name
