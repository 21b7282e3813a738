"""What bears on the reading of one value: the contract's declarations, why a value does not fit, and what was odd in one that is given."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any, Literal

from connectors.soap.raw import Unfit
from connectors.soap.reading import Beyond, Finer, Reading, Zone

#: Path below the column, code, and whether it is a mere fact (see ``protocol.Note``).
Oddity = tuple[str, str, bool]
#: The code of a value that the contract's list of them lacks. Behind it a note names that value: it is a word of the source's vocabulary
#: that the contract does not have yet, as an unknown element is.
ADDED = "value.enumeration"
#: As much of such a value as is named.
_SHOWN = 80


__all__ = ["ADDED", "Oddity", "Rules", "Unfit"]


@dataclass(frozen=True)
class Rules:
    """The declarations that bear on values: see ``SourceSpec``.

    A ``zone`` that is ``kept`` stands somewhere else, so that nothing is lost. ``met`` takes what was odd in the value that is being read and
    did not hold it back; whoever reads a value empties it. ``names``: a value that the contract's list lacks may be named; one of a masked
    column never is. ``known`` are texts that were read in parts of this column's values, by part, without anything odd: equal texts, as rates
    and units are, are read once. Whoever reads a column empties it.
    """

    timezone: str | None = None
    null_values: frozenset[str] = frozenset()
    empty_as_null: bool = False
    beyond: Beyond = "hold"
    finer: Finer = "hold"
    zone: Zone | Literal["kept"] = "hold"
    names: bool = True
    met: list[Oddity] = field(default_factory=list[Oddity], compare=False)
    known: dict[tuple[int, str], Any] = field(default_factory=dict[tuple[int, str], Any], compare=False)

    def of(self, reading: Reading | None, *, keeps_zone: bool = False) -> Rules:
        """The same for one column, as far as it declares something of its own. ``keeps_zone``: its zone is another column."""
        if keeps_zone:
            return replace(self.of(reading), zone="kept")
        if reading is None or not (reading.rules or reading.mask):
            return self
        return replace(
            self,
            timezone=reading.timezone or self.timezone,
            empty_as_null=self.empty_as_null if reading.empty is None else reading.empty == "null",
            beyond=reading.beyond or self.beyond,
            finer=reading.finer or self.finer,
            zone=reading.zone or self.zone,
            names=self.names and not reading.mask,
        )

    def beneath(self, step: str, since: int) -> None:
        """What was met since ``since`` was met in a part of this value."""
        if len(self.met) > since:
            self.met[since:] = [(step + path, what, fact) for path, what, fact in self.met[since:]]

    def beyond_facet(self, why: str, raw: object) -> None:
        """A value that its type holds breaks a facet: kept and noted where that is declared, else Unfit."""
        if self.beyond != "keep":
            raise Unfit(why, raw)
        self.note(why.partition(" ")[0])

    def added(self, why: str, value: str, raw: object) -> None:
        """A value that the contract's list of them lacks: kept and noted by name where that is declared, else Unfit."""
        if self.beyond != "keep":
            raise Unfit(why, raw)
        self.note(f"{ADDED} {value[:_SHOWN]!r}{'…' * (len(value) > _SHOWN)}" if self.names else ADDED)

    def note(self, what: str, *, fact: bool = False) -> None:
        self.met.append(("", what, fact))
