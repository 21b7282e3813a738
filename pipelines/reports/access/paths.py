"""Why somebody reads: chains of membership between a person and a granted principal, safe in circles.

A person may be in a group in more ways than anybody can read. Told is the shortest chain through each member that the granted group itself
holds: those are what somebody can take out of it.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Collection, Iterable, Mapping, Sequence

#: One edge: ``group``, ``member``.
Edge = tuple[str, str]
#: Principals from a person up to the one that is granted something, both included.
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

    def chains(self, granted: str, people: Collection[str]) -> list[Chain]:
        """How each of ``people`` comes to act under ``granted``: as it, or through each of its own members, by the shortest chain."""
        found = [(granted,)] if granted in people else []
        for member in self._members.get(granted, ()):
            if member != granted:
                below = _walk(member, self._members, without=granted)
                found += [(*reversed(down), granted) for start, down in below.items() if start in people]
        return found

    def chains_of(self, person: str, granted: str) -> list[Chain]:
        """The same for one person, walked upwards: what lies above one person is little, what lies below a group may be everybody."""
        if person == granted:
            return [(person,)]
        above = _walk(person, self._groups, without=granted)
        return [(*above[member], granted) for member in self._members.get(granted, ()) if member in above]


def _walk(start: str, onward: Mapping[str, Sequence[str]], without: str) -> dict[str, Chain]:
    """Everything reachable with the shortest chain to it, never through ``without``. Breadth first: who was met is not walked again."""
    chains: dict[str, Chain] = {start: (start,)}
    waiting = deque(chains)
    while waiting:
        at = waiting.popleft()
        for beyond in onward.get(at, ()):
            if beyond not in chains and beyond != without:
                chains[beyond] = (*chains[at], beyond)
                waiting.append(beyond)
    return chains
