"""Whether the headers that a person wrote down are those that the WSDL states: a server passes over one of another namespace in silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any, cast

from connectors.soap.auth import Auth
from connectors.soap.components import Contract, Element, Operation
from connectors.soap.session import nested
from connectors.soap.sources import Header
from connectors.soap.xmltree import local, space


@dataclass(frozen=True)
class Elsewhere:
    """An element of a header that is sent in one namespace and stated in another; either is empty for none. ``name`` is its path."""

    name: str
    sent: str
    stated: str


def elsewhere(contract: Contract, operation: Operation, auth: Auth, headers: Iterable[Header]) -> Iterator[Elsewhere]:
    """What the project and the stream send and the WSDL has by its name alone. What it does not have at all is no matter: few WSDLs state
    every header that their server wants.
    """
    given: list[tuple[str, str, Any]] = [(one.namespace, one.name, one.values) for one in (*auth.headers, *headers)]
    if auth.login is not None and auth.login.as_ == "header":
        name, *inner = auth.login.name.split("/")
        given.append((auth.login.namespace, name, nested(inner, "")))
    stated = tuple(contract.elements[one] for one in operation.headers_in if one in contract.elements)
    for namespace, name, value in given:
        yield from _compared(contract, stated, namespace, name, value, "")


def _compared(contract: Contract, stated: Iterable[Element], namespace: str, name: str, value: Any, prefix: str) -> Iterator[Elsewhere]:
    sent = space(name) if name.startswith("{") else namespace
    alike = [one for one in stated if local(one.name) == local(name)]
    if not alike:
        return
    there = next((one for one in alike if space(one.name) == sent), None)
    if there is None:
        yield Elsewhere(prefix + local(name), sent, space(alike[0].name))
    for inner, one in cast("Mapping[str, Any]", value).items() if isinstance(value, Mapping) else ():
        yield from _compared(contract, contract.children(there or alike[0]), namespace, inner, one, f"{prefix}{local(name)}/")
