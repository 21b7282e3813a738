"""The sales system's tables as they stand now, in the forms that lists and single records show."""

from __future__ import annotations

from collections.abc import Callable
from datetime import date, datetime
from typing import Any

from infra.sandbox.clock import SandboxClock
from infra.sandbox.erp.contract import Row, Shape, text_of
from infra.sandbox.erp.evolution import Evolution
from infra.sandbox.erp.hanbai import business
from infra.sandbox.erp.hanbai.pages import CUSTOMERS, INVOICES, MISSPELT
from infra.sandbox.erp.hanbai.soap import untyped
from infra.sandbox.erp.living import LivingStore

_PAYMENT_MODES = {"2": "振込", "4": "現金", "7": "手形"}
Test = Callable[[Row], bool]


class Store(LivingStore):
    """Every reader holds ``lock`` and calls ``catch_up`` first. Rows are single records; ``listed`` makes of them what a list shows."""

    def __init__(self, seed: int, clock: SandboxClock) -> None:
        super().__init__(seed, clock)
        self._clerk = business.Clerk(seed, self._calendar)
        self.customers = business.customers(seed, self._calendar)
        self.invoices = business.base_invoices(self._clerk)
        self._evolution = Evolution(INVOICES)
        #: XML of the invoices in the list, made when first asked for.
        self._xml: dict[str, bytes] = {}

    @property
    def shape(self) -> Shape:
        return self._evolution.shape

    def listed_invoice(self, row: Row) -> Row:
        """An invoice as the list has it, by the names of the WSDL as it is now."""
        short = {
            **{element.name: row[element.name] for element in INVOICES.elements if element.name in row},
            "customer_code": self.customers[row["customer_id"] - 1]["customer_code"],
            "tms": int(row["date_modification"].timestamp()),
            "payment_mode": _PAYMENT_MODES[row["payment_mode_id"]],
        }
        ordered = {element.name: short[element.name] for element in INVOICES.elements}
        return self._evolution.adapt(ordered)

    def listed_customer(self, row: Row) -> Row:
        return {element.name: row[element.name] for element in CUSTOMERS.elements}

    def invoice_items(self, wanted: Test) -> list[bytes]:
        """XML of the invoices in the list that pass the test, in the order they were entered."""
        found: list[bytes] = []
        for row in self.invoices:
            if wanted(row):
                made = self._xml.get(row["id"])
                if made is None:
                    made = self._xml[row["id"]] = untyped("invoice", _as_sent(self.listed_invoice(row), self.shape)).encode()
                found.append(made)
        return found

    def customer_items(self, wanted: Test) -> list[bytes]:
        return [untyped("customer", _as_sent(self.listed_customer(row), CUSTOMERS)).encode() for row in self.customers if wanted(row)]

    def grow(self, count: int) -> int:
        """So many more invoices, paid long ago; returns how many there are now."""
        with self.lock:
            self.catch_up()
            first = len(self.invoices) + 1
            self.invoices += [
                self._clerk.invoice(number, -201 - (number - first) // 50, business.PAID) for number in range(first, first + count)
            ]
            return len(self.invoices)

    def evolve(self, change: dict[str, Any]) -> dict[str, Any]:
        rows = [self.listed_invoice(row) for row in self.invoices]
        made = self._evolution.apply(change, rows)
        self._xml.clear()
        return made

    def withdraw(self, change: dict[str, Any]) -> None:
        kept, self._evolution = self._evolution, Evolution(INVOICES)
        rows = [self.listed_invoice(row) for row in self.invoices]
        self._evolution = kept
        self._evolution.withdraw(change, rows)
        self._xml.clear()

    def _live(self, number: int) -> None:
        for row in business.live(self._clerk, number, self.invoices):
            place = int(row["id"]) - 1
            self.invoices[place : place + 1] = [row]
            self._xml.pop(row["id"], None)


def _as_sent(row: Row, shape: Shape) -> Row:
    """What PHP holds of a row: text out of the database, but for the time stamp, in elements that are not all spelt as declared."""
    sent: Row = {}
    for element in shape.elements:
        if element.name in row:
            value = row[element.name]
            if element.children:
                value = [{key: _text(one) for key, one in part.items()} for part in value]
            elif element.name != "tms":
                value = _text(value)
            sent[MISSPELT.get(element.name, element.name)] = value
    return sent


def _text(value: Any) -> str | None:
    if isinstance(value, datetime) or value is None:
        return None if value is None else text_of(value)
    return value.isoformat() if isinstance(value, date) else text_of(value)
