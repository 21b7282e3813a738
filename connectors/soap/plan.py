"""What to take out of a reply: a tree of expected names compiled from the contract, and a slot in the raw row for each selected source."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace

import pyarrow as pa

from connectors.errors import ContractBroken, FixConfiguration
from connectors.protocol import Column
from connectors.soap.aside import Form
from connectors.soap.checks import Check, TypeSaid
from connectors.soap.choices import BRANCH, ChoiceMade, branch_names, choice_at, choices_of, is_branch
from connectors.soap.components import ITSELF, TEXT, TYPE_SAID, Choice, ComplexType, Contract, Element, Operation, SimpleType, UnknownPath
from connectors.soap.known import ANYTHING, Known
from connectors.soap.reading import Reading
from connectors.soap.schema import LISTS, row_element
from connectors.soap.steps import ENVELOPES, QUALIFIED, XSI_TYPE, Cell, Kind, Plan, Step, fault_step
from connectors.soap.xmltree import local


class _Slots:
    """Slots of one raw row; two columns that read the same source share one. ``at`` is the path of that row, with what is declared below;
    ``checks`` are those of the row."""

    def __init__(self, readings: Mapping[str, Reading], at: str = "", *, encoded: bool = False) -> None:
        self.of: dict[str, int] = {}
        self.readings, self.at, self.encoded = readings, at, encoded
        self.checks: list[Check] = []

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
        further = (Column(source, source, pa.string()) for source in extra)
        cells += _cells(contract, operation.name, trail[-1], row, slots, tuple(columns), further)
        kind = contract.type(trail[-1])
        # Servers of SOAP encoding write xsi:type on every element, and not always with care: it counts only where it may tell types apart.
        _typed(
            contract, trail[-1], row, slots, "", always=operation.use != "encoded" or (isinstance(kind, ComplexType) and bool(kind.bases))
        )
        row.width = len(slots.of)
    repeated = frozenset(path for path in scalars if _scalar(contract, operation, answer, path))
    if content is not None:
        _scalar(contract, operation, answer, *content)
    _know(answer, Known.of(contract, operation.output), "")
    answer.path = local(operation.output.name)
    envelope = Step(children={})
    for uri in ENVELOPES:
        body = Step(Kind.BODY, children={_expat(operation.output.name): answer, f"{uri}}}Fault": fault_step(uri)})
        known = Known(None, frozenset(), {f"{uri}}}Header": ANYTHING})
        envelope.children[f"{uri}}}Envelope"] = Step(children={f"{uri}}}Body": body}, known=known, path="Envelope")
    binary = any(_holds_bytes(cell) for cell in cells)
    return Plan(
        operation.name,
        rows or "",
        envelope,
        len(slots.of),
        tuple(cells),
        dict(slots.of),
        tuple(required),
        binary,
        repeated,
        tuple(slots.checks),
    )


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


def _cells(
    contract: Contract,
    operation: str,
    owner: Element,
    step: Step,
    slots: _Slots,
    columns: tuple[Column, ...],
    further: Iterable[Column] = (),
) -> tuple[Cell, ...]:
    """The columns of one raw row, in their order. ``further`` ones are given slots and no cells."""
    made: dict[int, Cell] = {}
    for at, column in enumerate(columns):
        if column.source == ITSELF:
            made[at] = _gathering(contract, operation, owner, step, slots, column)
        elif is_branch(column.source):
            # The way to what has the choice, so that the choice is looked at.
            _way(contract, operation, owner, step, column)
        else:
            made[at] = _cell(contract, operation, owner, step, slots, column)
    for column in further:
        if column.source not in slots.of:
            _cell(contract, operation, owner, step, slots, column)
    if not slots.encoded:
        _choices(contract, owner, step, slots, "", -1)
    checks = {one.source: one for one in slots.checks if isinstance(one, ChoiceMade)}
    for at, column in enumerate(columns):
        if at not in made:
            source, choice = _way(contract, operation, owner, step, column)
            simple = SimpleType(BRANCH, "string", {"enumeration": branch_names(choice)})
            made[at] = Cell(column, -1, simple, branch=checks[source])
    return tuple(made[at] for at in range(len(columns)))


def _gone(operation: str, column: Column, error: UnknownPath) -> ContractBroken:
    have = ", ".join(error.have) or "-"
    return ContractBroken("soap.column_gone", operation=operation, column=column.name, source=column.source, candidates=have)


def _way(contract: Contract, operation: str, owner: Element, step: Step, column: Column) -> tuple[str, Choice]:
    """Expect the elements down to the one whose choice the column is; the choice's full source, and the choice."""
    try:
        trail, source, choice = choice_at(contract, owner, column.source)
    except UnknownPath as error:
        raise _gone(operation, column, error) from error
    for element in trail:
        if element.many:
            raise FixConfiguration(
                "soap.column_inside_list", operation=operation, column=column.name, source=column.source, many=local(element.name)
            )
        step = _below(step, element)
        if step.kind is not Kind.THROUGH:
            raise FixConfiguration("soap.column_twice", operation=operation, column=column.name, source=column.source)
    return source, choice


def _choices(contract: Contract, element: Element, step: Step, slots: _Slots, path: str, within: int) -> None:
    """Check the choices of what is read by this raw row, from the element at ``path`` of it down."""
    for source, choice in choices_of(contract, element.type):
        branches = tuple((local(names[0]), _marks(contract, element, step, slots, path, names)) for names in choice.branches)
        slots.checks.append(ChoiceMade(_joined(path, source), branches, choice.required, within))
    seen: set[int] = set()
    for child in _all_children(contract, element):
        below = next((one for name in child.names if (one := step.children.get(_expat(name))) is not None), None)
        if below is None or below.kind is not Kind.THROUGH or not below.children or id(below) in seen:
            continue
        seen.add(id(below))
        at = _joined(path, local(child.name))
        judged = any(choice.required for _, choice in choices_of(contract, child.type))
        _choices(contract, child, below, slots, at, _mark(below, slots, at) if judged else -1)


def _marks(contract: Contract, element: Element, step: Step, slots: _Slots, path: str, names: tuple[str, ...]) -> tuple[int, ...]:
    """The slots that say whether one of these children came, wanted or not."""
    found: dict[int, None] = {}
    for child in _all_children(contract, element):
        if child.name in names:
            at = _joined(path, local(child.name))
            for name in child.names:
                one = step.children.setdefault(_expat(name), Step(name=local(name)))
                found[_mark(one, slots, at) if one.kind is Kind.THROUGH and one.slot < 0 else one.slot] = None
    return tuple(found)


def _mark(step: Step, slots: _Slots, path: str) -> int:
    if step.mark < 0:
        step.mark = slots.take(f"#{path}")
    return step.mark


def _all_children(contract: Contract, element: Element) -> Iterator[Element]:
    for name in (element.type, *contract.derived(element.type)):
        yield from contract.children(replace(element, type=name))


def _joined(path: str, step: str) -> str:
    return f"{path}/{step}" if path else step


def _cell(contract: Contract, operation: str, owner: Element, step: Step, slots: _Slots, column: Column) -> Cell:
    path, _, attribute = column.source.partition("@")
    try:
        trail: tuple[Element, ...] = contract.reach(owner, path) if path else ()
    except UnknownPath as error:
        raise _gone(operation, column, error) from error
    slot, reading = slots.take(column.source), slots.reading(column.source)
    lists = [element for element in trail if element.many]
    if len(lists) > 1 or (lists and (attribute or lists[0] is not (owner, *trail)[-1])):
        raise FixConfiguration(
            "soap.column_inside_list", operation=operation, column=column.name, source=column.source, many=local(lists[0].name)
        )
    last = (owner, *trail)[-1]
    if trail and not attribute and _listed(contract, last, column.type):
        # It came often when the contract was written, and comes once now: a list of one.
        last = replace(last, maximum=None)
    for depth, element in enumerate(trail if attribute else trail[:-1], 1):
        step = _below(step, element)
        _typed(contract, element, step, slots, "/".join(path.split("/")[:depth]))
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
        return Cell(column, slot, said, nillable=optional, default=found.default, fixed=found.fixed, fills=False, reading=reading)
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
        if not last.many:
            _typed(contract, last, here, slots, path)
        text = contract.simple(last.type)
        if text.builtin in QUALIFIED:
            here.qualified.add("")
        default = None if last.many else last.default
        return Cell(column, slot, text, last.many, nillable, default=default, fixed=last.fixed, reading=reading)
    inner = slots.below(column.source)
    if bears:
        children = tuple(
            _text(contract, last, here, inner, child) if child.source == TEXT else _cell(contract, operation, last, here, inner, child)
            for child in column.children
        )
    else:
        children = _cells(contract, operation, last, here, inner, column.children)
    _typed(contract, last, here, inner, "")
    here.width = len(inner.of)
    return Cell(column, slot, None, last.many, nillable, children, checks=tuple(inner.checks))


def _typed(contract: Contract, element: Element, step: Step, slots: _Slots, path: str, *, always: bool = False) -> None:
    """Check what an element says to be by xsi:type, where that can be more than one thing or ``always``."""
    further = contract.derived(element.type)
    if XSI_TYPE in step.attributes or not isinstance(contract.type(element), ComplexType) or not (further or always):
        return
    source = f"{path}@{TYPE_SAID}"
    step.attributes[XSI_TYPE] = slot = slots.take(source)
    slots.checks.append(TypeSaid(source, slot, frozenset((element.type, *further))))


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


def _know(step: Step, known: Known, path: str) -> None:
    """Tell the steps from here down what the contract lets stand in their elements."""
    step.known, step.path, step.array = known, path, "*" in step.children
    for name, child in step.children.items():
        inside = known.at(name)
        if inside is not None and child.known is None:
            _know(child, inside, f"{path}/{local(name)}" if path else local(name))


def _expat(name: str) -> str:
    return name[1:] if name.startswith("{") else name
