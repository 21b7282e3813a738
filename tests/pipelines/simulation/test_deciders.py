"""The people of a simulation sign with keys of its home, and the gate holds them to its rules as it would anybody."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from connectors.errors import AnswerIsNo, FixConfiguration
from pipelines.clock import WallClock
from pipelines.evidence.plan import book_of, gate_policy, ledger_of, today_of
from pipelines.evidence.standing import history_in
from pipelines.index.releases import production
from pipelines.project import Project, load
from pipelines.simulation.deciders import Deciders
from pipelines.simulation.script import Decide
from tests.pipelines.cli.lived import INDEX, lived

WEEK_ONE = Decide(day=8, at="17:00", do="decide", what="week-one", of=INDEX, by=("kenta.suzuki",), why="as we know it")
PROMOTE = Decide(day=23, at="09:00", do="decide", what="promote", of=INDEX, by=("kenta.suzuki", "akari.mori"), why="fourteen days")
REVIEW = Decide(day=23, at="17:00", do="decide", what="review", of=INDEX, by=("riku.ikeda@sakura-seiki.example",), why="nothing odd")


@pytest.fixture(scope="module")
def grown(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("lived")
    lived(folder)
    return folder


@pytest.fixture
def project(grown: Path, tmp_path: Path) -> Project:
    """Fourteen green days and every fact; nobody has signed anything."""
    shutil.copytree(grown, tmp_path / "home")
    return load(tmp_path / "home")


def test_two_people_put_the_newest_candidate_into_production_once_the_first_week_is_signed_off(project: Project) -> None:
    people = Deciders(project, WallClock())
    people.decide(WEEK_ONE)
    people.decide(PROMOTE)
    moved = production(project.root, INDEX)
    assert moved is not None
    assert (moved.release, moved.actor) == (1, "kenta.suzuki, akari.mori")
    people.decide(REVIEW)
    today = today_of(project, WallClock().now())
    assert today in history_in(book_of(project), INDEX, gate_policy(project, INDEX), today).reviewed


def test_nobody_signs_for_an_index_that_is_not_eligible(project: Project) -> None:
    with pytest.raises(AnswerIsNo) as refused:
        Deciders(project, WallClock()).decide(PROMOTE)
    assert refused.value.code == "decide.not_eligible"
    assert production(project.root, INDEX) is None
    assert not [row for row in ledger_of(project).read(kinds=("decision",)) if row.entry.signature]


def test_one_person_is_not_two(project: Project) -> None:
    people = Deciders(project, WallClock())
    people.decide(WEEK_ONE)
    with pytest.raises(AnswerIsNo) as refused:
        people.decide(PROMOTE.model_copy(update={"by": ("kenta.suzuki", "kenta.suzuki")}))
    assert refused.value.code == "decide.same_person"
    assert production(project.root, INDEX) is None


def test_who_may_not_sign_off_the_first_week_does_not(project: Project) -> None:
    with pytest.raises(AnswerIsNo) as refused:
        Deciders(project, WallClock()).decide(WEEK_ONE.model_copy(update={"by": ("riku.ikeda",)}))
    assert refused.value.code == "decide.refused"


def test_a_person_without_a_key_in_the_home_is_not_signed_for(project: Project) -> None:
    people = project.folder / "people.yaml"
    people.write_text(people.read_text(encoding="utf-8").replace(".fortnight/keys/kenta", "../elsewhere/kenta"), encoding="utf-8")
    with pytest.raises(FixConfiguration) as refused:
        Deciders(project, WallClock()).decide(WEEK_ONE)
    assert refused.value.code == "simulate.no_key"
    assert not (project.folder.parent / "elsewhere").exists(), "no key is made outside of the home"


def test_somebody_nobody_knows_is_named(project: Project) -> None:
    with pytest.raises(FixConfiguration, match="a.stranger"):
        Deciders(project, WallClock()).decide(WEEK_ONE.model_copy(update={"by": ("a.stranger",)}))
