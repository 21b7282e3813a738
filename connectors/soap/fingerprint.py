"""Two fingerprints of a contract: ``reader`` covers the operation and the selected columns, ``contract`` everything.

Neither sees prefixes, file splits, comments, the order of declarations, nor the host (which stands in ``Schema.identity``).
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import replace
from typing import Any

from connectors.protocol import Column
from connectors.soap.beside import PARTS
from connectors.soap.choices import branch_names, choice_at, is_branch
from connectors.soap.components import ITSELF, TYPE_SAID, Attribute, Contract, Element, Operation, SimpleType, UnknownPath
from connectors.soap.config import SourceSpec
from connectors.soap.layout import Layout
from connectors.soap.pairs import divided
from connectors.soap.parts import Found
from connectors.soap.repeats import is_repeat, item_of, repeat_at
from connectors.soap.xmltree import local


def contract_fingerprint(contract: Contract) -> str:
    """Hash of everything the contract says, documentation and endpoint left out."""
    operations = {name: [_signature(one), _flat(one.input), _flat(one.output)] for name, one in contract.operations.items()}
    return _hash({"declared": contract.declared, "operations": operations, "broken": sorted(contract.broken)})


def reader_fingerprint(
    contract: Contract,
    called: Operation,
    row: Element,
    spec: SourceSpec,
    columns: Iterable[Column],
    parts: Iterable[Found],
    told: Mapping[str, Layout],
) -> str:
    """Hash of what a reader of these columns of ``row`` depends on; a column whose element is gone counts as nothing. ``told`` are those
    that are JSON, by path.
    """
    selected = {column.source: _column(contract, row, column) for column in columns}
    return _hash(
        {
            "operation": _signature(called),
            "input": called.input.name,
            "output": called.output.name,
            "path": [[one.name, one.minimum, one.maximum] for one in contract.walk(called.output, spec.rows)],
            "columns": selected,
            "parts": {one.part.use: _part(one) for one in parts},
            "filter": _filter(contract, called, spec),
            **({"json": {path: one.written() for path, one in told.items()}} if told else {}),
        }
    )


def _signature(called: Operation) -> list[Any]:
    return [
        called.name,
        called.service,
        called.port,
        called.binding,
        called.version,
        called.transport,
        called.style,
        called.use,
        called.action,
        list(called.headers),
        list(called.faults),
        *filter(None, (called.policy, called.addressing)),
    ]


def _flat(element: Element) -> list[Any]:
    found = [element.name, element.type, element.minimum, element.maximum, element.nillable, element.default]
    found += [element.choice, element.fixed] if element.choice or element.fixed else []
    return [*found, list(element.substitutes), element.abstract] if element.substitutes or element.abstract else found


def _stated(one: Attribute) -> list[Any]:
    return [one.name, one.required, *filter(None, (one.default, one.fixed))]


def _simple(kind: SimpleType) -> list[Any]:
    facets = {name: list(value) if isinstance(value, tuple) else value for name, value in kind.facets.items()}
    return [kind.builtin, kind.variety, facets, *([[_simple(one) for one in kind.members]] if kind.members else [])]


def _shape(contract: Contract, element: Element, trail: tuple[str, ...], only: Iterable[Column] = ()) -> Any:
    """An element with its types written out instead of named, so that renaming a type changes nothing."""
    occurs = [element.name, element.minimum, element.maximum, element.nillable, element.default]
    if element.substitutes:
        occurs += [list(element.names)]
    kind = contract.type(element)
    if isinstance(kind, SimpleType):
        return [occurs, _simple(kind)]
    if element.type in trail:
        return [occurs, "recursive"]
    wanted = {_first(column.source) for column in only}
    chosen = [child for child in kind.elements if not wanted or local(child.name) in wanted]
    inside = [_shape(contract, child, (*trail, element.type)) for child in chosen]
    have = {local(child.name) for child in kind.elements}
    inside += [_column(contract, element, column) for column in only if _first(column.source) not in have]
    attributes = [[_simple(contract.simple(one.type)), *_stated(one)] for one in kind.attributes]
    return [occurs, inside, attributes, _simple(contract.simple(kind.text)) if kind.text else None]


def _column(contract: Contract, row: Element, column: Column) -> Any:
    if column.source == ITSELF and not column.children:
        return _shape(contract, row, ())
    if column.source == ITSELF:
        return [_column(contract, row, child) for child in column.children]
    path, attribute = divided(column.source)
    if attribute in PARTS:
        return _column(contract, row, replace(column, source=path))
    try:
        if is_repeat(column.source):
            trail, _, group = repeat_at(contract, row, column.source)
            inside, item = item_of(contract, group)
            occurs = [[one.name, one.minimum, one.maximum, one.nillable] for one in trail]
            return [occurs, [one.name for one in group.elements], [_column(inside, item, child) for child in column.children]]
        if is_branch(column.source):
            return list(branch_names(choice_at(contract, row, column.source)[2]))
        trail = contract.reach(row, path) if path else (row,)
    except UnknownPath:
        return None
    if attribute == TYPE_SAID:
        # The values are names of types, so here these do matter.
        return [trail[-1].type, *sorted(contract.derived(trail[-1].type))]
    if attribute:
        found = contract.attribute(trail[-1].type, attribute)
        return [_simple(contract.simple(found.type)), *_stated(found)] if found is not None else []
    return [[[one.name, one.minimum, one.maximum, one.nillable] for one in trail[:-1]], _shape(contract, trail[-1], (), column.children)]


def _part(found: Found) -> list[Any]:
    part = found.part
    return [part.path, part.type, part.required, list(part.options), list(found.names)]


def _first(source: str) -> str:
    return divided(source)[0].partition("/")[0]


def _filter(contract: Contract, called: Operation, spec: SourceSpec) -> Any:
    """The filter's form, and whether it lets our field be named: its list of other fields is nobody's concern."""
    if spec.changed_since is None:
        return None
    try:
        element = contract.walk(called.input, spec.filter.element)[-1]
        names = contract.walk(element, spec.filter.field)[-1]
        allowed = contract.simple(names.type).facets.get("enumeration")
        known = not isinstance(allowed, tuple) or spec.changed_since.field in allowed
        return [element.name, element.maximum, names.name, contract.walk(element, spec.filter.criteria)[-1].name, known]
    except UnknownPath:
        return None


def _hash(value: Mapping[str, Any]) -> str:
    text = json.dumps(value, sort_keys=True, ensure_ascii=False, separators=(",", ":"))
    return "sha256:" + hashlib.sha256(text.encode()).hexdigest()
