"""One random script of drift over one stream: what may happen in it, and what must be true after every pull, whatever happened before."""

from __future__ import annotations

import json
import random
from abc import ABC, abstractmethod
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path

from drift_ends import Bench, state

from connectors.errors import AnswerIsNo
from expectations.contract import Contract
from expectations.reading import read_contract
from pipelines.landing.promises import kept
from pipelines.pull.accept import Asked, accept
from pipelines.pull.compare import compare_schema, last_seen
from pipelines.pull.outcome import Result

FIRST, SECOND = "akari.mori@sakura-seiki.example", "riku.ikeda@sakura-seiki.example"
DAY = date(2026, 6, 1)


@dataclass
class Script(ABC):
    """A script as it is lived. ``told`` is what happened, for whoever must live it again; ``promised`` each version's fingerprint as first kept."""

    bench: Bench
    rng: random.Random
    told: list[str] = field(default_factory=list[str])
    promised: dict[str, str] = field(default_factory=dict[str, str])
    published: int = 0
    stopped: int = 0

    @abstractmethod
    def doings(self) -> Sequence[Callable[[], str]]:
        """What people and owners may do to the source; each says what it did, and nothing where it could not be done."""

    @abstractmethod
    def heal(self) -> str: ...

    def live(self, steps: int) -> None:
        self.pulled(self.bench.pull)
        for _ in range(steps):
            doing = self.rng.choice([*self.doings(), *self.doings(), self.heal, self.accepted, self.accepted])
            self.told.append(doing())
            if self.rng.random() < 0.6:
                self.pulled(self.bench.pull)
        self.told.append(self.heal())
        self.told.append(self.accepted())
        self.pulled(self.bench.pull)

    def accepted(self) -> str:
        """The drift as it is, accepted by one person and, where readers break, by another. What only a person can write is left."""
        project, stream = self.bench.project, self.bench.stream
        contract = project.contract(stream)
        before = state(self.bench)
        connector = project.connect(contract.system)
        try:
            live, since = connector.describe(contract.told()), last_seen(project.root, stream)
        except AnswerIsNo as error:
            return f"nobody can accept: {error.code}"
        finally:
            connector.close()
        drift, _ = compare_schema(contract, live, since)
        take = {change.path: "" for change in drift.changes if change.kind == "added" and self.rng.random() < 0.5}
        try:
            # Each with a reason of its own: the same words twice are taken for an acceptance that was carried along.
            done = accept(project, contract, live, drift, since, Asked(FIRST, DAY, f"wanted at step {len(self.told)}", take))
        except AnswerIsNo as error:
            assert state(self.bench) == before, f"{error.code} wrote something"
            return f"not accepted: {error.code}"
        if done is None:
            assert state(self.bench) == before
            return "nothing to accept"
        if done.second:
            again = project.contract(stream)
            drift, _ = compare_schema(again, live, since)
            done = accept(project, again, live, drift, since, Asked(SECOND, DAY, "seconded by this script"))
            assert done is not None and not done.second
        assert read_contract(self.bench.path) == project.contract(stream) == done.contract
        return f"accepted version {done.contract.version}"

    def pulled(self, pull: Callable[[], Result]) -> None:
        before = state(self.bench)
        result = pull()
        self.told.append("pulled" if result.error is None else f"pulled: {result.error.code}")
        if result.error is None:
            self.published += 1
            self._published(result)
        else:
            self.stopped += 1
            after = state(self.bench)
            assert (after.published, after.quarantined) == (before.published, before.quarantined)
            if after.files == before.files:
                assert after.rows == before.rows

    def _published(self, result: Result) -> None:
        truth, rows, held = self.bench.source(), self.bench.rows(), self.bench.quarantined()
        assert not rows.keys() & held, "a row is live and held"
        assert rows.keys() | held == truth.keys(), (
            f"lost {truth.keys() - rows.keys() - held}, too many {(rows.keys() | held) - truth.keys()}"
        )
        wrong = {
            key: {name: (rows[key].get(name), truth[key][name]) for name in truth[key] if rows[key].get(name) != truth[key][name]}
            for key in rows
        }
        assert not any(wrong.values()), f"published and source differ: {next(one for one in wrong.items() if one[1])}"
        books = result.balance
        assert books is not None and books.source == books.landed + books.quarantined + books.excluded == len(truth)
        assert (books.landed, books.quarantined) == (len(rows), len(held))
        self._under_its_promise(result)

    def _under_its_promise(self, result: Result) -> None:
        """What landed stands under the version that is kept, that version says what the file says, and no kept version was ever changed."""
        store, stream = self.bench.warehouse.store, self.bench.stream
        record, contract = self.bench.warehouse.published(stream), read_contract(self.bench.path)
        promise = kept(store, stream)
        assert record is not None and promise is not None
        assert record.contract_version == promise.version == contract.version == result.contract_version
        assert promise.fingerprint() == contract.fingerprint() == result.contract_fingerprint
        for path in sorted((Path(self.bench.project.root) / "contracts" / stream).glob("*.json")):
            now = Contract.model_validate(json.loads(path.read_text(encoding="utf-8"))).fingerprint()
            assert self.promised.setdefault(path.name, now) == now, f"{path.name} says something else"
        current = self.bench.warehouse.current(stream)
        assert current is not None
        assert set(current["_contract_version"].to_pylist()) <= {int(name[:-5]) for name in self.promised}
