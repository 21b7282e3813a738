"""A session: one operation gives a token, and every other carries it, until the server says that it is over.

Salesforce (login, then SessionHeader, at an address that the login names), Magento (login, then ``sessionId`` in the body) and e-conomic
(ConnectWithToken, then a cookie) begin one each in a way of their own.
"""

from __future__ import annotations

import threading
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from connectors.soap.auth import Login
from connectors.soap.components import Contract, Operation, UnknownPath
from connectors.soap.reply import Reply
from connectors.soap.request import merged
from connectors.soap.sources import Ok
from connectors.soap.template import placed
from connectors.soap.verdict import names_of

#: The place of the token in arguments and in bodies written by hand.
PLACE = "session"


@dataclass(frozen=True)
class Held:
    """A session that was begun: its token, and where to go with it, where the login named an address."""

    token: str = field(repr=False)
    address: str | None = None


class Session:
    """The session of one client, begun when it is first needed. Safe to use from several threads: they share one."""

    def __init__(self, login: Login, begin: Callable[[], Held]) -> None:
        """``begin`` asks the server for a session; what it raises is raised by whoever needed one."""
        self._login, self._begin = login, begin
        self._held: Held | None = None
        self._lock = threading.Lock()

    def current(self) -> Held:
        with self._lock:
            if self._held is None:
                self._held = self._begin()
            return self._held

    def renewed(self, over: Held) -> Held:
        """A session in place of one that is over; where another thread began it already, that one."""
        with self._lock:
            if self._held is over:
                self._held = None
            if self._held is None:
                self._held = self._begin()
            return self._held

    def is_over(self, reply: Reply, ok: Ok | None) -> bool:
        """Whether a reply says that the session is over: by any of the names its fault has, or by a result code that means it."""
        if reply.fault is not None:
            return any(name in self._login.expired for name in names_of(reply.fault))
        return ok is not None and any(code in ok.session for code in reply.all(ok.code or ok.path))


def carried(login: Login, held: Held, contract: Contract, operation: Operation, given: Mapping[str, Any]) -> dict[str, Any]:
    """The arguments with the token where they have its place, and at the path that takes it, if this operation has that."""
    if login.as_ != "body":
        return dict(given)
    made: dict[str, Any] = placed(given, PLACE, held.token)
    return merged(made, {login.at: held.token}) if login.at and _has(contract, operation, login.at) else made


def header(login: Login, held: Held) -> tuple[tuple[str, str, Any], ...]:
    """The SOAP header that carries the token, as namespace, name and content: ``SessionHeader/sessionId`` is an element in an element."""
    if login.as_ != "header":
        return ()
    name, *inner = login.name.split("/")
    return ((login.namespace, name, nested(inner, held.token)),)


def nested(steps: Sequence[str], value: Any) -> Any:
    """A value inside of elements of these names, the outermost first."""
    for step in reversed(steps):
        value = {step: value}
    return value


def _has(contract: Contract, operation: Operation, path: str) -> bool:
    try:
        contract.walk(operation.input, path)
    except UnknownPath:
        return False
    return True
