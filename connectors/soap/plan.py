"""What to take out of a reply: a tree of expected names compiled from the contract, and a slot in the raw row for each selected source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from enum import Enum

import pyarrow as pa

from connectors.errors import ContractBroken, FixConfiguration
from connectors.protocol import Column
from connectors.soap.aside import Form
from connectors.soap.beside import PARTS, has_part, with_kept_zones
from connectors.soap.components import ITSELF, TEXT, TYPE_SAID, ComplexType, Contract, Element, Operation, SimpleType, UnknownPath
from connectors.soap.reading import Reading
from connectors.soap.schema import LISTS, row_element
from connectors.soap.xmltree import local

XSI = "http://www.w3.org/2001/XMLSchema-instance"
#: A source's ``@xsi:type`` is the type an element says it has, as ``{namespace}local``.
XSI_TYPE = f"{XSI}}}type"
QUALIFIED = frozenset({"QName", "NOTATION"})
ENVELOPES = ("http://schemas.xmlsoap.org/soap/envelope/", "http://www.w3.org/2003/05/soap-envelope")

#: What vendors call the code and the text inside of a fault's detail, in lower case.
DETAIL: Mapping[str, str] = {
    **dict.fromkeys(("code", "errorcode", "faultcode", "exceptioncode", "errornumber", "statuscode"), "detail_code"),
    **dict.fromkeys(("message", "errormessage", "exceptionmessage", "description", "text"), "detail_text"),
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
    are wanted as bytes; empty where it is text.
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

    def below(self) -> Iterator[int]:
        """The slots of this raw row that one element of this step may fill."""
        yield from (slot for slot in (self.slot, *self.attributes.values()) if slot >= 0)
        if self.kind in (Kind.THROUGH, Kind.LEAF):
            for child in self.children.values():
                yield from child.below()


@dataclass(frozen=True)
class Cell:
    """Where a column's raw value lies and what the contract says of it. ``simple`` is None for structs; ``many`` for lists.

    ``default`` is what an element that is there and empty stands for; ``fixed`` says that no other value may stand there. Without ``fills``
    the default is no matter of empty texts (an attribute's). ``gathers``: the children are the row's own, not those of an element.
    ``reading`` is what the contract declares of the text. ``part``: the column is not the value but what its text says beside it (see the
    module ``beside``); ``keeps_zone``: such a column has the zone of this one. ``beside``: where an amount's currency lies.
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
    part: str = ""
    keeps_zone: bool = False
    beside: int = -1


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
    """Slots of one raw row; two columns that read the same source share one. ``at`` is the path of that row, with what is declared below."""

    def __init__(self, readings: Mapping[str, Reading], at: str = "", *, encoded: bool = False) -> None:
        self.of: dict[str, int] = {}
        self.readings, self.at, self.encoded = readings, at, encoded

    def reading(self, source: str) -> Reading | None:
        return self.readings.get(self.at + source)

    def below(self, source: str) -> _Slots:
        return _Slots(self.readings, f"{self.at}{source}/", encoded=self.encoded)

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
    readings: Mapping[str, Reading] | None = None,
) -> Plan:
    """The plan for an operation's replies.

    ``columns`` are children of the row; ``extra`` further single sources of the row (bookmark, version); ``scalars`` paths outside of it
    that may end in ``@attribute``. ``content`` is the path of an element outside of the rows that is wanted as bytes, and its form.
    ``readings`` are the contract's own declarations by source path. Raises AddressUnknown when the row path is gone and ContractBroken when
    a column is.
    """
    answer = Step(Kind.ANSWER)
    slots = _Slots(readings or {}, encoded=operation.use == "encoded")
    cells: list[Cell] = []
    required: list[str] = []
    if rows is not None:
        row_element(contract, operation, rows)
        trail = contract.walk(operation.output, rows)
        step = answer
        for element in trail[:-1]:
            if element.minimum > 0:
                required.append(local(element.name))
            step = _below(step, element)
        row = Step(Kind.ROW, local(trail[-1].name))
        step.children.update(dict.fromkeys(map(_expat, trail[-1].names), row))
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
    kept = with_kept_zones(tuple(cells))
    binary = any(_holds_bytes(cell) for cell in kept)
    return Plan(operation.name, rows or "", envelope, len(slots.of), kept, dict(slots.of), tuple(required), binary, repeated)


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
    if path and attribute in PARTS:
        return _part(contract, operation, owner, step, slots, column)
    try:
        trail: tuple[Element, ...] = contract.reach(owner, path) if path else ()
    except UnknownPath as error:
        raise ContractBroken(
            "soap.column_gone", operation=operation, column=column.name, source=column.source, candidates=", ".join(error.have) or "-"
        ) from error
    slot, reading = slots.take(column.source), slots.reading(column.source)
    beside = _beside(contract, operation, owner, step, slots, reading.currency.source) if reading and reading.currency else -1
    lists = [element for element in trail if element.many]
    if len(lists) > 1 or (lists and (attribute or lists[0] is not (owner, *trail)[-1])):
        raise FixConfiguration(
            "soap.column_inside_list", operation=operation, column=column.name, source=column.source, many=local(lists[0].name)
        )
    last = (owner, *trail)[-1]
    if trail and not attribute and _listed(contract, last, column.type):
        # It came often when the contract was written, and comes once now: a list of one.
        last = replace(last, maximum=None)
    for element in trail if attribute else trail[:-1]:
        step = _below(step, element)
        if step.kind not in (Kind.THROUGH, Kind.LEAF) or (step.kind is Kind.LEAF and not attribute):
            raise FixConfiguration("soap.column_twice", operation=operation, column=column.name, source=column.source)
    kind = contract.type(last)
    if attribute == TYPE_SAID:
        step.attributes[XSI_TYPE] = slot
        return Cell(column, slot, SimpleType("xsi:type", "string", {"enumeration": (last.type, *contract.derived(last.type))}))
    # SOAP 1.1 §5.1: any accessor of an encoded value may be nil, whatever the schema says.
    nillable = slots.encoded or any(element.nillable or element.minimum == 0 for element in trail)
    if attribute:
        found = contract.attribute(last.type, attribute)
        if found is None:
            have = ", ".join(local(one.name) for one in kind.attributes) if isinstance(kind, ComplexType) else "-"
            raise ContractBroken("soap.column_gone", operation=operation, column=column.name, source=column.source, candidates=have or "-")
        step.attributes[_expat(found.name)] = slot
        said = contract.simple(found.type)
        if said.builtin in QUALIFIED:
            step.qualified.add(_expat(found.name))
        if found.default is not None:
            # XSD part 1 §3.2.1: unlike an element's, an attribute's default stands for one that is absent, and the text "" is a text.
            step.defaults[_expat(found.name)] = found.default
        optional = not found.required
        return Cell(column, slot, said, False, optional, (), found.default, found.fixed, False, reading=reading, beside=beside)
    if len(trail) > 1 and last.many:
        step.slot = slot
    bears = isinstance(kind, ComplexType) and kind.text is not None and bool(kind.attributes) and bool(column.children)
    simple = not bears and (isinstance(kind, SimpleType) or kind.text is not None)
    wanted = (Kind.LEAVES if last.many else Kind.LEAF) if simple else Kind.GROUPS if last.many else Kind.GROUP
    form = _form(column.type, contract.simple(last.type)) if simple else None
    known = {id(one): one for name in last.names if (one := step.children.get(_expat(name))) is not None}
    here = next(iter(known.values()), None)
    if here is None:
        here = Step(wanted, local(last.name), slot, form=form)
        step.children.update(dict.fromkeys(map(_expat, last.names), here))
    elif len(known) > 1 or not all(step.children.get(_expat(name)) is here for name in last.names):
        # A head and one of those that may stand in its place: which column would the value be in?
        raise FixConfiguration("soap.column_twice", operation=operation, column=column.name, source=column.source)
    elif here.kind is Kind.THROUGH and simple and not here.children:
        here.kind, here.slot, here.form = wanted, slot, form
    elif here.kind is not wanted or here.slot != slot or here.form != form:
        raise FixConfiguration("soap.column_twice", operation=operation, column=column.name, source=column.source)
    if reading is not None and reading.sent_as:
        name = _expat(last.name)
        step.children[f"{name.rpartition('}')[0]}}}{reading.sent_as}" if "}" in name else reading.sent_as] = here
    if simple:
        text = contract.simple(last.type)
        if text.builtin in QUALIFIED:
            here.qualified.add("")
        default = None if last.many else last.default
        return Cell(column, slot, text, last.many, nillable, (), default, last.fixed, reading=reading, beside=beside)
    inner = slots.below(column.source)
    children = tuple(
        _text(contract, last, here, inner, child)
        if bears and child.source == TEXT
        else _cell(contract, operation, last, here, inner, child)
        for child in column.children
    )
    here.width = len(inner.of)
    return Cell(column, slot, None, last.many, nillable, children)


def _part(contract: Contract, operation: str, owner: Element, step: Step, slots: _Slots, column: Column) -> Cell:
    """A column of what a text says beside its value: it lies where the value does, and is read by the value's declarations."""
    path, _, part = column.source.partition("@")
    cell = _cell(contract, operation, owner, step, slots, replace(column, source=path))
    if cell.simple is None or cell.many or not has_part(cell.simple, part):
        raise ContractBroken("soap.column_gone", operation=operation, column=column.name, source=column.source, candidates="-")
    return replace(cell, column=column, part=part)


def _beside(contract: Contract, operation: str, owner: Element, step: Step, slots: _Slots, source: str) -> int:
    """Where the currency of an amount lies, in the same raw row."""
    column, own = Column(source, source, pa.string()), slots.reading(source)
    cell = None if own and own.currency else _cell(contract, operation, owner, step, slots, column)
    if cell is None or cell.simple is None or cell.many:
        raise ContractBroken("soap.column_gone", operation=operation, column=source, source=source, candidates="-")
    return cell.slot


def _text(contract: Contract, element: Element, step: Step, slots: _Slots, column: Column) -> Cell:
    """The text of an element that is read as a struct, for it has attributes."""
    step.text = slots.take(TEXT)
    simple = contract.simple(element.type)
    if simple.builtin in QUALIFIED:
        step.qualified.add("")
    return Cell(column, step.text, simple, nillable=element.nillable, default=element.default, fixed=element.fixed)


def _listed(contract: Contract, element: Element, kind: pa.DataType) -> bool:
    """Whether a column is a list of such elements, by its type, though the element comes once."""
    if element.many or not isinstance(kind, pa.ListType):
        return False
    found = contract.type(element)
    if isinstance(found, ComplexType) and (found.text is None or found.attributes) and pa.types.is_struct(kind.value_type):
        return True
    simple = contract.simple(element.type)
    plain = isinstance(found, SimpleType) or found.text is not None
    return plain and not pa.types.is_struct(kind.value_type) and simple.variety != "list" and simple.builtin not in LISTS


def _below(step: Step, element: Element) -> Step:
    """The step for an element, whichever of its names it comes by."""
    names = [_expat(name) for name in element.names]
    found = next((one for name in names if (one := step.children.get(name)) is not None), None) or Step(name=local(element.name))
    for name in names:
        step.children.setdefault(name, found)
    return found


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
        step = _below(step, element)
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
