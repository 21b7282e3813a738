"""Whether the headers that a person wrote down are those that the WSDL states: a server passes over one of another namespace in silence."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass

from connectors.soap.auth import Auth
from connectors.soap.components import Operation
from connectors.soap.sources import Header
from connectors.soap.xmltree import local, space


@dataclass(frozen=True)
class Elsewhere:
    """A header that is sent in one namespace and stated in another; either is empty for none."""

    name: str
    sent: str
    stated: str


def elsewhere(operation: Operation, auth: Auth, headers: Iterable[Header]) -> Iterator[Elsewhere]:
    """The headers of the project and of the stream that the WSDL has by their name alone. Those that it does not have at all are no matter:
    few WSDLs state every header that their server wants.
    """
    login = auth.login
    given = [(one.namespace, one.name) for one in (*auth.headers, *headers)]
    if login is not None and login.as_ == "header":
        given.append((login.namespace, login.name.partition("/")[0]))
    for namespace, name in given:
        stated = [space(one) for one in operation.headers_in if local(one) == name]
        if stated and namespace not in stated:
            yield Elsewhere(name, namespace, stated[0])
