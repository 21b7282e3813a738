"""A large version held in memory: no list shorter than it could be, nobody's chunk in it, and read in whatever order it was written."""

from __future__ import annotations

import random
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from index.world import EVERYONE, QUALITY, SALES, Hashed, chunk
from pipelines.index.chunks import Chunk
from pipelines.index.store import Filters, LanceStore, Weights, held
from pipelines.index.store.filters import narrowed
from pipelines.index.store.generation import Generation
from pipelines.index.store.rows import table_of
from pipelines.index.store.words import Words

WORDS = ("主軸", "研磨", "点検", "冷却", "見積", "納期", "不良", "清掃")


def anything(_: Chunk) -> bool:
    return True


def corpus(count: int) -> list[Chunk]:
    dice = random.Random(5)
    made = [
        chunk(f"c{n:04}", f"{'と'.join(dice.choices(WORDS, k=4))} {n}", [dice.choice((EVERYONE, SALES, QUALITY))]) for n in range(count)
    ]
    return [replace(one, media="pdf" if n % 3 else "record") for n, one in enumerate(made)]


def vectors(chunks: list[Chunk]) -> Any:
    return Hashed().embed_passage([one.passage for one in chunks])


@pytest.mark.parametrize("beside", [False, True], ids=["one after the other", "words beside vectors"])
def test_a_large_version_gives_full_lists_of_what_a_reader_may_see_and_of_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, beside: bool
) -> None:
    monkeypatch.setattr(held, "_MANY", 0 if beside else 1_000)
    chunks = corpus(900)
    store = LanceStore(str(tmp_path), "t", Hashed.dim, 50, shortlist=40)
    store.write(chunks, vectors(chunks))
    by_id, modes = {one.id: one for one in chunks}, set[str]()
    for number, readers in enumerate(({EVERYONE}, {SALES, QUALITY}, {EVERYONE, SALES, QUALITY, "group:k:nowhere"}, {"group:k:nowhere"})):
        for filters in (None, Filters(media=("pdf",)), Filters(media=("none",)), Filters(systems=("kintone",))):
            may = {
                one.id for one in chunks if readers & set(one.acl) and (filters is None or not filters.media or one.media in filters.media)
            }
            vector = Hashed().embed_query([f"{WORDS[number]}の{WORDS[number + 1]}"])[0].tolist()
            for k in (5, 40, 1_000):
                found = store.search(WORDS[number], vector, frozenset(readers), k, anything, filters=filters)
                ids = [one.chunk.id for one in found.ranked]
                assert set(ids) <= may and len(set(ids)) == len(ids) == min(k, len(may))
                assert found.visible == len(may) == store.visible(frozenset(readers), filters)
                assert all(one.chunk == by_id[one.chunk.id] for one in found.ranked)
                modes.add(found.mode)
    assert modes == {"exact", "ann", "none"}


def test_words_that_could_not_be_looked_for_beside_the_vectors_are_no_answer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = corpus(60)
    store = LanceStore(str(tmp_path), "t", Hashed.dim)
    store.write(chunks, vectors(chunks))
    monkeypatch.setattr(held, "_MANY", 0)

    def broken(*_: object) -> None:
        raise MemoryError("no room for the scores")

    monkeypatch.setattr(Words, "scores", broken)
    with pytest.raises(MemoryError, match="no room"):
        store.search("主軸", vectors(chunks[:1])[0].tolist(), frozenset({EVERYONE}), 5, anything)


def test_where_most_is_refused_more_is_looked_at_until_there_is_enough(tmp_path: Path) -> None:
    chunks = corpus(600)
    store = LanceStore(str(tmp_path), "t", Hashed.dim, 50, shortlist=40)
    store.write(chunks, vectors(chunks))
    last = {one.id for one in chunks if EVERYONE in one.acl and one.id > "c0570"}
    found = store.search("主軸", vectors(chunks[:1])[0].tolist(), frozenset({EVERYONE}), 50, lambda one: one.id in last)
    assert {one.chunk.id for one in found.ranked} == last


def test_rows_that_were_brought_forward_are_found_under_their_own_names_and_readers(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """In slices, and in an order that is not the one of their row ids."""
    chunks = corpus(120)
    generation = Generation(str(tmp_path), "t", 20_000)
    base = generation.begin(table_of(chunks, vectors(chunks), Hashed.dim))
    late = [replace(chunk(f"late{n}", f"油漏れ {n}", [SALES]), media="pdf") for n in range(5)]
    version = generation.advance(base, table_of(late, vectors(late), Hashed.dim), ["c0003", "c0077"])
    monkeypatch.setattr(held, "_SLICE", 16)
    stores = [LanceStore(str(tmp_path), "t", Hashed.dim, limit, version, held_limit=limit) for limit in (20_000, 0)]
    table = stores[0]._table()  # pyright: ignore[reportPrivateUsage]
    kept = {one.id: one for one in (*chunks, *late) if one.id not in ("c0003", "c0077")}

    for turned in (False, True):
        made = held.held_of(_Turned(table) if turned else table, 20_000, 10)
        assert made is not None
        for readers in ({EVERYONE}, {SALES}, {SALES, QUALITY}):
            visible, lists = made.look(["油", "漏れ", "主"], vectors(late[:1])[0].tolist(), frozenset(readers), None, 10)
            rows = sorted(row for row, _ in lists(200)[1])
            told = made.packed(rows)
            names = {row: next(name for name in kept if f'"{name}"' in text) for row, text in told.items()}
            assert set(names.values()) == {name for name, one in kept.items() if readers & set(one.acl)} and visible == len(rows)
            assert {names[row] for row, _ in lists(200)[0]} >= ({one.id for one in late} if SALES in readers else set())
    vector = vectors(late[:1])[0].tolist()
    ours, theirs = (one.search("油漏れ 3", vector, frozenset({SALES}), 8, anything, Weights(), Filters(media=("pdf",))) for one in stores)
    assert [(one.chunk.id, one.score) for one in ours.ranked] == [(one.chunk.id, one.score) for one in theirs.ranked]
    assert ours.visible == theirs.visible


class _Turned:
    """A table that is read from its end to its beginning."""

    def __init__(self, table: Any) -> None:
        self._table = table

    def count_rows(self) -> int:
        return self._table.count_rows()

    def search(self) -> Any:
        return _TurnedQuery(self._table.search())


class _TurnedQuery:
    def __init__(self, query: Any) -> None:
        self._query = query

    def __getattr__(self, name: str) -> Any:
        return lambda *given: _TurnedQuery(getattr(self._query, name)(*given))

    def to_batches(self, size: int) -> Any:
        found = self._query.to_arrow()
        return found.take(list(range(found.num_rows - 1, -1, -1))).combine_chunks().to_batches(size)


def test_a_version_that_takes_more_room_than_it_may_is_left_to_the_engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks = corpus(120)
    LanceStore(str(tmp_path), "t", Hashed.dim).write(chunks, vectors(chunks))
    ours, theirs = LanceStore(str(tmp_path), "t", Hashed.dim), LanceStore(str(tmp_path), "t", Hashed.dim)
    ours.ready()
    monkeypatch.setattr(held, "_ROOM", 2_000)
    theirs.ready()
    assert [one._held is None for one in (ours, theirs)] == [False, True]  # pyright: ignore[reportPrivateUsage]
    asked = ("主軸", vectors(chunks[:1])[0].tolist(), frozenset({EVERYONE}), 10, anything)
    assert ours.search(*asked) == theirs.search(*asked)


def test_many_who_come_first_together_read_a_version_once(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks, calls, real = corpus(60), list[int](), held.held_of
    LanceStore(str(tmp_path), "t", Hashed.dim).write(chunks, vectors(chunks))
    monkeypatch.setattr(held, "held_of", lambda *given: calls.append(1) or real(*given))
    store = LanceStore(str(tmp_path), "t", Hashed.dim)
    with ThreadPoolExecutor(8) as pool:
        list(pool.map(lambda _: store.ready(), range(16)))
    store.ready()
    assert calls == [1]


def test_a_version_that_could_not_be_read_answers_nobody_and_is_read_again(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    chunks, real = corpus(60), held.held_of
    store = LanceStore(str(tmp_path), "t", Hashed.dim)
    store.write(chunks, vectors(chunks))
    asked = ("主軸", vectors(chunks[:1])[0].tolist(), frozenset({EVERYONE}), 5, anything)

    def broken(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(held, "held_of", broken)
    with pytest.raises(OSError, match="the disk is gone"):
        store.search(*asked)
    monkeypatch.setattr(held, "held_of", real)
    assert store.search(*asked).ranked


def test_what_is_asked_for_says_nothing_of_access() -> None:
    assert narrowed(None) == narrowed(Filters()) == ""
    assert "acl" not in narrowed(Filters(systems=("a",), streams=("b",), media=("c",), langs=("d",), changed_from="2026-01-01T00:00:00Z"))
