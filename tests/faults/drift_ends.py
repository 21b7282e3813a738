"""How a pull over a source that drifted must end, and the whole end state checked: what the matrices of the three sources share.

The expectations come from docs/decisions/025, the guides and the reference sheets, not from the product's own tables of kinds.
"""

from __future__ import annotations

import os
import random
import re
from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, TypeVar

from connectors.errors import ContractBroken
from connectors.messages import catalogue
from expectations.contract import Contract
from expectations.reading import read_contract
from pipelines.landing.promises import kept
from pipelines.landing.quarantine import held_now
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.pull.outcome import Result

SEED = int(os.environ.get("SLICE", "20261121"))
#: Stands in every contract of a matrix: a rewritten contract must still have it.
COMMENT = "# Agreed with the owner of the source at the kick-off; ask there first."
Row = dict[str, Any]
T = TypeVar("T")


@dataclass(frozen=True)
class End:
    """How the pull ends. ``code`` is the error's, empty where the pull goes on.

    ``named`` are kind and field of what the check ``drift`` names. ``held`` says of a row of the source whether it is held back; ``empty`` are
    columns that the source no longer fills; ``states`` is asked of the next version of the contract, and where it is None there is none.
    """

    code: str = ""
    named: tuple[tuple[str, str], ...] = ()
    held: Callable[[Row], bool] = lambda _: False
    empty: tuple[str, ...] = ()
    states: Callable[[Contract], bool] | None = None
    #: Facts that the sentence of the error must name, in both languages.
    says: tuple[str, ...] = ()
    #: The policy that the changes go by where their kinds can't have the contract's.
    settled: str = ""

    @property
    def goes_on(self) -> bool:
        return not self.code


@dataclass(frozen=True)
class Cell:
    """One break under one policy. ``rule`` is the key of ``drift:`` that the contract sets to ``policy``; None where no policy rules it."""

    name: str
    rule: str | None
    policy: str
    end: End
    body: Mapping[str, Any] = field(default_factory=dict[str, Any])
    #: What the contract says of other kinds.
    beside: Mapping[str, str] = field(default_factory=dict[str, str])

    @property
    def id(self) -> str:
        return f"{self.name} {self.rule or 'unruled'}={self.policy}"

    @property
    def drift(self) -> dict[str, str]:
        return ({self.rule: self.policy} if self.rule else {}) | dict(self.beside)


class Bench(ABC):
    """One stream of one source, published once: what can be asked of it."""

    project: Project
    stream: str

    @abstractmethod
    def pull(self) -> Result: ...

    @abstractmethod
    def source(self) -> dict[str, Row]:
        """The source's own truth about each row, by key: the columns of the contract as it stands now, by column, in plain values."""

    @abstractmethod
    def rows(self) -> dict[str, Row]:
        """The published live rows in the same form. A key that stands twice is an error."""

    @property
    def path(self) -> Path:
        return self.project.folder / "contracts" / f"{self.stream}.yaml"

    @property
    def warehouse(self) -> Warehouse:
        return Warehouse(self.project.root)

    def quarantined(self) -> set[str]:
        return {row.key for row in held_now(self.warehouse, self.stream)}


@dataclass(frozen=True)
class State:
    """Everything a pull may change: published record, rows, quarantine and the folder of contracts."""

    published: Any
    rows: dict[str, Row]
    quarantined: set[str]
    files: dict[str, str]


def state(bench: Bench) -> State:
    folder = bench.project.folder / "contracts"
    files = {str(one.relative_to(folder)): one.read_text(encoding="utf-8") for one in folder.rglob("*.yaml")}
    return State(bench.warehouse.published(bench.stream), bench.rows(), bench.quarantined(), files)


def ended(bench: Bench, before: State, result: Result, cell: Cell) -> None:
    """Everything that is there after the pull is as the cell says."""
    end = cell.end
    _named(result, cell)
    if end.goes_on:
        _went_on(bench, before, result, cell)
    else:
        _stopped(bench, before, result, end)


def _named(result: Result, cell: Cell) -> None:
    told = {(row["change"], row["field"]): row["policy"] for check in result.checks if check.name == "drift" for row in check.rows}
    for one in cell.end.named:
        assert one in told, f"{one} is not among what the check drift names: {told}"
        if cell.rule:
            wanted = cell.end.settled or cell.policy
            assert told[one] == wanted, f"{one} is ruled by {told[one]}, not by {cell.rule}: {wanted}"


def _stopped(bench: Bench, before: State, result: Result, end: End) -> None:
    error = result.error
    assert error is not None, f"the pull went on: {dict(result.counts)}"
    assert error.code == end.code, f"{error.code}: {error}"
    assert result.published is None
    assert result.outcome == ("stopped" if isinstance(error, ContractBroken) else "failed")
    assert {error.code, f"{error.code}.remedy"} <= catalogue().keys()
    japanese, english = error.say("ja"), error.say("en")
    assert re.search("[ぁ-ん]", japanese) and japanese != english and "Traceback" not in english
    for fact in end.says:
        assert fact in japanese and fact in english, f"{fact} is not in: {english}"
    now = state(bench)
    assert now.published == before.published, "published record and table versions are as before"
    assert now.rows == before.rows and now.quarantined == before.quarantined
    assert now.files == before.files, "no contract was written"


def _went_on(bench: Bench, before: State, result: Result, cell: Cell) -> None:
    end = cell.end
    assert result.error is None, f"{result.error.code}: {result.error}"
    assert result.outcome == "succeeded" and result.published == (before.published.number + 1)
    truth = bench.source()
    held = {key for key, row in truth.items() if end.held(row)}
    wanted = {key: row | dict.fromkeys(end.empty) for key, row in truth.items() if key not in held}
    rows = bench.rows()
    assert rows.keys() == wanted.keys(), f"missing {wanted.keys() - rows.keys()}, too many {rows.keys() - wanted.keys()}"
    different = {key: (rows[key], wanted[key]) for key in rows if rows[key] != wanted[key]}
    assert not different, f"{len(different)} rows differ, such as (published, source) {_first_difference(different)}"
    assert bench.quarantined() == held
    books = result.balance
    assert books is not None and books.verified
    assert (books.source, books.landed, books.quarantined, books.excluded) == (len(truth), len(wanted), len(held), 0)
    _versioned(bench, before, result, cell)


def _first_difference(different: Mapping[str, tuple[Row, Row]]) -> dict[str, tuple[Any, Any]]:
    ours, theirs = next(iter(different.values()))
    return {name: (ours.get(name), theirs.get(name)) for name in ours.keys() | theirs.keys() if ours.get(name) != theirs.get(name)}


def _versioned(bench: Bench, before: State, result: Result, cell: Cell) -> None:
    """The contract's file, its history and what is kept beside the tables say under which version the rows landed."""
    folder, name = bench.path.parent, bench.path.name
    record = bench.warehouse.published(bench.stream)
    promised = kept(bench.warehouse.store, bench.stream)
    contract = read_contract(bench.path)
    assert record is not None and promised is not None
    assert record.contract_version == result.contract_version == contract.version == promised.version
    assert promised.fingerprint() == contract.fingerprint() == result.contract_fingerprint
    old = before.files[str(bench.path.relative_to(bench.project.folder / "contracts"))]
    if cell.end.states is None:
        assert contract.version == 1 and state(bench).files == before.files, "no contract was written"
        return
    assert contract.version == 2 and cell.end.states(contract), bench.path.read_text(encoding="utf-8")
    assert contract.accepted is not None and contract.accepted.by == "policy: evolve"
    assert (folder / "history" / name.replace(".yaml", ".v1.yaml")).read_text(encoding="utf-8") == old
    assert COMMENT in bench.path.read_text(encoding="utf-8"), "comments are kept"


def some(cells: Sequence[T], count: int, salt: int, groups: Callable[[T], tuple[str, ...]]) -> list[T]:
    """So many of the cells, the same for the same SLICE: every group is met before any is met twice."""
    order = random.Random(SEED + salt).sample(list(cells), len(cells))
    chosen: list[T] = []
    met: dict[str, int] = {}
    while order and len(chosen) < count:
        best = min(order, key=lambda one: sum(met.get(name, 0) for name in groups(one)))
        order.remove(best)
        chosen.append(best)
        for name in groups(best):
            met[name] = met.get(name, 0) + 1
    return [one for one in cells if one in chosen]
