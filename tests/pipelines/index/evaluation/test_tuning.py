"""Weights are chosen by what the dev questions say, by nothing else, and kept in a file that says what it rests on."""

from __future__ import annotations

from pathlib import Path

import pytest
from conformance.live import write_yaml

from connectors.errors import FixConfiguration
from pipelines.index.evaluation.tuning import Tuned, choose, grid, read_tuned, threshold_of, tune, weights_path, write_tuned
from pipelines.index.store import Weights
from pipelines.project import Project, load

from .asked import Scripted, examine, found_at, question

TUNED = Tuned(
    lexical=0.4,
    vector=0.6,
    threshold=0.021,
    release="support/3",
    content_hash="sha256:x",
    model="m@1",
    questions="q",
    n=80,
    recall_at_5=0.95,
    mrr_at_10=0.9,
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    systems = {"kintone": {"kind": "kintone", "base_url": "https://x.example"}}
    write_yaml(tmp_path / "project.yaml", {"name": "x", "environment": "staging", "systems": systems})
    return load(tmp_path)


def test_both_searches_alone_and_their_even_mix_are_tried() -> None:
    assert {(1.0, 0.0), (0.0, 1.0), (0.5, 0.5)} <= {(one.lexical, one.vector) for one in grid()}


def test_more_found_wins_then_found_earlier_then_the_plainer_weights() -> None:
    even, words, vectors = Weights(0.5, 0.5), Weights(1.0, 0.0), Weights(0.0, 1.0)
    many, few = found_at({"a": 5, "b": 5}), found_at({"a": 1, "b": 0})
    assert choose({even: few, words: many, vectors: few}) == words
    assert choose({even: many, vectors: found_at({"a": 1, "b": 5})}) == vectors
    assert choose({words: many, even: many, vectors: many}) == even
    assert choose({vectors: many, even: many, words: many}) == even


def test_tuning_asks_under_every_weighting_once() -> None:
    asked: list[Weights] = []

    def ask(weights: Weights):
        asked.append(weights)
        return found_at({"a": 1 if weights.lexical == 0.3 else 2})

    chosen, reports = tune(ask)
    assert (chosen.lexical, asked, list(reports)) == (0.3, list(grid()), list(grid()))


def test_the_threshold_lies_where_the_dev_questions_part_best() -> None:
    asked = [question("a", "1"), question("b", "1"), question("none")]
    found = examine(asked, Scripted({name: ["1"] for name in ("a", "b", "none")}, scores={"a": 0.8, "b": 0.6, "none": 0.3}))
    assert threshold_of(found) == 0.6


def test_what_was_tuned_is_read_as_it_was_written(project: Project) -> None:
    assert read_tuned(project, "support") is None
    path = write_tuned(project, "support", TUNED)
    assert path == weights_path(project, "support") and read_tuned(project, "support") == TUNED
    assert TUNED.weights == Weights(lexical=0.4, vector=0.6)


@pytest.mark.parametrize("text", ["lexical: [", "lexical: 0.5\n", "- 1\n", "\udcff"])
def test_a_file_that_says_something_else_is_refused_by_name(project: Project, text: str) -> None:
    path = write_tuned(project, "support", TUNED)
    path.write_bytes(text.encode("utf-8", "surrogateescape"))
    with pytest.raises(FixConfiguration, match=r"support\.weights\.yaml"):
        read_tuned(project, "support")
