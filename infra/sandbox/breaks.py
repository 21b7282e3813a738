"""Breaks by name, with a way back: what a server offers, what was done to it, and how it is healed, the newest first."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

Facts = dict[str, Any]
#: Takes one break back; what it returns are facts for whoever healed. ValueError when another break has to be healed first.
Undo = Callable[[], Facts | None]
World = TypeVar("World")


class OverError(Exception):
    """Raised by an undo: the break has ended by itself, there is nothing to take back."""


@dataclass(frozen=True)
class Break(Generic[World]):
    """``act`` does it and returns what it did with a way back, where there is one."""

    ja: str
    en: str
    act: Callable[[World, Facts], tuple[Facts, Undo | None]]


class Breakage(Generic[World]):
    """What has been broken in one server, out of what its catalogue offers."""

    def __init__(self, world: World, catalogue: Mapping[str, Break[World]]) -> None:
        self._world = world
        self._catalogue = catalogue
        self._done: list[tuple[str, Undo]] = []

    def listed(self) -> list[dict[str, str]]:
        """Every break by name, in both languages."""
        return [{"name": name, "ja": one.ja, "en": one.en} for name, one in self._catalogue.items()]

    def do(self, body: Facts) -> Facts:
        """``{"name", …}``: do it and say what was done. ValueError for a name there is not, or what the break refuses."""
        name = self._known(str(body["name"]))
        facts, undo = self._catalogue[name].act(self._world, body)
        if undo is not None:
            self._done.append((name, undo))
        return {"name": name, "healable": undo is not None} | facts

    def heal(self, name: str | None = None) -> tuple[list[str], list[Facts]]:
        """Undo this break, or all; returns the names of what was undone, sorted, and what the undoing told."""
        if name is not None:
            self._known(name)
        healed: set[str] = set()
        told: list[Facts] = []
        for entry in reversed(list(self._done)):
            if name in (None, entry[0]):
                try:
                    facts = entry[1]()
                    healed.add(entry[0])
                    told += [] if facts is None else [facts]
                except OverError:
                    pass
                self._done.remove(entry)
        return sorted(healed), told

    def _known(self, name: str) -> str:
        if name not in self._catalogue:
            raise ValueError(f"no such break; there are: {', '.join(self._catalogue)}")
        return name
