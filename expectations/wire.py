"""Drift of an interface that is described by XML Schema: what a changed part of the call, or a changed facet, does to those who read it.

Rules: whoever goes on calling the old way is refused or misread (stop); credentials never follow an address to another host unasked.
"""

from __future__ import annotations

from decimal import Decimal, InvalidOperation
from typing import TYPE_CHECKING, Literal
from urllib.parse import urlsplit

from expectations.policy import DriftPolicy, Policy
from expectations.types import write_type

if TYPE_CHECKING:
    from collections.abc import Mapping

    import pyarrow as pa

WireKind = Literal[
    "call", "namespace", "endpoint", "security", "headers", "narrowed", "nillable", "choice", "widened", "required", "settings", "address"
]
#: Parts of the identity of an operation, and what their change is called.
_PARTS: dict[str, tuple[WireKind, Policy]] = {
    "operation": ("call", "stop"),
    "soap": ("call", "stop"),
    "transport": ("call", "stop"),
    "style": ("call", "stop"),
    "use": ("call", "stop"),
    "action": ("call", "stop"),
    "addressing": ("call", "stop"),
    "input": ("call", "stop"),
    "output": ("call", "stop"),
    "namespace": ("namespace", "stop"),
    "form": ("namespace", "stop"),
    "policy": ("security", "stop"),
    "headers_required": ("headers", "stop"),
    "headers": ("headers", "report"),
    "faults": ("headers", "report"),
    "service": ("address", "report"),
    "port": ("address", "report"),
    "binding": ("address", "report"),
}
#: Facets whose growing lets more values in, and those whose growing keeps values out.
_UPPER = frozenset({"maxLength", "maxInclusive", "maxExclusive", "totalDigits", "fractionDigits"})
_LOWER = frozenset({"minLength", "minInclusive", "minExclusive"})


def is_wire(vendor_type: str) -> bool:
    """Whether a field's vendor type is one of XML Schema's."""
    return vendor_type.startswith("xsd:")


def comes_once(promised: str, now: pa.DataType) -> bool:
    """Whether the source now says of an element that comes as a list that it comes once, its type being what it was."""
    import pyarrow as pa

    return promised.replace(" ", "") == write_type(pa.list_(now)).replace(" ", "") and not pa.types.is_list(now)


def part_changed(part: str, old: str, new: str, policy: DriftPolicy) -> tuple[WireKind, Policy] | None:
    """The kind and weight of a change in one part of a SOAP operation's identity; None where the part is none of it."""
    if part == "endpoint":
        return "endpoint", "report" if _origin(old) == _origin(new) else policy.identity
    return _PARTS.get(part)


def said_together(before: Mapping[str, str], now: Mapping[str, str]) -> frozenset[str]:
    """Parts whose change another part's line says: the form of names beside their namespace, and everything that a call style decides."""
    moved = {part for part in before.keys() & now.keys() if before[part] != now[part]}
    if "style" in moved:
        return frozenset({"input", "output", "namespace", "form"})
    return frozenset({"form"}) if "namespace" in moved else frozenset()


def part_text(part: str, before: Mapping[str, str], now: Mapping[str, str]) -> tuple[str, str]:
    """A changed part as old and new: of a policy what it asked for and does no more, and what it asks for now."""
    old, new = before[part], now[part]
    if part == "namespace" and before.get("form") != now.get("form"):
        return f"{old} {before.get('form', '')}".rstrip(), f"{new} {now.get('form', '')}".rstrip()
    if part != "policy":
        return old, new
    went, came = (_asked(one) - _asked(other) for one, other in ((old, new), (new, old)))
    # The same assertions with other details: only the digests differ.
    return (", ".join(sorted(went)), ", ".join(sorted(came))) if went or came else (old, new)


def _asked(policy: str) -> set[str]:
    return set() if policy == "none" else set(policy.partition(" #")[0].split(", "))


def facet_changed(name: str, old: object, new: object, policy: DriftPolicy) -> tuple[WireKind, Policy]:
    """The kind and weight of a facet that says something else now; None stands for a facet that is not stated."""
    if name == "nillable":
        return "nillable", policy.required if new else "report"
    if name == "use":
        return "required", "report" if new else policy.required
    if name == "namespace":
        return "namespace", "stop"
    if name == "lists":
        # What is read whole keeps its type, and has a list where a value was, or the other way round.
        return "settings", policy.retyped
    if name == "choice":
        return "choice", policy.label
    if name in _UPPER | _LOWER:
        return ("widened", policy.widened) if _wider(name, old, new) else ("narrowed", policy.retyped)
    if name in ("pattern", "length", "fixed"):
        return ("widened", policy.widened) if new is None else ("narrowed", policy.retyped)
    return "settings", policy.label


#: XML Schema's whole numbers, each of whose values are values of the next.
_WIDTHS = ("xsd:byte", "xsd:short", "xsd:int", "xsd:long", "xsd:integer", "xsd:decimal")


def wider_type(old: str, new: str) -> bool:
    """Whether every value of one built-in type of XML Schema is one of the other."""
    return old in _WIDTHS and new in _WIDTHS and _WIDTHS.index(new) >= _WIDTHS.index(old)


def _wider(name: str, old: object, new: object) -> bool:
    if old is None or new is None:
        return new is None
    try:
        grown = Decimal(str(new)) > Decimal(str(old))
    except InvalidOperation:
        # Bounds of dates and times: their lexical forms are in order.
        grown = str(new) > str(old)
    return grown is (name in _UPPER)


def _origin(url: str) -> tuple[str, str, int | None]:
    parts = urlsplit(url)
    return parts.scheme, (parts.hostname or "").lower(), parts.port
