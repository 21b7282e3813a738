"""Why somebody reads: chains of membership between a person and a granted principal, the shortest each, safe in circles."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Mapping, Sequence

#: One edge: ``group``, ``member``.
Edge = tuple[str, str]
#: Principals from where a walk began to where it came, both included.
Chain = tuple[str, ...]


class Membership:
    """The edges of one stream's directory, to be walked either way."""

    def __init__(self, edges: Iterable[Edge]) -> None:
        self._groups: dict[str, list[str]] = {}
        self._members: dict[str, list[str]] = {}
        # In a fixed order, so that of two chains of one length the same one is told every time.
        for group, member in sorted(set(edges)):
            self._groups.setdefault(member, []).append(group)
            self._members.setdefault(group, []).append(member)

    def above(self, starts: Iterable[str]) -> Mapping[str, Chain]:
        """Every principal that ``starts`` act under, themselves included, with the shortest chain up to it."""
        return _walk(starts, self._groups)

    def below(self, principal: str) -> Mapping[str, Chain]:
        """Everything that acts under ``principal``, itself included, with the shortest chain from it *up to* the principal."""
        return {found: chain[::-1] for found, chain in _walk([principal], self._members).items()}


def _walk(starts: Iterable[str], onward: Mapping[str, Sequence[str]]) -> dict[str, Chain]:
    """Breadth first: the first chain to arrive is a shortest one, and who was met is not walked again."""
    chains: dict[str, Chain] = {start: (start,) for start in starts}
    waiting = deque(chains)
    while waiting:
        at = waiting.popleft()
        for next_ in onward.get(at, ()):
            if next_ not in chains:
                chains[next_] = (*chains[at], next_)
                waiting.append(next_)
    return chains
