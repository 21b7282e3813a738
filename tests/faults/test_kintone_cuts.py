"""A kintone answer that breaks off at any byte: asked again or failed by name, never taken for the end of the records."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest
from conformance.live import ORIGIN
from houses import without_rules, without_waiting
from hypothesis import HealthCheck, Phase, example, given, settings
from hypothesis import strategies as st
from kintone_cutter import Cut, Cutter, cutter
from kintone_house import App, Target, house, target
from soaking import rounds

from connectors.errors import SourceError

#: Two pages, so that there is one that is not the last.
RECORDS = 520
_cuts = st.builds(
    Cut,
    first=st.integers(1, 12),
    times=st.sampled_from([1, 1, 2, 99]),
    place=st.sampled_from(["nothing", "status line", "head", "whole head", "body", "body", "body", "character", "last byte"]),
    share=st.floats(0, 1),
    framing=st.sampled_from(["length", "length", "chunked", "close"]),
    reset=st.booleans(),
)


@dataclass
class World:
    app: App
    target: Target
    cutter: Cutter
    folder: Path
    made: int = 0
    struck: int = 0


@pytest.fixture(scope="module")
def world(tmp_path_factory: pytest.TempPathFactory) -> Iterator[World]:
    folder = tmp_path_factory.mktemp("cut")
    with house(folder / "house", ORIGIN) as home, cutter(home.settings.http_port) as between, without_rules(), without_waiting():
        app = home.app(RECORDS)
        template = target(folder / "template", app, url=between.url)
        loaded = template.anew(folder / "loaded", app)
        assert loaded.pull().error is None
        yield World(app, loaded, between, folder)
        loaded.close()
        template.close()


def one_cut(world: World, cut: Cut, full: bool) -> None:
    """The app moves on, and a pull of that suffers the cut: whole or not at all, and the next one is whole."""
    world.made += 1
    app, pulled = world.app, world.target
    app.house.later(minutes=7)
    ids = app.ids()
    app.update(ids[:3], 件名=f"変更{world.made}")
    app.delete(ids[5:6])
    app.insert({"件名": f"新規{world.made}", "備考": "漢字の途中で切れる" * 20})
    before = pulled.published
    world.cutter.cut(cut)
    result = pulled.pull(full=full)
    world.struck += world.cutter.struck > 0
    world.cutter.cut(None)
    if result.error is not None:
        refused(result.error, world)
        assert result.published is None and pulled.published == before
        pulled.reconnect()
        assert pulled.pull().error is None
    assert pulled.rows() == pulled.wanted()


def refused(error: Exception, world: World) -> None:
    assert isinstance(error, SourceError) and error.exit_code == 3, repr(error)
    host = world.cutter.url.removeprefix("http://")
    for lang in ("ja", "en"):
        assert host in error.say(lang), f"{error.code} does not name the host in {lang}: {error.say(lang)}"
    assert error.say("ja") != error.say("en")


def _settings(examples: int) -> settings:
    return settings(
        max_examples=examples,
        deadline=None,
        database=None,
        phases=(Phase.explicit, Phase.generate, Phase.shrink),
        suppress_health_check=list(HealthCheck),
    )


def cuts(world: World, examples: int) -> None:
    """Eight chosen cuts and so many random ones; nearly all of them really struck."""
    made, struck = world.made, world.struck

    @_settings(examples)
    @given(cut=_cuts, full=st.booleans())
    @example(cut=Cut(1, 1, "nothing", 0, "length", False), full=True)
    @example(cut=Cut(1, 99, "whole head", 0, "close", False), full=True)
    @example(cut=Cut(6, 99, "last byte", 0, "close", False), full=True)
    @example(cut=Cut(6, 99, "last byte", 0, "chunked", False), full=True)
    @example(cut=Cut(8, 99, "last byte", 0, "length", True), full=False)
    @example(cut=Cut(8, 1, "character", 0.5, "close", False), full=True)
    @example(cut=Cut(9, 1, "character", 0.9, "length", False), full=True)
    @example(cut=Cut(10, 99, "head", 0.5, "length", False), full=True)
    def each(cut: Cut, full: bool) -> None:
        one_cut(world, cut, full)

    each()
    assert world.made - made >= examples
    assert world.struck - struck >= 0.8 * (world.made - made)


def test_an_answer_cut_at_any_of_fourteen_places_is_never_taken_for_the_end(world: World) -> None:
    cuts(world, 6)


@pytest.mark.soak
def test_an_answer_cut_at_any_of_six_hundred_places_is_never_taken_for_the_end(world: World) -> None:
    cuts(world, rounds(600))


@pytest.mark.parametrize("place", ["nothing", "head", "body", "character", "last byte"])
@pytest.mark.parametrize("framing", ["length", "close"])
def test_a_first_pull_whose_last_page_is_always_cut_publishes_nothing(world: World, place: str, framing: str) -> None:
    fresh = world.target.anew(world.folder / f"first-{place}-{framing}".replace(" ", "-"), world.app)
    try:
        world.cutter.cut(None)
        assert fresh.pull().error is None
        asked = world.cutter.answered
        fresh.close()
        fresh.reconnect()
        # The last answers of a first pull are its last page, the count and the form read again: nothing after the cut may be needed.
        world.cutter.cut(Cut(asked - 3, 99, place, 0.6, framing, reset=False))  # type: ignore[arg-type]
        result = fresh.pull()
        assert world.cutter.struck
        assert result.error is not None
        refused(result.error, world)
        assert fresh.published is None and fresh.rows() == {}
    finally:
        world.cutter.cut(None)
        fresh.close()


def test_the_half_answers_of_the_sandbox_are_outlived_once_and_named_when_they_stay(world: World) -> None:
    home, pulled = world.app.house, world.target
    home.control("break", name="half-answers", count=1)
    assert pulled.pull(full=True).error is None and pulled.rows() == pulled.wanted()
    before = pulled.published
    home.control("break", name="half-answers", count=500, share=0.99)
    result = pulled.pull(full=True)
    home.control("heal")
    assert result.error is not None and pulled.published == before
    refused(result.error, world)
