"""The drill rehearses the way back beside production, and fails where anything deleted or closed comes back."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from examined import INDEX, READERS, ROWS, House, house
from index.world import Hashed

from connectors.errors import AnswerIsNo
from pipelines.evidence.facts import Fact, latest_facts
from pipelines.evidence.plan import ledger_of
from pipelines.index.overlay import Overlay
from pipelines.index.parse import Parser
from pipelines.index.releases import Manifest, candidate, drill_position, point_production, production_history
from pipelines.index.store import IndexStore
from pipelines.serving.audit.log import audit_of
from pipelines.serving.examination import examiner
from pipelines.serving.examination.drill import Drill, drill


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser() as made:
        yield made


@pytest.fixture(scope="module")
def twice(tmp_path_factory: pytest.TempPathFactory, parser: Parser) -> Path:
    """Two candidates: in the second one a row was deleted, one was closed to sales, one is new. Production is the second."""
    made = house(tmp_path_factory.mktemp("twice"), Hashed())
    made.publish()
    made.build(parser)
    after = made.later(hours=1)
    changed = {key: row for key, row in ROWS.items() if key != "4"} | {"6": ("新しい手順", "主軸の新しい手順です。", "all")}
    after.publish({**changed, "5": (*ROWS["5"][:2], "quality")})
    after.build(parser)
    for position, number in enumerate((1, 2)):
        point_production(made.root, INDEX, number, at=after.at, actor="akari.mori", reason="promoted", after=position)
    return made.folder


@pytest.fixture
def here(twice: Path, tmp_path: Path) -> House:
    return House(Path(shutil.copytree(twice, tmp_path / "project")), Hashed()).later(hours=2)


def drilled(here: House) -> Drill:
    return drill(here.project, INDEX, "riku.ikeda", here.clock, here.embedder)


def fact(here: House) -> Fact | None:
    found = {each.name: each for each in latest_facts(ledger_of(here.project).read(), INDEX)}
    return found.get("rollback_drill")


def verdicts(done: Drill) -> dict[str, bool]:
    return {proof.code.rpartition(".")[2]: proof.passed for proof in done.proofs}


def test_a_drill_goes_forward_and_back_and_leaves_production_where_it_was(here: House) -> None:
    before = production_history(here.root, INDEX)
    done = drilled(here)
    assert done.passed and (done.older, done.newer) == ("support/1", "support/2")
    assert verdicts(done) == dict.fromkeys(("forward", "back", "deleted", "revoked", "deletion", "revocation"), True)
    assert production_history(here.root, INDEX) == before
    stands = drill_position(here.root, INDEX)
    assert stands is not None and (stands.number, stands.release, stands.actor) == (3, 1, "riku.ikeda")
    assert audit_of(here.project).rows() == []
    assert drilled(here).passed, "a second drill goes on from where the first one left its pointer"


def test_what_was_really_deleted_or_closed_since_the_older_release_was_asked_for(here: House) -> None:
    found = {proof.code.rpartition(".")[2]: proof.params for proof in drilled(here).proofs}
    assert found["deleted"]["count"] == 1 and found["revoked"]["count"] == 1


def test_its_result_is_a_fact_in_seconds_with_the_name_of_who_ran_it(here: House) -> None:
    done = drilled(here)
    told = fact(here)
    assert told is not None
    assert (told.value, told.unit, told.passed, told.measured_at) == (done.seconds, "seconds", True, here.at)
    (row,) = [row for row in ledger_of(here.project).read() if row.entry.kind == "fact"]
    assert row.entry.actor == "riku.ikeda"


def blind(monkeypatch: pytest.MonkeyPatch, to: str) -> None:
    """From now on today's access forgets what ``to`` names."""
    real = Overlay.denial

    def denial(self: Overlay, chunk, principals):  # type: ignore[no-untyped-def]
        found = real(self, chunk, principals)
        return None if found == to else found

    monkeypatch.setattr(Overlay, "denial", denial)


@pytest.mark.parametrize(("to", "failing"), [("deleted", {"deleted", "deletion"}), ("scope", {"revocation"})])
def test_an_overlay_that_forgets_fails_the_drill_and_the_fact_says_what(
    here: House, monkeypatch: pytest.MonkeyPatch, to: str, failing: set[str]
) -> None:
    blind(monkeypatch, to)
    done = drilled(here)
    assert not done.passed and failing <= {name for name, passed in verdicts(done).items() if not passed}
    told = fact(here)
    assert told is not None and not told.passed and all(name in told.evidence for name in failing)


@pytest.mark.parametrize("wrong", ["pointer", "table"])
def test_an_answer_from_the_wrong_release_fails_the_drill(here: House, parser: Parser, monkeypatch: pytest.MonkeyPatch, wrong: str) -> None:
    here.publish({key: (title, f"{text}改訂。", scope) for key, (title, text, scope) in ROWS.items()})
    here.build(parser)
    older, real = candidate(here.root, INDEX, 2), examiner.open_release

    def named(root: str, index: str, number: int) -> Manifest:
        """What the pointer names, but for the newest: another release, or its own number over another's table."""
        found = candidate(root, index, number)
        return found if number != 3 else older if wrong == "pointer" else found.model_copy(update={"chunker": "swapped"})

    def opened(root: str, manifest: Manifest, *limit: int) -> IndexStore:
        return real(root, older if manifest.chunker == "swapped" else manifest, *limit)

    monkeypatch.setattr("pipelines.serving.examination.drill.candidate", named)
    monkeypatch.setattr(examiner, "open_release", opened)
    done = drilled(here)
    assert not done.passed and not verdicts(done)["forward"] and verdicts(done)["back"]


def test_one_candidate_is_no_drill_and_none_of_another_model_counts(tmp_path: Path, parser: Parser, here: House) -> None:
    alone = house(tmp_path / "alone", Hashed())
    alone.publish()
    alone.build(parser)
    with pytest.raises(AnswerIsNo, match="support has 1") as few:
        drilled(alone)
    assert fact(alone) is None and "{" not in few.value.say("ja")
    other = Hashed()
    other.revision = "2"  # type: ignore[misc]
    with pytest.raises(AnswerIsNo, match="test/hashed@2"):
        drilled(House(here.folder, other, here.at))


def test_where_nobody_may_read_anything_a_drill_would_prove_nothing(here: House) -> None:
    here.publish(readers=dict.fromkeys(READERS, ("group:kintone:nobody",)))
    with pytest.raises(AnswerIsNo) as nobody:
        drilled(here)
    assert nobody.value.code == "drill.nobody_sees" and fact(here) is None
