"""What a request may hold and its proposed source does not say: constants, positions and filters that only a person knows."""

from __future__ import annotations

from collections.abc import Iterator

from connectors.soap.auth import Auth
from connectors.soap.components import Contract, Operation, SimpleType
from connectors.soap.config import SourceSpec
from connectors.soap.xmltree import local


def unasked(contract: Contract, operation: Operation, spec: SourceSpec, auth: Auth) -> str:
    """The elements of the request that nothing fills, by name and type; empty where there are none. Those that may not be left out say so."""
    return ", ".join(_unasked(contract, operation, spec, auth))


def _unasked(contract: Contract, operation: Operation, spec: SourceSpec, auth: Auth) -> Iterator[str]:
    changed = spec.changed_since
    filtered = "" if changed is None else changed.request or spec.filter.element
    said = {path.partition("/")[0] for path in (*spec.arguments, spec.paging.request, spec.paging.size, filtered, *auth.paths())}
    for child in contract.children(operation.input):
        name, kind = local(child.name), contract.type(child)
        if name in said:
            continue
        told = kind.builtin if isinstance(kind, SimpleType) else "of elements"
        # Of encoded values any may be absent (SOAP 1.1 §5.1), though few servers are content with that.
        needed = child.minimum > 0 and not child.nillable and operation.use != "encoded"
        yield f"{name} ({told}{', required' if needed else ''})"


def headers_asked(operation: Operation, auth: Auth) -> str:
    """The parts that the WSDL puts into the request's header, where the project sends no header at all; empty otherwise."""
    if auth.headers or auth.login is not None or auth.username_token is not None or auth.token_passport is not None:
        return ""
    asked = (one.rstrip("!") for one in operation.headers if one.startswith("input:"))
    return ", ".join(sorted({one.rpartition("#")[2] for one in asked}))
