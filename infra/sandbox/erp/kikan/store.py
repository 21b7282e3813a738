"""The ERP's tables as they stand now: rows, their XML made ready, and the business of the days lived so far."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from infra.sandbox.clock import SandboxClock
from infra.sandbox.erp.contract import Entity, Row, writer
from infra.sandbox.erp.evolution import Evolution
from infra.sandbox.erp.kikan import business, masters
from infra.sandbox.erp.kikan.criteria import BadCriteriaError, Test, compile_criteria
from infra.sandbox.erp.kikan.pages import ITEMS, PURCHASE_ORDERS, STOCK_MOVEMENTS, SUPPLIERS
from infra.sandbox.erp.living import LivingStore

#: More rows than this never come in one reply, whatever setSize asks for; a reader goes on until a page is empty.
PAGE_CAP = 5_000


class UnknownBookmarkError(ValueError):
    """A bookmarkKey that names no row of the page."""


class Table:
    """One page's rows in primary-key order. ``entity`` and ``rows`` are as sent now; what was before any evolution stays underneath."""

    def __init__(self, entity: Entity, rows: list[Row]) -> None:
        self._evolution = Evolution(entity)
        self._stored = rows
        self.rows: list[Row] = []
        #: Made when a row is first asked for: most are not while a server starts.
        self._xml: list[bytes | None] = []
        self._place: dict[str, int] = {}
        self._render()

    @property
    def stored(self) -> list[Row]:
        """Rows by the contract the ERP was built with: what the business works on."""
        return self._stored

    @property
    def entity(self) -> Entity:
        return self._evolution.shape

    def _render(self) -> None:
        self._write = writer(self.entity.row, self.entity.elements)
        self.rows = [self._evolution.adapt(row) for row in self._stored] if self._evolution.changed else list(self._stored)
        self._xml = [None] * len(self.rows)
        self._place = {row["Key"]: place for place, row in enumerate(self.rows)}

    def put(self, rows: Iterable[Row]) -> None:
        """Replace rows that are there and append those that are not; appended keys must come after all others."""
        for stored in rows:
            row = self._evolution.adapt(stored)
            place = self._place.setdefault(row["Key"], len(self.rows))
            if place == len(self.rows):
                self._stored.append(stored)
                self.rows.append(row)
                self._xml.append(None)
            self._stored[place], self.rows[place], self._xml[place] = stored, row, None

    def evolve(self, change: dict[str, Any]) -> dict[str, Any]:
        """Apply one change of the contract, or with kind ``restore`` undo them all; returns it with its defaults. Raises ValueError as ``evolution.step`` does."""
        made = self._evolution.apply(change, self.rows)
        self._render()
        return made

    def withdraw(self, change: dict[str, Any]) -> None:
        """Undo one change that ``evolve`` returned. Raises ValueError when a later one depends on it."""
        self._evolution.withdraw(change, self._stored)
        self._render()

    def _tests(self, filters: Iterable[tuple[str, str]]) -> list[tuple[str, Test]]:
        known = self.entity.filterable()
        tests: list[tuple[str, Test]] = []
        for name, criteria in filters:
            if name not in known:
                raise BadCriteriaError(f"項目 '{name}' はページ {self.entity.row} の抽出条件に使えません。")
            tests.append((name, compile_criteria(criteria, known[name])))
        return tests

    def count(self, filters: Iterable[tuple[str, str]]) -> int:
        """How many rows meet all filters. Raises BadCriteriaError."""
        tests = self._tests(filters)
        return sum(all(test(row.get(name)) for name, test in tests) for row in self.rows)

    def page(self, filters: Iterable[tuple[str, str]], bookmark: str | None, set_size: int) -> list[bytes]:
        """XML of the rows after ``bookmark`` (before it, backwards, when ``set_size`` is negative); 0 asks for all there are.

        Never more than ``PAGE_CAP``. Raises BadCriteriaError and UnknownBookmarkError.
        """
        tests = self._tests(filters)
        if bookmark is not None and bookmark not in self._place:
            raise UnknownBookmarkError(f"ブックマーク '{bookmark}' のレコードがありません。")
        wanted = min(abs(set_size) or PAGE_CAP, PAGE_CAP)
        if set_size >= 0:
            places = range(0 if bookmark is None else self._place[bookmark] + 1, len(self.rows))
        else:
            places = range((len(self.rows) if bookmark is None else self._place[bookmark]) - 1, -1, -1)
        if not tests:
            return [self._made(place) for place in places[:wanted]]
        found: list[bytes] = []
        for place in places:
            row = self.rows[place]
            if all(test(row.get(name)) for name, test in tests):
                found.append(self._made(place))
                if len(found) == wanted:
                    break
        return found

    def _made(self, place: int) -> bytes:
        made = self._xml[place]
        if made is None:
            made = self._xml[place] = self._write(self.rows[place]).encode()
        return made


class Store(LivingStore):
    """The four tables. Every reader holds ``lock`` and calls ``catch_up`` first."""

    def __init__(self, seed: int, clock: SandboxClock) -> None:
        super().__init__(seed, clock)
        self.tables: dict[str, Table] = {
            entity.key: Table(entity, rows)
            for entity, rows in (
                (ITEMS, masters.items(seed, self._calendar)),
                (SUPPLIERS, masters.suppliers(seed, self._calendar)),
                (PURCHASE_ORDERS, business.base_orders(seed, self._calendar)),
                (STOCK_MOVEMENTS, business.base_movements(seed, self._calendar)),
            )
        }

    def _live(self, number: int) -> None:
        items, orders, movements = (self.tables[key] for key in ("items", "purchase_orders", "stock_movements"))
        day = business.live(self._seed, number, self._calendar, orders=orders.stored, items=items.stored, last_entry=len(movements.stored))
        movements.put(day.movements)
        orders.put(day.changed_orders)
        orders.put(day.orders)
        items.put({**row, **day.changed_items[row["No"]]} for row in list(items.stored) if row["No"] in day.changed_items)
