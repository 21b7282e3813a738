"""What the decoder looks for in a reply, once a plan is compiled: steps by expanded name, and cells that say what their values are."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from enum import Enum
from typing import Literal

from connectors.protocol import Column
from connectors.soap.aside import Form
from connectors.soap.checks import Check
from connectors.soap.choices import ChoiceMade
from connectors.soap.components import Element, SimpleType
from connectors.soap.known import Known
from connectors.soap.layout import Layout
from connectors.soap.pairs import Around, Gathered
from connectors.soap.raw import Raw, RawRow
from connectors.soap.reading import Reading
from connectors.soap.xmltree import local

XSI = "http://www.w3.org/2001/XMLSchema-instance"
#: A source's ``@xsi:type`` is the type an element says it has, as ``{namespace}local``.
XSI_TYPE = f"{XSI}}}type"
QUALIFIED = frozenset({"QName", "NOTATION"})

#: What vendors call the code and the text inside of a fault's detail, in lower case.
DETAIL: Mapping[str, str] = {
    **dict.fromkeys(("code", "errorcode", "faultcode", "exceptioncode", "errornumber", "statuscode"), "detail_code"),
    **dict.fromkeys(("message", "errormessage", "exceptionmessage", "description", "faulttext", "text"), "detail_text"),
}


#: Whether an element's inside is XML always, or only where elements stand in it: else it is the text that it says.
XmlInside = Literal["always", "elements"]
#: How the inside of an element that a column has whole is a text: XML, or JSON laid out as the contract says.
Inside = XmlInside | Layout


@dataclass
class Together:
    """Where elements go that repeat together: each that comes is a raw row of ``width``, in the list at ``slot`` of the row they stand in."""

    slot: int
    width: int = 0


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
    PASSED = 11


@dataclass
class Step:
    """An element the decoder expects. Names are as expat gives them, ``namespace}local``; ``*`` matches any name.

    LEAF and LEAVES put text into ``slot``; GROUP and GROUPS a raw row of ``width`` of their own; a THROUGH with ``slot`` marks a list as
    present. A GROUP or GROUPS with ``text`` has its element's own text at that slot of its row. ``attributes`` maps attribute names to slots, ``defaults`` some of them to what an absent one stands for; ``scalars`` maps them to paths. ``qualified`` names the attributes, and by ""
    the text, that are QNames: their prefix means something only where it stands. ``form`` is how the element's bytes are written, where they
    are wanted as bytes; empty where it is text. ``gathered`` are the pairs of this step's raw row; ``around`` says that it is a pair outside
    of the rows, ``within`` that rows count in one such pair alone. ``repeats``: it may come again with the same text.

    ``known`` is what the contract lets stand in the element, wanted or not, and ``path`` where the element is; PASSED steps are for elements
    that are known and not wanted. An ``array`` is one of SOAP encoding: it may say how many items it holds. A THROUGH with
    ``mark`` says in that slot that its element came. The ``inside`` of a LEAF, LEAVES or ROW that has one goes to its slot as
    text. A step with ``together`` is for one of several elements that repeat together: what it fills lies in an item of theirs.
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
    known: Known | None = None
    path: str = ""
    array: bool = False
    mark: int = -1
    inside: Inside | None = None
    together: Together | None = None

    def below(self) -> Iterator[int]:
        """The slots of this raw row that one element of this step may fill."""
        if self.together is not None:
            yield self.together.slot
            return
        yield from (slot for slot in (self.slot, *self.attributes.values()) if slot >= 0)
        if self.kind in (Kind.THROUGH, Kind.LEAF):
            for child in self.children.values():
                yield from child.below()


@dataclass(frozen=True)
class Cell:
    """Where a column's raw value lies and what the contract says of it. ``simple`` is None for structs; ``many`` for lists.

    ``default`` is what an element that is there and empty stands for; ``fixed`` says that no other value may stand there. Without ``fills``
    the default is no matter of empty texts (an attribute's). ``gathers``: the children are the row's own, not those of an element.
    ``reading`` is what the contract declares of the text. ``checks`` hold for each raw row that is such a struct. ``part``:
    the column is not the value but what its text says beside it (see the module ``beside``); ``keeps_zone``: such a column has the zone of
    this one. ``beside``: where an amount's currency lies. A column with ``branch`` has
    no slot: its value is what was chosen.
    """

    column: Column
    slot: int
    simple: SimpleType | None
    many: bool = False
    nillable: bool = True
    children: tuple[Cell, ...] = ()
    default: str | None = None
    fixed: bool = False
    fills: bool = True
    gathers: bool = False
    reading: Reading | None = None
    checks: tuple[Check, ...] = ()
    part: str = ""
    keeps_zone: bool = False
    beside: int = -1
    branch: ChoiceMade | None = None

    def of(self, row: RawRow) -> Raw:
        """The column's raw value in a raw row."""
        return row[self.slot] if self.branch is None else self.branch.said(row)


@dataclass(frozen=True)
class Plan:
    """``root`` expects the Envelope. ``cells`` are the columns, ``slots`` where single sources such as the bookmark lie.

    ``required`` names the elements between the Body's child and the row that must come. ``binary``: rows may hold attachments.
    ``repeated`` are the paths outside of the rows that lead through a repeated element. ``checks`` hold for every row. In a reply that is
    ``encoded`` an element's value may stand elsewhere (SOAP 1.1 §5.4.1). ``together``: steps of it are for elements that repeat together.
    """

    operation: str
    rows: str
    root: Step
    width: int
    cells: tuple[Cell, ...]
    slots: dict[str, int]
    required: tuple[str, ...] = ()
    binary: bool = False
    repeated: frozenset[str] = frozenset()
    checks: tuple[Check, ...] = ()
    encoded: bool = False
    together: bool = False


def below(step: Step, element: Element) -> Step:
    """The step for an element, whichever of its names it comes by."""
    names = [expat_name(name) for name in element.names]
    found = next((one for name in names if (one := step.children.get(name)) is not None), None) or Step(name=local(element.name))
    for name in names:
        step.children.setdefault(name, found)
    return found


def expat_name(name: str) -> str:
    return name[1:] if name.startswith("{") else name
