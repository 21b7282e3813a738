"""The drawing office's tables as they stand now, in number order, a page at a time, and the files behind the drawings."""

from __future__ import annotations

import hashlib
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from infra.sandbox.clock import SandboxClock
from infra.sandbox.erp.contract import Row, Shape, writer
from infra.sandbox.erp.evolution import Evolution
from infra.sandbox.erp.living import LivingStore
from infra.sandbox.erp.zumen import business, paper
from infra.sandbox.erp.zumen.pages import APPROVALS, DRAWINGS, NAMESPACE

#: Rows a page has at most, whatever is asked for.
PAGE_CAP = 100


@dataclass(frozen=True)
class Page:
    """Rows as XML; ``rows`` in all, on ``pages`` pages."""

    xml: list[bytes]
    rows: int
    pages: int


@dataclass(frozen=True)
class File:
    """A drawing's file. ``chunks`` may be walked again and again."""

    name: str
    length: int
    sha256: bytes
    chunks: paper.Chunks


class Store(LivingStore):
    """Every reader holds ``lock`` and calls ``catch_up`` first."""

    def __init__(self, seed: int, clock: SandboxClock) -> None:
        super().__init__(seed, clock)
        self._drawings = business.base_drawings(seed, self._calendar)
        self._approvals: list[Row] = []
        self._approve(business.base_approvals(seed, self._drawings))
        self._evolution = Evolution(DRAWINGS)
        self._enlarged: dict[str, int] = {}
        self._write_approval = writer("Approval", APPROVALS.elements)
        self._write_drawing = self._drawing_writer()

    @property
    def shape(self) -> Shape:
        return self._evolution.shape

    def _drawing_writer(self) -> Any:
        return writer("Drawing", self.shape.elements, f' xmlns:d="{NAMESPACE}"')

    def drawings(self) -> list[Row]:
        """Rows as they are sent now."""
        return [self._evolution.adapt(row) for row in self._drawings]

    def approvals(self) -> list[Row]:
        return self._approvals

    def drawing_page(self, index: int, size: int, since: datetime | None, early: int = 0) -> Page:
        """Page ``index`` (from 1) of the drawings modified at or after ``since``; ``early`` rows before its place."""
        rows = [row for row in self._drawings if since is None or row["Modified_At"] >= since]
        return self._page(rows, index, size, early, lambda row: self._write_drawing(self._evolution.adapt(row)))

    def approval_page(self, index: int, size: int, since: datetime | None, early: int = 0) -> Page:
        rows = [row for row in self._approvals if since is None or row["Approved_At"] >= since]
        return self._page(rows, index, size, early, self._write_approval)

    def _page(self, rows: list[Row], index: int, size: int, early: int, write: Any) -> Page:
        wanted = min(size, PAGE_CAP)
        first = (index - 1) * wanted
        first -= min(first, early)
        return Page([write(row).encode() for row in rows[first : first + wanted]], len(rows), -(-len(rows) // wanted))

    def drawing(self, number: str) -> Row | None:
        """The drawing as stored, or None."""
        return next((row for row in self._drawings if row["Drawing_No"] == number), None)

    def drawing_xml(self, row: Row) -> bytes:
        return self._write_drawing(self._evolution.adapt(row)).encode()

    def file(self, row: Row) -> File:
        """The file of a drawing as stored: its sheet as PDF, of any size that ``enlarge`` gave it."""
        number = row["Drawing_No"]
        chunks = paper.sheet(number, row["Title"], row["Revision"], row["Material"] or "", self._enlarged.get(number, 0))
        digest, length = hashlib.sha256(), 0
        for chunk in chunks:
            digest.update(chunk)
            length += len(chunk)
        return File(row["Document"]["File_Name"], length, digest.digest(), chunks)

    def enlarge(self, number: str, size: int) -> None:
        """Let the file of this drawing have about ``size`` more bytes; 0 for none. Raises ValueError for a drawing there is not."""
        if self.drawing(number) is None:
            raise ValueError(f"there is no drawing {number}")
        self._enlarged[number] = size

    def evolve(self, change: dict[str, Any]) -> dict[str, Any]:
        made = self._evolution.apply(change, self.drawings())
        self._write_drawing = self._drawing_writer()
        return made

    def withdraw(self, change: dict[str, Any]) -> None:
        self._evolution.withdraw(change, self._drawings)
        self._write_drawing = self._drawing_writer()

    def _approve(self, rows: list[Row]) -> None:
        first = len(self._approvals) + 1
        self._approvals += [{"Approval_No": first + place, **row} for place, row in enumerate(rows)]

    def _live(self, number: int) -> None:
        day = business.live(self._seed, number, self._calendar, self._drawings)
        places = {row["Drawing_No"]: place for place, row in enumerate(self._drawings)}
        for row in day.drawings:
            if row["Drawing_No"] in places:
                self._drawings[places[row["Drawing_No"]]] = row
            else:
                self._drawings.append(row)
        self._drawings.sort(key=lambda row: row["Drawing_No"])
        self._approve(day.approvals)
