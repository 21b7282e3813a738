"""The place where several transports agree on who may send when: what stands there knows a source's limits, the transport does not."""

from __future__ import annotations

from typing import Protocol

import httpx


class Gate(Protocol):
    """What several transports share: who may send when. Must be safe to use from several threads.

    Every exchange passes it, those that follow a redirect or answer a challenge too, while a slot of the transport is held: what was let
    through is sent at once, and a pause is known before the slot is free.
    """

    def enter(self, method: str, url: str) -> None:
        """Returns when this request may be sent. Raises SourceUnavailable when that is too far off. ``url`` may hold a secret."""
        ...

    def heard(self, response: httpx.Response) -> None:
        """A reply's status and headers have come; its body has not. What got no reply is not told."""
        ...

    def hold(self, seconds: float) -> None:
        """Nobody is let through for so long."""
        ...
