"""Candidates are whole, numbered and never change; the pointer moves one step at a time."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest

from connectors.errors import AnswerIsNo, FixConfiguration
from pipelines.index.build import StreamInput, build_candidate
from pipelines.index.parse import Parser
from pipelines.index.releases import (
    Manifest,
    candidate,
    candidates,
    newest_candidate,
    open_release,
    point_production,
    production,
    production_history,
    record_candidate,
)

from .world import EVERYONE, NOW, SALES, Hashed, record, stream


@pytest.fixture(scope="module")
def parser() -> Iterator[Parser]:
    with Parser() as made:
        yield made


def build(root: Path, parser: Parser, *streams: StreamInput) -> Manifest:
    return build_candidate(str(root), "support", streams, Hashed(), now=NOW, parser=parser)


def test_a_manifest_says_what_the_release_is_made_of(tmp_path: Path, parser: Parser) -> None:
    made = build(
        tmp_path,
        parser,
        stream(record(1, "甲", answer="一。"), record(2, "乙", answer="二。", scope="lost"), all=[EVERYONE], lost=None, published=3),
    )
    assert (made.release, made.chunks, made.documents, made.created_at) == ("support/1", 2, {"kintone/faq": 2}, NOW)
    assert made.inputs["kintone/faq"].published == 3
    assert (made.access.resolved, made.access.share, made.access.scopes_unresolved) == (1, 0.5, {"kintone/faq lost": "not readable"})
    assert candidate(str(tmp_path), "support", 1) == made
    assert open_release(str(tmp_path), made).count() == 2


def test_building_again_from_the_same_rows_hands_back_the_same_candidate_and_says_so(tmp_path: Path, parser: Parser) -> None:
    first = build(tmp_path, parser, stream(record(1, "甲", answer="一。")))
    again = build(tmp_path, parser, stream({**record(1, "甲", answer="一。"), "_pull_id": "pull-2"}, published=2))
    assert (first.reused, again.reused, again.number) == (False, True, 1)
    assert [made.number for made in candidates(str(tmp_path), "support")] == [1]


@pytest.mark.parametrize("change", ["text", "scope", "principals", "restricted", "skipped"])
def test_anything_a_reader_could_notice_makes_a_new_candidate(tmp_path: Path, parser: Parser, change: str) -> None:
    row = record(1, "甲", answer="一。", cost="9")
    first = build(tmp_path, parser, stream(row, all=[EVERYONE], few=[SALES]))
    html = tuple(replace(column, html=True) for column in stream(row).shape.body)
    other = {
        "text": stream(record(1, "甲", answer="二。", cost="9"), all=[EVERYONE], few=[SALES]),
        "scope": stream({**row, "_scope": "few"}, all=[EVERYONE], few=[SALES]),
        "principals": stream(row, all=[SALES], few=[SALES]),
        "restricted": stream(row, restricted={"cost": "few"}, all=[EVERYONE], few=[SALES]),
        "skipped": replace(
            stream(record(1, "甲", answer="%PDF-1.4", cost="9"), all=[EVERYONE], few=[SALES]),
            shape=replace(stream(row).shape, body=html),
        ),
    }[change]
    second = build(tmp_path, parser, other)
    assert (second.number, second.reused) == (2, False)
    assert second.content_hash != first.content_hash
    assert open_release(str(tmp_path), first).count() == first.chunks


def test_two_builds_cannot_take_one_number(tmp_path: Path, parser: Parser) -> None:
    made = build(tmp_path, parser, stream(record(1, "甲", answer="一。")))
    with pytest.raises(AnswerIsNo, match="candidate 1 of support"):
        record_candidate(str(tmp_path), made.model_copy(update={"content_hash": "sha256:other"}))
    assert candidate(str(tmp_path), "support", 1).content_hash == made.content_hash


def test_the_pointer_moves_forward_and_back_and_remembers_every_step(tmp_path: Path, parser: Parser) -> None:
    root = str(tmp_path)
    for number in (1, 2):
        build(tmp_path, parser, stream(record(number, "題", answer=f"{number}番。")))
    assert production(root, "support") is None
    point_production(root, "support", 1, at=NOW, actor="佐藤", reason="go")
    point_production(root, "support", 2, at=NOW, actor="佐藤", reason="next", after=1)
    point_production(root, "support", 1, at=NOW, actor="佐藤", reason="rollback", after=2)
    assert [position.release for position in production_history(root, "support")] == [1, 2, 1]
    now_at = production(root, "support")
    assert now_at is not None and (now_at.number, now_at.release) == (3, 1)


def test_a_pointer_that_moved_meanwhile_is_not_moved_again(tmp_path: Path, parser: Parser) -> None:
    root = str(tmp_path)
    build(tmp_path, parser, stream(record(1, "題", answer="文。")))
    point_production(root, "support", 1, at=NOW, actor="佐藤", reason="go")
    with pytest.raises(AnswerIsNo, match="position 0, now 1"):
        point_production(root, "support", 1, at=NOW, actor="鈴木", reason="go")


def test_the_pointer_never_names_a_release_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(FixConfiguration, match="no build number 7"):
        point_production(str(tmp_path), "support", 7, at=NOW, actor="佐藤", reason="go")
    assert production(str(tmp_path), "support") is None


def test_the_tenth_candidate_comes_after_the_ninth(tmp_path: Path, parser: Parser) -> None:
    for number in range(11):
        build(tmp_path, parser, stream(record(1, "題", answer=f"{number}")))
    newest = newest_candidate(str(tmp_path), "support")
    assert newest is not None and newest.number == 11
