"""What a reply holds besides its rows, and the two ways in which it is none."""

from __future__ import annotations

from dataclasses import dataclass, field

from connectors.soap.arrays import ArraySaid
from connectors.soap.aside import Attachment
from connectors.soap.notes import Notes
from connectors.soap.steps import DETAIL, Kind, Step
from connectors.soap.xmltree import BrokenXml


class IncompleteXml(BrokenXml):
    """The document ended before its root did: a cut connection, not a bad server. Worth asking again."""


class NotSoap(ValueError):
    """Well-formed, but not the answer the contract promises. The message names elements, never values."""


@dataclass
class Reply:
    """What stands around the rows. ``scalars`` by path; ``fault`` by ``code``, ``subcode`` and ``text`` when the Body holds a Fault.

    ``missing`` names elements on the way to the rows that the contract requires and that did not come. ``content`` are the bytes that the
    plan asked for outside of the rows; they last as long as the ``Aside`` they lie in. ``repeated`` holds all texts of a path that leads
    through a repeated element. ``nil_rows`` said that they are nil and are not among the rows. ``passed`` counts what stands where
    rows do, in the pair under way, which is not theirs. ``nothing``: the reply was judged, and it says that there is nothing to give.
    ``notes`` count what the contract does not know; ``beside_rows`` are the names of such elements that stand where rows should.
    ``miscounted``: the rows stand in an encoded array that says another number of them than came.
    """

    rows: int = 0
    answers: int = 0
    missing: tuple[str, ...] = ()
    scalars: dict[str, str | None] = field(default_factory=dict[str, "str | None"])
    fault: dict[str, str] | None = None
    content: Attachment | None = None
    repeated: dict[str, list[str]] = field(default_factory=dict[str, list[str]])
    nil_rows: int = 0
    passed: int = 0
    nothing: bool = False
    notes: Notes = field(default_factory=Notes)
    beside_rows: tuple[str, ...] = ()
    miscounted: tuple[int | None, int] | None = None

    def all(self, path: str) -> list[str]:
        """Every text that came at a path, in the order of the document."""
        text = self.scalars.get(path)
        return self.repeated.get(path, [] if text is None else [text])

    def take(self, path: str, text: str | None, *, repeats: bool) -> None:
        """The value of an element at a path; None where it is nil. Raises NotSoap for a second one, unless the path ``repeats``."""
        if repeats:
            if text is not None:
                self.repeated.setdefault(path, []).append(text)
        elif path in self.scalars:
            raise NotSoap(f"<{path}> comes twice")
        self.scalars[path] = text

    def take_attribute(self, path: str, text: str | None, *, repeats: bool) -> None:
        self.scalars[path] = text
        if repeats and text is not None:
            self.repeated.setdefault(path, []).append(text)

    def counted(self, said: ArraySaid) -> None:
        """The array that the rows stand in is over. Raises NotSoap where it leaves rows out."""
        if said.partial:
            raise NotSoap("the rows are an array that leaves items out (offset or position)")
        if said.count not in (None, self.rows - said.before):
            self.miscounted = said.count, self.rows - said.before

    def end(self, step: Step, name: str, text: str, *, nil: bool, odd: bool, repeats: bool) -> None:
        """An element that stands alone is over: a scalar, or a part of the fault. ``odd``: it held more than its text."""
        if step.kind is Kind.FAULT_TEXT:
            self.take_fault(step.name, text)
        elif step.kind is Kind.FAULT_DETAIL:
            if text:
                self.take_fault(DETAIL.get(name.lower()), text)
        elif odd and text:
            raise NotSoap(f"<{step.name}> holds more than a value")
        else:
            self.take(step.name, None if nil else text, repeats=repeats)
        if step.around is not None:
            step.around.close(self)

    def take_fault(self, key: str | None, text: str) -> None:
        """A part of the fault; of several the first counts."""
        if self.fault is not None and key:
            self.fault.setdefault(key, text)
