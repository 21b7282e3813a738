"""Any interleaving of what people do to a kintone app with pulls of it, whole, killed and overtaken, ends with target = source.

A life of an app is a list of stretches; after each a quiet pull must leave exactly the app's records, and the same pull again must
write nothing. The server is the sandbox's own on a real socket; its clock stands still, so that "within one minute" is what the life says.
"""

from __future__ import annotations

import itertools
import shutil
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import timedelta
from pathlib import Path
from typing import Any

import pytest
from conformance.live import ORIGIN
from houses import without_rules
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from kintone_house import App, House, Target, house, target
from soaking import rounds

from pipelines.landing.warehouse import Warehouse
from pipelines.pull.outcome import Progress, Result

#: The field people write into, and the one with options.
TEXT, NUMBER, CHOICE = "件名", "数量", "区分"
STRETCHES = 10
#: What may end a pull that the source overtakes; it is then run again.
OVERTAKEN = frozenset({"pull.unbalanced", "kintone.schema_moved"})


class Killed(BaseException):
    """The process is gone; nobody catches this."""


# --- what may happen --------------------------------------------------------------------------------------------------------

_pick = st.integers(0, 1_000)
_few = st.integers(1, 3)
#: People's doings, which may also take place between two requests of a pull.
_doings = st.one_of(
    st.tuples(st.just("insert"), _few),
    st.tuples(st.just("insert_many"), st.integers(5, 20)),
    st.tuples(st.just("update"), _pick, _few),
    st.tuples(st.just("update_again"), _pick, st.integers(2, 4)),
    st.tuples(st.just("save_unchanged"), _pick, _few),
    st.tuples(st.just("import_old"), st.integers(1, 800), _few),
    st.tuples(st.just("delete"), _pick, _few),
    st.tuples(st.just("replace"), _pick, _few),
    st.tuples(st.just("insert_and_delete")),
)
_settings = st.one_of(st.tuples(st.just("rename_option"), st.integers(0, 1)), st.tuples(st.just("set_code")))
_time = st.one_of(
    st.tuples(st.just("seconds"), st.sampled_from([1, 29, 30, 59])),
    st.tuples(st.just("minutes"), st.sampled_from([1, 2, 4, 5, 6, 11])),
)
_pulls = st.one_of(
    st.tuples(st.just("pull")),
    st.tuples(st.just("pull_killed"), st.integers(1, 9)),
    st.tuples(st.just("pull_overtaken"), st.integers(1, 14), st.one_of(_doings, _doings, _doings, _settings)),
    st.tuples(st.just("pull_full")),
)
_late = st.tuples(st.just("late_ids"), _few, st.integers(1, 12))
_steps = st.one_of(_doings, _doings, _doings, _doings, _time, _time, _pulls, _pulls, _late, _settings)
_stretches = st.lists(st.lists(_steps, min_size=1, max_size=4), min_size=STRETCHES, max_size=STRETCHES)


# --- one life ---------------------------------------------------------------------------------------------------------------


@dataclass
class Life:
    """An app, what was pulled of it, and what the test must remember of both."""

    app: App
    target: Target
    choices: list[str]
    seen: set[int] = field(default_factory=set)
    late_until: list[Any] = field(default_factory=list)
    #: A record that came late may hide behind one that went: the counts agree. Only reading everything finds it.
    came_late: bool = False
    went: bool = False
    version: int | None = None
    shown: dict[int, dict[str, Any]] = field(default_factory=dict)
    number: Iterator[int] = field(default_factory=lambda: itertools.count(1))

    @property
    def house(self) -> House:
        return self.app.house

    def lived(self, stretch: list[tuple[Any, ...]], *, again: bool) -> None:
        for step in stretch:
            getattr(self, step[0])(*step[1:])
        self.checked(again=again)

    # What people do.

    def insert(self, count: int) -> None:
        self.app.insert(*({TEXT: f"新規{next(self.number)}", NUMBER: "1.50", CHOICE: self.choices[0]} for _ in range(count)))

    def insert_many(self, count: int) -> None:
        if len(self.app.ids()) < 60:
            self.insert(count)

    def update(self, pick: int, count: int) -> None:
        self.app.update(self._some(pick, count), **{TEXT: f"変更{next(self.number)}", CHOICE: self.choices[pick % 2]})

    def update_again(self, pick: int, times: int) -> None:
        for _ in range(times):
            self.update(pick, 1)

    def save_unchanged(self, pick: int, count: int) -> None:
        self.app.update(self._some(pick, count))

    def import_old(self, days: int, count: int) -> None:
        then = (self.house.clock.now() - timedelta(days=days)).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.app.insert(*({TEXT: f"移行{next(self.number)}", "作成日時": then, "更新日時": then} for _ in range(count)))

    def delete(self, pick: int, count: int) -> None:
        gone = self._some(pick, count)
        if gone:
            self.went = True
            self.app.delete(gone)

    def replace(self, pick: int, count: int) -> None:
        self.delete(pick, count)
        self.insert(count)

    def insert_and_delete(self) -> None:
        self.app.delete(self.app.insert({TEXT: "すぐ消える"}))

    def late_ids(self, count: int, minutes: int) -> None:
        if self.app.ids():
            made = self.house.control("break", name="late-visible-ids", app=str(self.app.number), count=count, minutes=minutes)
            assert len(made["late"]) == count
            self.late_until.append(self.house.clock.now() + timedelta(minutes=minutes))

    # What the app's owner does.

    def rename_option(self, which: int) -> None:
        new = f"選択{next(self.number)}"
        self.house.control("rename_option", app=str(self.app.number), code=CHOICE, option=self.choices[which], new_option=new)
        self.choices[which] = new

    def set_code(self) -> None:
        self.house.control("break", name="set-app-code", app=str(self.app.number), to=f"CODE{self.app.number}X{next(self.number)}")

    # Time.

    def seconds(self, count: int) -> None:
        self._later(timedelta(seconds=count))

    def minutes(self, count: int) -> None:
        self._later(timedelta(minutes=count))

    def _later(self, by: timedelta) -> None:
        now = self.house.clock.advance(by)
        if any(at <= now for at in self.late_until):
            self.came_late = True
            self.late_until = [at for at in self.late_until if at > now]

    # Pulls.

    def pull(self) -> None:
        self._succeeded(self.target.pull())

    def pull_full(self) -> None:
        self._succeeded(self.target.pull(full=True))

    def pull_killed(self, after: int) -> None:
        """The process dies at its so-many-th step forward, and what ``finally`` would do is not done."""
        left = itertools.count(after, -1)

        def dying(_: Progress) -> None:
            if next(left) <= 1:
                Warehouse.discard_unpublished = gone  # type: ignore[method-assign]
                raise Killed

        def gone(*_: Any) -> Any:
            raise Killed

        before = self.target.published
        kept = Warehouse.discard_unpublished
        try:
            self._succeeded(self.target.pull(report=dying))
        except Killed:
            assert self.target.published == before, "a pull that died shows nothing"
            self.target.reconnect()
        finally:
            Warehouse.discard_unpublished = kept  # type: ignore[method-assign]

    def pull_overtaken(self, request: int, step: tuple[Any, ...]) -> None:
        """Somebody does something between two requests of the pull."""
        before = self.target.published
        self.house.during(request, lambda: getattr(self, step[0])(*step[1:]))
        result = self.target.pull()
        self.house.quiet()
        if result.error is None:
            self._noted()
            return
        assert result.error.code in OVERTAKEN, result.error
        assert result.published is None and self.target.published == before

    def _succeeded(self, result: Result) -> None:
        assert result.error is None, f"{result.error.code}: {result.error}"
        self._noted()

    def _noted(self) -> None:
        """Remember what a pull shows; a table that stands where it stood is not read again."""
        before, self.version = self.version, self.target.versions().get("current")
        if self.version != before:
            self.shown = self.target.rows()
            self.seen |= self.shown.keys()

    # What must be true.

    def checked(self, *, again: bool) -> None:
        self.pull()
        wanted, rows = self.target.wanted(), self.shown
        if rows != wanted and self.came_late and self.went:
            self.pull_full()
            rows = self.shown
        assert rows.keys() == wanted.keys(), f"lost {sorted(wanted.keys() - rows.keys())}, kept {sorted(rows.keys() - wanted.keys())}"
        assert rows == wanted
        assert self.target.tombstones() == self.seen - wanted.keys(), "a tombstone for each row that is gone, and for no other"
        if again:
            before = self.target.versions()
            self.pull()
            assert self.target.versions() == before, "the same window again writes nothing"
        self.came_late = self.went = False

    def _some(self, pick: int, count: int) -> list[int]:
        ids = self.app.ids()
        start = pick % len(ids) if ids else 0
        return ids[start : start + count]


# --- the tests --------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def first(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Target]:
    folder = tmp_path_factory.mktemp("interleaved")
    with house(folder / "house", ORIGIN) as home, without_rules():
        template = target(folder / "template", home.app(3))
        yield template
        template.close()


def lives(first: Target, examples: int, *, repeat_every: int) -> int:
    """So many lives of ten stretches each; the same window is pulled again after every so-many-th. Returns how many ended as they must."""
    ended = itertools.count()

    @settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
        report_multiple_bugs=False,
    )
    @given(records=st.integers(0, 20), stretches=_stretches)
    def one_life(records: int, stretches: list[list[tuple[Any, ...]]]) -> None:
        home = first.app.house
        home.clock.advance(timedelta(seconds=60 - home.clock.now().second))
        app = home.app(max(records, 1))
        if not records:
            app.delete(app.ids())
        folder = Path(tempfile.mkdtemp(dir=first.folder))
        life = Life(app, first.anew(folder, app, app_id=app.number), _options(app))
        try:
            for number, stretch in enumerate(stretches):
                life.lived(stretch, again=number % repeat_every == 0)
                next(ended)
        finally:
            home.quiet()
            life.target.close()
            shutil.rmtree(folder, ignore_errors=True)

    one_life()
    return next(ended)


def _options(app: App) -> list[str]:
    found = app.house.rest("GET", f"app/form/fields.json?app={app.number}")["properties"][CHOICE]["options"]
    return sorted(found, key=lambda name: int(found[name]["index"]))[:2]


def test_sixty_interleavings_of_people_and_pulls_end_with_target_equal_to_source(first: Target) -> None:
    assert lives(first, 6, repeat_every=5) >= 60


@pytest.mark.soak
def test_two_thousand_interleavings_of_people_and_pulls_end_with_target_equal_to_source(first: Target) -> None:
    assert lives(first, rounds(200), repeat_every=1) >= 10 * rounds(200)
