"""What the address of a stream resolves to: how its operation is called and where, each part by itself."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable

from connectors.protocol import Schema
from connectors.soap.components import Contract, Element, Operation, UnknownPath
from connectors.soap.config import SourceSpec
from connectors.soap.fingerprint import contract_fingerprint
from connectors.soap.parts import parts
from connectors.soap.xmltree import local, space


def identify(contract: Contract, spec: SourceSpec) -> Schema:
    """What can be said of a stream whose rows may lie nowhere: how its operation is called and where, and the parts beside the columns."""
    revision, called = contract_fingerprint(contract), contract.operations.get(spec.operation)
    if called is None:
        return Schema((), "", revision, {"operation": ""})
    resting = parts(contract, called, spec, {spec.paging.by_row})
    try:
        row = contract.walk(called.output, spec.rows)
    except UnknownPath:
        row = ()
    identity = identity_of(contract, called, (called.output, *row), called.endpoint)
    return Schema((), "", revision, identity, tuple(one.part for one in resting))


def identity_of(contract: Contract, called: Operation, trail: tuple[Element, ...], endpoint: str) -> dict[str, str]:
    """How the operation is called and where: each part stands by itself, so that one change is one difference. ``trail`` leads to the row."""
    usual = usual_space(contract, trail[-1])
    spaces = dict.fromkeys(filter(None, (*(space(one.name) for one in trail), usual)))
    return {
        "operation": called.name,
        "service": called.service,
        "port": called.port,
        "binding": called.binding,
        "namespace": _listed(spaces),
        "endpoint": endpoint,
        "soap": called.version,
        "transport": called.transport,
        "style": called.style,
        "use": called.use,
        "action": called.action,
        "input": local(called.input.name),
        "output": local(called.output.name),
        "form": "" if usual is None else "qualified" if usual else "unqualified",
        "policy": f"{_listed(called.assertions)} #{called.policy}" if called.policy else "none",
        "addressing": called.addressing or "none",
        "headers": _listed(one for one in called.headers if not one.endswith("!")),
        "headers_required": _listed(one for one in called.headers if one.endswith("!")),
        "faults": _listed(local(one) for one in called.faults),
    }


def usual_space(contract: Contract, row: Element) -> str | None:
    """The namespace that most of the row's elements have, empty for unqualified ones; None for a row without elements."""
    count = Counter(space(one.name) for one in contract.children(row) if one.name != "*")
    return count.most_common(1)[0][0] if count else None


def _listed(names: Iterable[str]) -> str:
    return ", ".join(names) or "none"
