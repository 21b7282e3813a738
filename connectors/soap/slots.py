"""Where the values of one raw row go, while a plan is compiled."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa

from connectors.errors import ContractBroken
from connectors.protocol import Column
from connectors.soap.checks import Check
from connectors.soap.components import UnknownPath
from connectors.soap.pairs import Gathered
from connectors.soap.reading import Reading


class Slots:
    """Slots of one raw row; two columns that read the same source share one. ``at`` is the path of that row, with what is declared below;
    ``checks`` are those of the row."""

    def __init__(self, readings: Mapping[str, Reading], at: str = "", *, encoded: bool = False) -> None:
        self.of: dict[str, int] = {}
        self.pairs: dict[tuple[str, str], tuple[Gathered, Slots]] = {}
        self.readings, self.at, self.encoded = readings, at, encoded
        self.checks: list[Check] = []

    def reading(self, source: str) -> Reading | None:
        return self.readings.get(self.at + source)

    def below(self, source: str) -> Slots:
        return Slots(self.readings, f"{self.at}{source}/", encoded=self.encoded)

    def take(self, source: str) -> int:
        return self.of.setdefault(source, len(self.of))


def column_gone(operation: str, column: Column, error: UnknownPath) -> ContractBroken:
    """What a contract is told whose column leads nowhere."""
    have = ", ".join(error.have) or "-"
    return ContractBroken("soap.column_gone", operation=operation, column=column.name, source=column.source, candidates=have)


def own_text(source: str) -> Column:
    """A text that the plan reads for itself. It is no column of type string: at an element with elements that would be its XML."""
    return Column(source, source, pa.large_string())
