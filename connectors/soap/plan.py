"""What to take out of a reply: a tree of expected names compiled from the contract, and a slot in the raw row for each selected source."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import replace
from functools import partial

import pyarrow as pa

from connectors.errors import ContractBroken, FixConfiguration
from connectors.protocol import Column
from connectors.soap.aside import Form
from connectors.soap.beside import PARTS, has_part, with_kept_zones
from connectors.soap.branches import expect_choices, way
from connectors.soap.checks import TypeSaid
from connectors.soap.choices import BRANCH, ChoiceMade, branch_names, is_branch
from connectors.soap.components import ANY, ITSELF, TEXT, TYPE_SAID, ComplexType, Contract, Element, Operation, SimpleType, UnknownPath
from connectors.soap.known import ANYTHING, Known
from connectors.soap.outside import ENVELOPES, expect_around, expect_fault, expect_scalar
from connectors.soap.pairs import Gathered, Pair, pair_of
from connectors.soap.reading import Reading
from connectors.soap.repeats import is_repeat
from connectors.soap.schema import LISTS, row_element
from connectors.soap.slots import Slots, column_gone, own_text
from connectors.soap.steps import QUALIFIED, XSI_TYPE, Cell, Kind, Plan, Step, below, expat_name
from connectors.soap.together import comes_together, expect_together
from connectors.soap.whole import inside_of
from connectors.soap.xmltree import local


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
    slots = Slots(readings or {}, encoded=operation.use == "encoded")
    cells: list[Cell] = []
    required: list[str] = []
    scalars = tuple(scalars)
    repeated, collected = set[str](), set[str]()
    if rows is not None:
        row_element(contract, operation, rows)
        trail = contract.walk(operation.output, rows)
        step = answer
        pair = _pair(operation.name, rows, rows)
        for element in trail[:-1]:
            # What is no pair of the rows need not hold what they lie in.
            if element.minimum > 0 and pair is None:
                required.append(local(element.name))
            step = below(step, element)
        row = Step(Kind.ROW, local(trail[-1].name))
        step.children.update(dict.fromkeys(map(expat_name, trail[-1].names), row))
        further = map(own_text, extra)
        cells += _cells(contract, operation.name, trail[-1], row, slots, tuple(columns), further)
        kind = contract.type(trail[-1])
        # Servers of SOAP encoding write xsi:type on every element, and not always with care: it counts only where it may tell types apart.
        _typed(
            contract, trail[-1], row, slots, "", always=operation.use != "encoded" or (isinstance(kind, ComplexType) and bool(kind.bases))
        )
        row.width = len(slots.of)
        if pair is not None:
            row.within = expect_around(contract, operation, answer, pair)
            row.within.rows = pair.wanted
            collected.add(pair.naming)
    for path in scalars:
        if (pair := _pair(operation.name, path, path)) is not None:
            around = expect_around(contract, operation, answer, pair)
            expect_scalar(contract, operation, answer, pair.reading)
            around.of.setdefault(pair.wanted, []).append((pair.reading, path))
            collected |= {pair.naming, pair.reading}
        elif expect_scalar(contract, operation, answer, path):
            repeated.add(path)
    if twice := sorted(collected & set(scalars)):
        raise FixConfiguration("soap.column_twice", operation=operation.name, column=twice[0], source=twice[0])
    if content is not None:
        expect_scalar(contract, operation, answer, *content)
    _know(answer, Known.of(contract, operation.output), "")
    answer.path = local(operation.output.name)
    envelope = Step(children={})
    for uri in ENVELOPES:
        body = Step(Kind.BODY, children={expat_name(operation.output.name): answer, f"{uri}}}Fault": expect_fault(uri)})
        known = Known(None, frozenset(), {f"{uri}}}Header": ANYTHING})
        envelope.children[f"{uri}}}Envelope"] = Step(children={f"{uri}}}Body": body}, known=known, path="Envelope")
    kept = with_kept_zones(tuple(cells))
    return Plan(
        operation.name,
        rows or "",
        envelope,
        len(slots.of),
        kept,
        dict(slots.of),
        tuple(required),
        any(_holds_bytes(cell) for cell in kept),
        frozenset(repeated | collected),
        tuple(slots.checks),
        slots.encoded,
        any(map(comes_together, kept)),
    )


def form_of(simple: SimpleType) -> Form | None:
    """How the bytes of such a value are written; None for what is no bytes."""
    return {"base64Binary": "base64", "base64": "base64", "hexBinary": "hex"}.get(simple.builtin)  # type: ignore[return-value]


def _holds_bytes(cell: Cell) -> bool:
    return _form(cell.column.type, cell.simple) is not None or any(map(_holds_bytes, cell.children))


def _form(kind: pa.DataType, simple: SimpleType | None) -> Form | None:
    item = kind.value_type if isinstance(kind, pa.ListType) else kind
    return form_of(simple) if simple is not None and (pa.types.is_binary(item) or pa.types.is_large_binary(item)) else None


def _gathering(contract: Contract, operation: str, owner: Element, step: Step, slots: Slots, column: Column) -> Cell:
    reading = slots.reading(ITSELF)
    inside = inside_of(contract, owner, column, xml=reading is not None and reading.inside == "xml")
    if inside is not None and step.kind is Kind.ROW:
        step.inside, step.slot = inside, slots.take(ITSELF)
        return Cell(column, step.slot, SimpleType("xml", "string"))
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
    slots: Slots,
    columns: tuple[Column, ...],
    further: Iterable[Column] = (),
    *,
    item: bool = False,
) -> tuple[Cell, ...]:
    """The columns of one raw row, in their order. ``further`` ones are given slots and no cells. An ``item`` is of elements that repeat
    together.
    """
    made: dict[int, Cell] = {}
    for at, column in enumerate(columns):
        if column.source == ITSELF:
            made[at] = _gathering(contract, operation, owner, step, slots, column)
        elif is_branch(column.source):
            # The way to what has the choice, so that the choice is looked at.
            way(contract, operation, owner, step, column)
        else:
            made[at] = _cell(contract, operation, owner, step, slots, column)
    for column in further:
        if column.source not in slots.of:
            _cell(contract, operation, owner, step, slots, column)
    if item or not slots.encoded:
        expect_choices(contract, owner, step, slots, "", -1, deeper=not slots.encoded)
    checks = {one.source: one for one in slots.checks if isinstance(one, ChoiceMade)}
    for at, column in enumerate(columns):
        if at not in made:
            source, choice = way(contract, operation, owner, step, column)
            if source not in checks:
                # What is encoded makes no choices (SOAP 1.1 §5.4).
                raise column_gone(operation, column, UnknownPath(source, ()))
            simple = SimpleType(BRANCH, "string", {"enumeration": branch_names(choice)})
            made[at] = Cell(column, -1, simple, branch=checks[source])
    return tuple(made[at] for at in range(len(columns)))


def _pair(operation: str, column: str, source: str) -> Pair | None:
    try:
        return pair_of(source)
    except ValueError as error:
        raise FixConfiguration("soap.predicate", operation=operation, column=column, source=source) from error


def _dealt(contract: Contract, operation: str, owner: Element, step: Step, slots: Slots, column: Column, pair: Pair) -> Cell:
    """A column whose value is in one of the row's pairs, by its name."""
    slot = slots.take(column.source)
    trail = _reached(contract, operation, owner, column, pair.path)
    lists = [element for element in trail if element.many]
    kind = contract.type(trail[-1])
    if lists != [trail[-1]] or (not pair.value and (not isinstance(kind, ComplexType) or kind.text is None)):
        raise FixConfiguration("soap.predicate", operation=operation, column=column.name, source=column.source)
    bearer = step
    for element in trail[:-1]:
        bearer = below(bearer, element)
    if bearer.kind is not Kind.THROUGH and bearer is not step:
        raise FixConfiguration("soap.column_twice", operation=operation, column=column.name, source=column.source)
    if (pair.path, pair.name) not in slots.pairs:
        inner = Slots({}, encoded=slots.encoded)
        known = Gathered(slots.take(f"{pair.path}[{pair.name}]"), inner.take(pair.name))
        here = Step(Kind.GROUPS, local(trail[-1].name), known.slot)
        if any(expat_name(name) in bearer.children for name in trail[-1].names):
            raise FixConfiguration("soap.column_twice", operation=operation, column=column.name, source=column.source)
        bearer.children.update(dict.fromkeys(map(expat_name, trail[-1].names), here))
        _cell(contract, operation, trail[-1], here, inner, own_text(pair.name))
        slots.pairs[pair.path, pair.name] = known, inner
        step.gathered.append(known)
    known, inner = slots.pairs[pair.path, pair.name]
    here = bearer.children[expat_name(trail[-1].names[0])]
    value = replace(column, source=pair.value or TEXT)
    made = _cell(contract, operation, trail[-1], here, inner, value) if pair.value else _text(contract, trail[-1], here, inner, value)
    here.width = len(inner.of)
    known.of.setdefault(pair.wanted, []).append((made.slot, slot))
    return replace(made, column=column, slot=slot, nillable=True, reading=slots.reading(column.source))


def _cell(contract: Contract, operation: str, owner: Element, step: Step, slots: Slots, column: Column) -> Cell:
    if is_repeat(column.source):
        return expect_together(contract, operation, owner, step, slots, column, _typed, partial(_cells, item=True))
    if (pair := _pair(operation, column.name, column.source)) is not None:
        return _dealt(contract, operation, owner, step, slots, column, pair)
    path, _, attribute = column.source.partition("@")
    if path and attribute in PARTS:
        return _part(contract, operation, owner, step, slots, column)
    if (opened := _left_open(contract, owner, path, slots.reading(column.source))) is not None:
        return _opened(contract, operation, owner, step, slots, column, opened)
    trail = _reached(contract, operation, owner, column, path) if path else ()
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
    for depth, element in enumerate(trail if attribute else trail[:-1], 1):
        step = below(step, element)
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
        step.attributes[expat_name(found.name)] = slot
        said = contract.simple(found.type)
        if said.builtin in QUALIFIED:
            step.qualified.add(expat_name(found.name))
        if found.default is not None:
            # XSD part 1 §3.2.1: unlike an element's, an attribute's default stands for one that is absent, and the text "" is a text.
            step.defaults[expat_name(found.name)] = found.default
        optional = not found.required
        return Cell(column, slot, said, False, optional, (), found.default, found.fixed, False, reading=reading, beside=beside)
    if len(trail) > 1 and last.many:
        step.slot = slot
    bears = isinstance(kind, ComplexType) and kind.text is not None and bool(kind.attributes) and bool(column.children)
    inside = inside_of(contract, last, column, xml=reading is not None and reading.inside == "xml")
    simple = inside is not None or (not bears and (isinstance(kind, SimpleType) or kind.text is not None))
    wanted = (Kind.LEAVES if last.many else Kind.LEAF) if simple else Kind.GROUPS if last.many else Kind.GROUP
    form = _form(column.type, contract.simple(last.type)) if simple else None
    known = {id(one): one for name in last.names if (one := step.children.get(expat_name(name))) is not None}
    here = next(iter(known.values()), None)
    if here is None:
        here = Step(wanted, local(last.name), slot, form=form)
        step.children.update(dict.fromkeys(map(expat_name, last.names), here))
    elif here.together is not None or len(known) > 1 or not all(step.children.get(expat_name(name)) is here for name in last.names):
        # A head and one of those that may stand in its place: which column would the value be in?
        raise FixConfiguration("soap.column_twice", operation=operation, column=column.name, source=column.source)
    elif here.kind is Kind.THROUGH and simple and not here.children:
        here.kind, here.slot, here.form = wanted, slot, form
    elif here.kind is not wanted or here.slot != slot or here.form != form:
        raise FixConfiguration("soap.column_twice", operation=operation, column=column.name, source=column.source)
    if reading is not None and reading.sent_as:
        name = expat_name(last.name)
        spelt = f"{name.rpartition('}')[0]}}}{reading.sent_as}" if "}" in name else reading.sent_as
        siblings = contract.children((owner, *trail)[-2])
        if step.children.get(spelt, here) is not here or any(
            spelt in map(expat_name, one.names) for one in siblings if one.name != last.name
        ):
            # The contract itself has an element of that name, with a meaning of its own.
            raise FixConfiguration("soap.column_twice", operation=operation, column=column.name, source=f"{path}: {reading.sent_as}")
        step.children[spelt] = here
    here.repeats = reading is not None and reading.repeats
    here.inside = inside
    if simple:
        if not last.many:
            _typed(contract, last, here, slots, path)
        text = contract.simple(last.type)
        if text.builtin in QUALIFIED:
            here.qualified.add("")
        default = None if last.many else last.default
        return Cell(column, slot, text, last.many, nillable, (), default, last.fixed, reading=reading, beside=beside)
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


def _typed(contract: Contract, element: Element, step: Step, slots: Slots, path: str, *, always: bool = False) -> None:
    """Check what an element says to be by xsi:type, where that can be more than one thing or ``always``."""
    further = contract.derived(element.type)
    if XSI_TYPE in step.attributes or not isinstance(contract.type(element), ComplexType) or not (further or always):
        return
    source = f"{path}@{TYPE_SAID}"
    step.attributes[XSI_TYPE] = slot = slots.take(source)
    slots.checks.append(TypeSaid(source, slot, frozenset((element.type, *further))))


def _part(contract: Contract, operation: str, owner: Element, step: Step, slots: Slots, column: Column) -> Cell:
    """A column of what a text says beside its value: it lies where the value does, and is read by the value's declarations."""
    path, _, part = column.source.partition("@")
    cell = _cell(contract, operation, owner, step, slots, replace(column, source=path))
    if cell.simple is None or cell.many or not has_part(cell.simple, part):
        raise ContractBroken("soap.column_gone", operation=operation, column=column.name, source=column.source, candidates="-")
    return replace(cell, column=column, part=part)


def _beside(contract: Contract, operation: str, owner: Element, step: Step, slots: Slots, source: str) -> int:
    """Where the currency of an amount lies, in the same raw row."""
    column, own = own_text(source), slots.reading(source)
    cell = None if own and own.currency else _cell(contract, operation, owner, step, slots, column)
    if cell is None or cell.simple is None or cell.many:
        raise ContractBroken("soap.column_gone", operation=operation, column=source, source=source, candidates="-")
    return cell.slot


def _left_open(contract: Contract, owner: Element, path: str, reading: Reading | None) -> str | None:
    """The name of a declared element that the contract leaves open; None for any other."""
    return contract.left_open(owner, path) if reading is not None and reading.from_ == ANY and path else None


def _opened(contract: Contract, operation: str, owner: Element, step: Step, slots: Slots, column: Column, name: str) -> Cell:
    """A column from what the contract leaves open: a text, and no more is known of it."""
    above = column.source.rpartition("/")[0]
    for element in _reached(contract, operation, owner, column, above) if above else ():
        step = below(step, element)
    slot, reading = slots.take(column.source), slots.reading(column.source)
    if step.kind not in (Kind.THROUGH, Kind.ROW, Kind.GROUP, Kind.GROUPS) or expat_name(name) in step.children:
        raise FixConfiguration("soap.column_twice", operation=operation, column=column.name, source=column.source)
    step.children[expat_name(name)] = Step(Kind.LEAF, local(name), slot, repeats=reading is not None and reading.repeats)
    return Cell(column, slot, SimpleType(ANY, "string"), reading=reading)


def _reached(contract: Contract, operation: str, owner: Element, column: Column, path: str) -> tuple[Element, ...]:
    try:
        return contract.reach(owner, path)
    except UnknownPath as error:
        raise column_gone(operation, column, error) from error


def _text(contract: Contract, element: Element, step: Step, slots: Slots, column: Column) -> Cell:
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


def _know(step: Step, known: Known, path: str) -> None:
    """Tell the steps from here down what the contract lets stand in their elements."""
    step.known, step.path, step.array = known, path, "*" in step.children
    for name, child in step.children.items():
        inside = known.at(name)
        if inside is not None and child.known is None:
            _know(child, inside, f"{path}/{local(name)}" if path else local(name))
