"""Two hundred random scripts of drift: breaks, heals, edits of rows, acceptances and pulls in any order. After every published pull the books
balance against the source's truth, no row is lost or doubled, and nothing landed under another promise than the one that is kept.
"""

from __future__ import annotations

import random
import shutil
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field
from itertools import count
from pathlib import Path
from typing import Any

import drift_cells_kintone as cells
import pytest
import test_drift_matrix_kintone as kintone
import test_drift_matrix_soap as soap
from drift_ends import SEED, Cell, End
from drift_scripts import Script
from kintone_house import App
from soaking import rounds

from infra.sandbox import process
from infra.sandbox.state import SandboxError
from pipelines.project import load

STEPS = 6
TEXT, NUMBER, CHOICE, NOTE = cells.TEXT, cells.NUMBER, cells.CHOICE, cells.NOTE
forms = kintone.forms
home = soap.home
#: Widened types are left out: rows of the old type and of the new one lie in one table only once landing can keep both.
POLICIES = {key: allowed for key, allowed in soap.ALLOWED.items() if key != "widened"}


def policies(rng: random.Random) -> dict[str, str]:
    return {key: rng.choice(allowed) for key, allowed in POLICIES.items()}


@dataclass
class KintoneScript(Script):
    """People and the owner of a small app."""

    names: dict[str, str] = field(default_factory=lambda: {TEXT: TEXT, NUMBER: NUMBER, CHOICE: CHOICE, NOTE: NOTE})
    number: Iterator[int] = field(default_factory=lambda: count(1))

    @property
    def app(self) -> App:
        assert isinstance(self.bench, kintone.KintoneBench)
        return self.bench.target.app

    def doings(self) -> Sequence[Callable[[], str]]:
        return (
            self.inserted, self.updated, self.deleted, self.waited, self.renamed, self.relabelled, self.grown, self.required,
            self.option_renamed, self.option_removed, self.removed,
        )  # fmt: skip

    def heal(self) -> str:
        self.app.house.control("heal")
        self.names = {name: name for name in self._codes() if name in (TEXT, NUMBER, CHOICE, NOTE)}
        return "healed"

    def inserted(self) -> str:
        return self._tried("insert", lambda: self.app.insert(*(self._values() for _ in range(self.rng.randint(1, 3)))))

    def updated(self) -> str:
        return self._tried("update", lambda: self.app.update(self._some(), **self._values()))

    def deleted(self) -> str:
        return self._tried("delete", lambda: self.app.delete(self._some()[:1]))

    def waited(self) -> str:
        self.app.house.later(minutes=self.rng.choice([1, 6, 90]))
        return "time went by"

    def renamed(self) -> str:
        return self._broken("rename-field", field=TEXT, to=f"件名{next(self.number)}")

    def relabelled(self) -> str:
        return self._broken("rename-label", field=NUMBER, to=f"数{next(self.number)}")

    def grown(self) -> str:
        return self._broken("add-field", field=f"追加{next(self.number)}")

    def required(self) -> str:
        return self._broken("require-field", field=self.rng.choice([TEXT, NOTE]))

    def option_renamed(self) -> str:
        return self._broken("rename-option", field=CHOICE, to=f"区分{next(self.number)}")

    def option_removed(self) -> str:
        return self._broken("remove-option", field=CHOICE)

    def removed(self) -> str:
        return self._broken("delete-field", field=NOTE) if self.rng.random() < 0.2 else "nothing"

    def _broken(self, name: str, **body: Any) -> str:
        return self._tried(f"{name} {body}", lambda: self.app.broken(name, **body))

    def _tried(self, what: str, act: Callable[[], Any]) -> str:
        """Nobody can rename what is not there; the sandbox says so, as kintone would."""
        try:
            act()
        except ValueError as error:
            return f"{what}: refused ({str(error)[-80:]})"
        return what

    def _codes(self) -> set[str]:
        return set(self.app.house.rest("GET", f"app/form/fields.json?app={self.app.number}")["properties"])

    def _values(self) -> dict[str, Any]:
        wanted = {TEXT: f"値{next(self.number)}", NUMBER: str(self.rng.randint(0, 999)), NOTE: self.rng.choice(["", "メモ"])}
        return {code: value for code, value in wanted.items() if code in self._codes()}

    def _some(self) -> list[int]:
        return self.rng.sample(self.app.ids(), k=2)


@dataclass
class SoapScript(Script):
    """The owner of a service of the ERP, and the company that lives on."""

    def doings(self) -> Sequence[Callable[[], str]]:
        changes = (
            "add-element",
            "require-element",
            "rename-element",
            "remove-element",
            "add-value",
            "narrow-type",
            "change-nillable",
            "change-action",
        )
        return [*(lambda name=name: self._broken(name) for name in changes), self.lived, self.lived]

    def heal(self) -> str:
        process.control(self._home, "heal", {})
        return "healed"

    def lived(self) -> str:
        process.advance(self._home, 0.5)
        return "half a day went by"

    def _broken(self, name: str) -> str:
        assert isinstance(self.bench, soap.SoapBench)
        try:
            process.control(self._home, "break", {"name": name, "service": self.bench.service})
        except SandboxError as error:
            return f"{name}: refused ({str(error)[-80:]})"
        return name

    @property
    def _home(self) -> Path:
        assert isinstance(self.bench, soap.SoapBench)
        return self.bench.home


def in_kintone(forms: kintone.Forms, folder: Path, seed: int) -> Script:
    rng = random.Random(seed)
    cell = Cell("script", None, "report", End(), beside=policies(rng))
    bench = kintone.bench(forms, folder, cell)
    script = KintoneScript(bench, rng)
    try:
        _lived(script, seed)
    finally:
        forms.home.control("heal")
        bench.target.close()
    return script


def in_the_erp(home: Path, folder: Path, seed: int) -> Script:
    rng = random.Random(seed)
    project = soap.prepared(home, folder, soap.SAKURA, policies(rng))
    script = SoapScript(soap.SoapBench(home, load(project), soap.SAKURA), rng)
    try:
        _lived(script, seed)
    finally:
        process.control(home, "heal", {})
        shutil.rmtree(folder, ignore_errors=True)
    return script


def _lived(script: Script, seed: int) -> None:
    try:
        script.live(STEPS)
    except BaseException as error:
        error.add_note(f"seed {seed}: " + "; ".join(script.told))
        raise
    assert script.published >= 1


def seeds(salt: int, many: int) -> list[int]:
    return [random.Random(f"{SEED}:{salt}:{number}").randrange(10**9) for number in range(many)]


@pytest.mark.parametrize("seed", seeds(1, 4))
def test_a_script_of_drift_in_kintone_balances(forms: kintone.Forms, tmp_path: Path, seed: int) -> None:
    in_kintone(forms, tmp_path / "script", seed)


# In the last one a second person accepts what the first did, of an interface that is still another than at the last pull.
@pytest.mark.parametrize("seed", [*seeds(2, 1), 577516480])
def test_a_script_of_drift_in_the_erp_balances(home: Path, tmp_path: Path, seed: int) -> None:
    in_the_erp(home, tmp_path / "script", seed)


@pytest.mark.soak
def test_two_hundred_scripts_of_drift_balance(forms: kintone.Forms, home: Path, tmp_path: Path) -> None:
    lived = [in_kintone(forms, tmp_path / f"kintone-{seed}", seed) for seed in seeds(3, rounds(170))]
    lived += [in_the_erp(home, tmp_path / f"erp-{seed}", seed) for seed in seeds(4, rounds(30))]
    assert len(lived) == rounds(170) + rounds(30)
    # Scripts that only ever stop would show nothing.
    assert sum(one.published for one in lived) > len(lived) and sum(one.stopped for one in lived) > 0
