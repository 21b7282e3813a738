"""Going back is one move to a release that was in production, and is refused by name where it could answer nothing."""

from __future__ import annotations

from collections.abc import Sequence
from datetime import timedelta
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from connectors.errors import AnswerIsNo
from pipelines.index.releases import (
    Coverage,
    Manifest,
    Production,
    drill_position,
    point_drill,
    point_production,
    production_history,
    undo_stack,
)
from pipelines.index.releases import record_candidate as record
from pipelines.index.rollback import Model, in_production_at, roll_back
from pipelines.index.store.generation import tag_of

from .world import NOW

SERVED = Model("test/model", "1", 8)


def manifest(number: int, model: str = "test/model") -> Manifest:
    return Manifest(
        index="support",
        number=number,
        created_at=NOW,
        inputs={},
        model_id=model,
        revision="1",
        dim=8,
        chunker="c",
        table="chunks",
        documents={},
        chunks=1,
        access=Coverage(chunks=1, resolved=1, scopes_unresolved={}),
        omitted=(),
        content_hash=f"sha256:{number}",
    )


def house(folder: Path, promoted: Sequence[int], *others: Manifest) -> str:
    """A root with these candidates, whose pointer went through ``promoted``, an hour apart."""
    for made in [*(manifest(number) for number in range(1, 5)), *others]:
        record(str(folder), made)
        tag = (
            folder / "indexes" / "support" / "generations" / "chunks.lance" / "_refs" / "tags" / f"{tag_of(made.number, made.version)}.json"
        )
        tag.parent.mkdir(parents=True, exist_ok=True)
        tag.write_text("{}")
    for after, number in enumerate(promoted):
        point_production(
            str(folder), "support", number, at=NOW + timedelta(hours=after), actor="akari.mori", reason="promoted", after=after
        )
    return str(folder)


def back(root: str, to: int | None = None, served: Model = SERVED) -> Production:
    return roll_back(root, "support", served, at=NOW + timedelta(days=1), actor="riku.ikeda", reason="wrong answers", to=to)


def test_going_back_names_the_release_before_and_says_who_and_why(tmp_path: Path) -> None:
    root = house(tmp_path, [1, 2])
    now = back(root)
    assert (now.release, now.number, now.actor, now.reason, now.content_hash) == (1, 3, "riku.ikeda", "wrong answers", "sha256:1")
    assert production_history(root, "support")[-1] == now


def test_going_back_twice_goes_back_two_and_not_forth_again(tmp_path: Path) -> None:
    root = house(tmp_path, [1, 2, 3])
    assert [back(root).release, back(root).release] == [2, 1]
    with pytest.raises(AnswerIsNo, match="Nothing was in production before support/1"):
        back(root)


@pytest.mark.parametrize(
    ("promoted", "to", "why"),
    [
        ([], None, "Nothing of support is in production"),
        ([2], None, "Nothing was in production before"),
        ([1, 2], 2, "in production already"),
        ([1, 2], 3, r"never was|was never in production \(those that were: 1, 2\)"),
        ([1, 2], 9, "never in production"),
    ],
)
def test_where_there_is_nothing_to_go_back_to_nothing_moves(tmp_path: Path, promoted: list[int], to: int | None, why: str) -> None:
    root = house(tmp_path, promoted)
    with pytest.raises(AnswerIsNo, match=why) as refused:
        back(root, to)
    assert "{" not in refused.value.say("ja") + refused.value.say("en")
    assert len(production_history(root, "support")) == len(promoted)


def test_a_release_of_another_model_is_refused_and_both_are_named(tmp_path: Path) -> None:
    root = house(tmp_path, [], manifest(5, "other/model"))
    point_production(root, "support", 5, at=NOW, actor="a", reason="r")
    point_production(root, "support", 2, at=NOW, actor="a", reason="r", after=1)
    with pytest.raises(AnswerIsNo, match=r"other/model@1, .*test/model@1"):
        back(root)
    with pytest.raises(AnswerIsNo, match="test/model@2"):
        back(house(tmp_path / "revision", [1, 2]), served=Model("test/model", "2", 8))


def test_a_release_whose_table_is_gone_is_refused(tmp_path: Path) -> None:
    root = house(tmp_path, [1, 2])
    for tag in (tmp_path / "indexes" / "support" / "generations" / "chunks.lance" / "_refs" / "tags").glob("*-1-*"):
        tag.unlink()
    with pytest.raises(AnswerIsNo, match="table of support/1 is gone"):
        back(root)


def test_the_drills_pointer_stands_beside_productions_and_moves_neither_the_other(tmp_path: Path) -> None:
    root = house(tmp_path, [1])
    assert drill_position(root, "support") is None
    point_drill(root, "support", 3, at=NOW, actor="a", reason="drill")
    moved = drill_position(root, "support")
    assert moved is not None and moved.release == 3
    assert [position.release for position in production_history(root, "support")] == [1]


def test_what_was_in_production_at_an_instant(tmp_path: Path) -> None:
    history = production_history(house(tmp_path, [1, 3, 1]), "support")
    at = {minutes: in_production_at(history, NOW + timedelta(minutes=minutes)) for minutes in (-1, 0, 59, 60, 500)}
    assert [found.release if found else None for found in at.values()] == [None, 1, 1, 3, 1]


def position(number: int, release: int) -> Production:
    return Production(index="support", number=number, release=release, content_hash="", at=NOW, actor="a", reason="r")


@given(st.lists(st.one_of(st.just("back"), st.integers(1, 5)), max_size=30))
def test_any_number_of_promotions_and_ways_back_is_a_stack(steps: list[int | str]) -> None:
    history: list[Production] = []
    model: list[int] = []
    for step in steps:
        if step == "back":
            if len(model) < 2:
                continue
            model.pop()
        elif step not in model:
            model.append(int(step))
        else:
            # Promoted again while an older one stood there is the same as going back to it.
            del model[model.index(int(step)) + 1 :]
        history.append(position(len(history) + 1, model[-1]))
        assert undo_stack(history) == model
