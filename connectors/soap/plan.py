"""What to take out of a reply: a tree of expected names compiled from the contract, and a slot in the raw row for each selected source."""

from __future__ import annotations

import contextlib
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from enum import Enum

import pyarrow as pa

from connectors.errors import ContractBroken, FixConfiguration
from connectors.protocol import Column
from connectors.soap.aside import Form
from connectors.soap.components import ITSELF, ComplexType, Contract, Element, Operation, SimpleType, UnknownPath
from connectors.soap.schema import row_element
from connectors.soap.xmltree import local

XSI = "http://www.w3.org/2001/XMLSchema-instance"
#: A source's ``@xsi:type`` is the type an element says it has, as ``{namespace}local``.
XSI_TYPE = f"{XSI}}}type"
QUALIFIED = frozenset({"QName", "NOTATION"})
ENVELOPES = ("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope")

#: What vendors call the code and the text inside of a fault's detail, in lower case.
DETAIL: dict[str, str] = dict.fromkeys(
    ("code", "errorcode", "faultcode", "exceptioncode", "errornumber", "statuscode"), "detail_code"
) | dict.fromkeys(("message", "errormessage", "exceptionmessage", "description", "text"), "detail_text")


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
    present. ``attributes`` maps attribute names to slots; ``scalars`` maps them to paths. ``qualified`` names the attributes, and by ""
    the text, that are QNames: their prefix means something only where it stands. ``form`` is how the element's bytes are written, where they
    are wanted as bytes; empty where it is text.
    """

    kind: Kind = Kind.THROUGH
    name: str = ""
    slot: int = -1
    width: int = 0
    form: Form | None = None
    children: dict[str, Step] = field(default_factory=dict[str, "Step"])
    attributes: dict[str, int] = field(default_factory=dict[str, int])
    scalars: dict[str, str] = field(default_factory=dict[str, str])
    qualified: set[str] = field(default_factory=set[str])

    def below(self) -> Iterator[int]:
        """The slots of this raw row that one element of this step may fill."""
        yield from (slot for slot in (self.slot, *self.attributes.values()) if slot >= 0)
        if self.kind in (Kind.THROUGH, Kind.LEAF):
            for child in self.children.values():
                yield from child.below()


@dataclass(frozen=True)
class Cell:
    """Where a column's raw value lies and what the contract says of it. ``simple`` is None for structs; ``many`` for lists.

    ``default`` is what an element that is there and empty stands for; ``fixed`` says that no other value may stand there. ``gathers``: the
    children are the row's own, not those of an element.
    """

    column: Column
    slot: int
    simple: SimpleType | None
    many: bool = False
    nillable: bool = True
    children: tuple[Cell, ...] = ()
    default: str | None = None
    fixed: bool = False
    gathers: bool = False


@dataclass(frozen=True)
class Plan:
    """``root`` expects the Envelope. ``cells`` are the columns, ``slots`` where single sources such as the bookmark lie.

    ``required`` names the elements between the Body's child and the row that must come. ``binary``: rows may hold attachments.
    ``repeated`` are the paths outside of the rows that lead through a repeated element.
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


class _Slots:
    """Slots of one raw row; two columns that read the same source share one."""

    def __init__(self) -> None:
        self.of: dict[str, int] = {}

    def take(self, source: str) -> int:
        return self.of.setdefault(source, len(self.of))


def compile_plan(
    contract: Contract,
    operation: Operation,
    *,
    rows: str | None,
    columns: Iterable[Column] = (),
    extra: Iterable[str] = (),
    scalars: Iterable[str] = (),
    content: tuple[str, Form] | None = None,
) -> Plan:
    """The plan for an operation's replies.

    ``columns`` are children of the row; ``extra`` further single sources of the row (bookmark, version); ``scalars`` paths outside of it
    that may end in ``@attribute``. ``content`` is the path of an element outside of the rows that is wanted as bytes, and its form. Raises AddressUnknown when the row path is gone and ContractBroken when a column is.
    """
    answer = Step(Kind.ANSWER)
    slots = _Slots()
    cells: list[Cell] = []
    required: list[str] = []
    if rows is not None:
        row_element(contract, operation, rows)
        trail = contract.walk(operation.output, rows)
        step = answer
        for element in trail[:-1]:
            if element.minimum > 0:
                required.append(local(element.name))
            step = step.children.setdefault(_expat(element.name), Step(name=local(element.name)))
        row = Step(Kind.ROW, local(trail[-1].name))
        step.children[_expat(trail[-1].name)] = row
        for column in columns:
            make = _gathering if column.source == ITSELF else _cell
            cells.append(make(contract, operation.name, trail[-1], row, slots, column))
        for source in extra:
            if source not in slots.of:
                _cell(contract, operation.name, trail[-1], row, slots, Column(source, source, pa.string()))
        row.width = len(slots.of)
    repeated = frozenset(path for path in scalars if _scalar(contract, operation, answer, path))
    if content is not None:
        _scalar(contract, operation, answer, *content)
    envelope = Step(children={})
    for uri in ENVELOPES:
        body = Step(Kind.BODY, children={_expat(operation.output.name): answer, f"{uri}}}Fault": _fault(uri)})
        envelope.children[f"{uri}}}Envelope"] = Step(children={f"{uri}}}Body": body})
    binary = any(_holds_bytes(cell) for cell in cells)
    return Plan(operation.name, rows or "", envelope, len(slots.of), tuple(cells), dict(slots.of), tuple(required), binary, repeated)


def form_of(simple: SimpleType) -> Form | None:
    """How the bytes of such a value are written; None for what is no bytes."""
    return {"base64Binary": "base64", "base64": "base64", "hexBinary": "hex"}.get(simple.builtin)  # type: ignore[return-value]


def _holds_bytes(cell: Cell) -> bool:
    return _form(cell.column.type, cell.simple) is not None or any(map(_holds_bytes, cell.children))


def _form(kind: pa.DataType, simple: SimpleType | None) -> Form | None:
    item = kind.value_type if isinstance(kind, pa.ListType) else kind
    return form_of(simple) if simple is not None and (pa.types.is_binary(item) or pa.types.is_large_binary(item)) else None


def _gathering(contract: Contract, operation: str, owner: Element, step: Step, slots: _Slots, column: Column) -> Cell:
    kind = column.type.value_type if isinstance(column.type, pa.ListType) else column.type
    if not pa.types.is_struct(kind) or not column.children:
        raise FixConfiguration("soap.column_itself", operation=operation, column=column.name)
    children = tuple(_cell(contract, operation, owner, step, slots, child) for child in column.children)
    return Cell(column, -1, None, children=children, gathers=True)


def _cell(contract: Contract, operation: str, owner: Element, step: Step, slots: _Slots, column: Column) -> Cell:
    path, _, attribute = column.source.partition("@")
    try:
        trail: tuple[Element, ...] = _trail(contract, owner, path) if path else ()
    except UnknownPath as error:
        raise ContractBroken(
            "soap.column_gone", operation=operation, column=column.name, source=column.source, candidates=", ".join(error.have) or "-"
        ) from error
    slot = slots.take(column.source)
    lists = [element for element in trail if element.many]
    if len(lists) > 1 or (lists and (attribute or lists[0] is not (owner, *trail)[-1])):
        raise FixConfiguration(
            "soap.column_inside_list", operation=operation, column=column.name, source=column.source, many=local(lists[0].name)
        )
    last = (owner, *trail)[-1]
    for element in trail if attribute else trail[:-1]:
        step = step.children.setdefault(_expat(element.name), Step(name=local(element.name)))
        if step.kind not in (Kind.THROUGH, Kind.LEAF) or (step.kind is Kind.LEAF and not attribute):
            raise FixConfiguration("soap.column_twice", operation=operation, column=column.name, source=column.source)
    kind = contract.type(last)
    if attribute == "xsi:type":
        step.attributes[XSI_TYPE] = slot
        return Cell(column, slot, SimpleType("xsi:type", "string", {"enumeration": (last.type, *_derived(contract, last.type))}))
    nillable = any(element.nillable or element.minimum == 0 for element in trail)
    if attribute:
        found = next((one for one in kind.attributes if one.name == attribute), None) if isinstance(kind, ComplexType) else None
        if found is None:
            have = ", ".join(one.name for one in kind.attributes) if isinstance(kind, ComplexType) else "-"
            raise ContractBroken("soap.column_gone", operation=operation, column=column.name, source=column.source, candidates=have or "-")
        step.attributes[attribute] = slot
        said = contract.simple(found.type)
        if said.builtin in QUALIFIED:
            step.qualified.add(attribute)
        return Cell(column, slot, said, nillable=not found.required)
    if len(trail) > 1 and last.many:
        step.slot = slot
    name = _expat(last.name)
    simple = isinstance(kind, SimpleType) or kind.text is not None
    wanted = (Kind.LEAVES if last.many else Kind.LEAF) if simple else Kind.GROUPS if last.many else Kind.GROUP
    form = _form(column.type, contract.simple(last.type)) if simple else None
    here = step.children.get(name)
    if here is None:
        here = step.children[name] = Step(wanted, local(last.name), slot, form=form)
    elif here.kind is Kind.THROUGH and simple and not here.children:
        here.kind, here.slot, here.form = wanted, slot, form
    elif here.kind is not wanted or here.slot != slot or here.form != form:
        raise FixConfiguration("soap.column_twice", operation=operation, column=column.name, source=column.source)
    if simple:
        text = contract.simple(last.type)
        if text.builtin in QUALIFIED:
            here.qualified.add("")
        default = None if last.many else last.default
        return Cell(column, slot, text, last.many, nillable, default=default, fixed=last.fixed)
    inner = _Slots()
    children = tuple(_cell(contract, operation, last, here, inner, child) for child in column.children)
    here.width = len(inner.of)
    return Cell(column, slot, None, last.many, nillable, children)


def _trail(contract: Contract, owner: Element, path: str) -> tuple[Element, ...]:
    """The elements along the path. Those of a derived type count: an element may say by xsi:type that it has them."""
    try:
        return contract.walk(owner, path)
    except UnknownPath:
        for name in _derived(contract, owner.type):
            with contextlib.suppress(UnknownPath):
                return contract.walk(replace(owner, type=name), path)
        raise


def _derived(contract: Contract, name: str) -> tuple[str, ...]:
    return tuple(other for other, kind in contract.types.items() if isinstance(kind, ComplexType) and name in kind.bases)


def _scalar(contract: Contract, operation: Operation, answer: Step, path: str, form: Form | None = None) -> bool:
    """Expect the value at the path; whether it leads through a repeated element."""
    names, _, attribute = path.partition("@")
    try:
        trail = contract.walk(operation.output, names)
    except UnknownPath as error:
        raise ContractBroken(
            "soap.column_gone", operation=operation.name, column=path, source=path, candidates=", ".join(error.have) or "-"
        ) from error
    step = answer
    for element in trail:
        step = step.children.setdefault(_expat(element.name), Step(name=local(element.name)))
    if attribute:
        step.scalars[attribute] = path
    else:
        step.kind, step.name, step.form = Kind.SCALAR, path, form
    return any(element.many for element in trail)


#: How deep in a fault's detail its code is looked for. What lies deeper is passed over.
_DETAIL_DEPTH = 8


def _detail() -> Step:
    """The detail's first child names the fault, and what is in it often has a code: vendors agree on no more (SOAP 1.1 §4.4)."""
    step = Step(Kind.FAULT_DETAIL)
    for _ in range(_DETAIL_DEPTH):
        step = Step(Kind.FAULT_DETAIL, children={"*": step})
    return Step(children={"*": step})


def _fault(uri: str) -> Step:
    """SOAP 1.1 §4.4 has unqualified children; SOAP 1.2 part 1 §5.4 has qualified, nested ones."""
    if uri == ENVELOPES[0]:
        return Step(
            Kind.ANSWER,
            "Fault",
            children={"faultcode": Step(Kind.FAULT_TEXT, "code"), "faultstring": Step(Kind.FAULT_TEXT, "text"), "detail": _detail()},
        )
    value, text = Step(Kind.FAULT_TEXT, "code"), Step(Kind.FAULT_TEXT, "text")
    subcode = Step(children={f"{uri}}}Value": Step(Kind.FAULT_TEXT, "subcode")})
    code = Step(children={f"{uri}}}Value": value, f"{uri}}}Subcode": subcode})
    reason = Step(children={f"{uri}}}Text": text})
    return Step(Kind.ANSWER, "Fault", children={f"{uri}}}Code": code, f"{uri}}}Reason": reason, f"{uri}}}Detail": _detail()})


def _expat(name: str) -> str:
    return name[1:] if name.startswith("{") else name
