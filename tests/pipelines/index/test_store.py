"""The LanceDB store: who sees what, what is found, and the traps that were met while measuring it."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pipelines.index.chunks import Chunk
from pipelines.index.store import EXACT_LIMIT, Filters, LanceStore, access_filter
from pipelines.index.store.generation import Generation
from pipelines.index.store.lance import HELD_LIMIT
from pipelines.index.store.rows import chunk_schema, table_of

from .world import EVERYONE, QUALITY, SALES, Hashed, chunk

Store = Callable[..., LanceStore]


def anything(_: Chunk) -> bool:
    return True


@pytest.fixture
def store(tmp_path: Path) -> Store:
    def make(chunks: list[Chunk], exact_limit: int = EXACT_LIMIT, name: str = "t", held_limit: int = HELD_LIMIT) -> LanceStore:
        made = LanceStore(str(tmp_path), name, Hashed.dim, exact_limit, held_limit=held_limit)
        made.write(chunks, Hashed().embed_passage([item.passage for item in chunks]))
        return made

    return make


def ask(store: LanceStore, text: str, *principals: str, k: int = 5, allow: Callable[[Chunk], bool] = anything) -> list[str]:
    vector = Hashed().embed_query([text])[0].tolist()
    return [item.chunk.id for item in store.search(text, vector, frozenset(principals), k, allow).ranked]


def test_the_filter_on_principals_uses_the_list_indexes(store: Store) -> None:
    plan = store([chunk("a", "文", [EVERYONE])]).plan(frozenset({EVERYONE}))
    assert "ScalarIndexQuery" in plan and "acl_idx" in plan and "field_acl_idx" in plan


@given(st.sets(st.text(max_size=12), max_size=6))
def test_a_filter_is_never_missing_and_never_empty(principals: set[str]) -> None:
    made = access_filter(principals)
    assert isinstance(made, str) and made.strip()


def test_a_small_table_in_memory_gives_each_reader_what_the_store_itself_gives(tmp_path: Path) -> None:
    chunks = [chunk(f"c{n}", f"主軸の点検 {n} 回目", [(EVERYONE, SALES, QUALITY)[n % 3]]) for n in range(60)]
    vectors = Hashed().embed_passage([item.passage for item in chunks])
    small = LanceStore(str(tmp_path), "t", Hashed.dim)
    small.write(chunks, vectors)
    # Comparing is exact up to as many rows as a reader sees; the whole table is more than that.
    asked_of_the_store = LanceStore(str(tmp_path), "t", Hashed.dim, exact_limit=40, held_limit=0)
    for readers in ({EVERYONE}, {SALES}, {EVERYONE, QUALITY}):
        for text in ("主軸の点検 3 回目", "油漏れ"):
            vector = Hashed().embed_query([text])[0].tolist()
            found, wanted = (one.search(text, vector, frozenset(readers), 5, anything) for one in (small, asked_of_the_store))
            assert found.mode == wanted.mode == "exact" and found.visible == wanted.visible
            assert [one.chunk for one in found.ranked] == [one.chunk for one in wanted.ranked]
            assert [one.score for one in found.ranked] == pytest.approx([one.score for one in wanted.ranked], abs=1e-4)


def test_nobody_sees_nothing(store: Store) -> None:
    made = store([chunk("a", "主軸", [EVERYONE]), chunk("b", "主軸", [])])
    assert made.visible(frozenset()) == 0
    assert ask(made, "主軸") == []
    assert made.fetch("a", frozenset()) is None


def test_a_principal_with_a_quote_in_it_is_a_principal_and_not_a_condition(store: Store) -> None:
    made = store([chunk("a", "主軸", [EVERYONE]), chunk("b", "主軸", ["user:x:o'brien"])])
    assert ask(made, "主軸", "x') OR true --") == []
    assert ask(made, "主軸", "user:x:o'brien") == ["b"]
    assert made.fetch("a' OR 'a'='a", frozenset({EVERYONE})) is None


def test_a_chunk_without_principals_is_seen_by_nobody_at_all(store: Store) -> None:
    made = store([chunk("none", "主軸の交換", []), chunk("all", "主軸の交換", [EVERYONE])])
    assert ask(made, "主軸", EVERYONE, SALES, QUALITY, "") == ["all"]


def test_a_restricted_field_needs_both_the_row_and_the_field(store: Store) -> None:
    made = store([chunk("cost", "原価は98万円", [EVERYONE], field_acl=[SALES])])
    assert ask(made, "原価", EVERYONE) == []
    assert ask(made, "原価", SALES) == []
    assert ask(made, "原価", EVERYONE, SALES) == ["cost"]


@pytest.mark.parametrize("word", ["寺", "主軸", "ＳＸ－２００", "sx-200", "不良率"])
def test_single_kanji_and_full_width_part_numbers_are_found_by_their_words(store: Store, word: str) -> None:
    made = store([chunk("a", "寺の鐘の主軸SX-200の不良率", [EVERYONE]), *(chunk(f"n{n}", "会議の予定です", [EVERYONE]) for n in range(20))])
    assert ask(made, word, EVERYONE, k=1) == ["a"]


@pytest.mark.parametrize("text", ["「」", "AND OR (", '"', "*", "a:b^2", "'; DROP", "？！"])
def test_no_sign_in_a_question_is_taken_for_syntax(store: Store, text: str) -> None:
    assert ask(store([chunk("a", "文", [EVERYONE])]), text, EVERYONE) == ["a"]


def test_a_narrow_reader_misses_nothing_in_a_wide_index(store: Store) -> None:
    many = [chunk(f"w{n}", f"主軸の点検 {n}", [EVERYONE]) for n in range(400)]
    mine = [chunk(f"m{n}", f"主軸の点検 {n} 号機", [QUALITY]) for n in range(4)]
    assert sorted(ask(store([*many, *mine]), "主軸の点検", QUALITY, k=10)) == ["m0", "m1", "m2", "m3"]


def test_the_approximate_search_finds_what_the_exact_one_finds_for_wide_and_narrow_readers(store: Store) -> None:
    words = ["主軸", "研磨", "点検", "冷却", "見積", "納期", "不良", "清掃"]
    many = [
        chunk(f"c{n:03}", f"{words[n % 8]}の{words[n // 8 % 8]}を{words[n // 64 % 8]}した記録 {n}", [EVERYONE] if n % 10 else [QUALITY])
        for n in range(400)
    ]
    exact, near = store(many, name="exact"), store(many, exact_limit=20, name="near", held_limit=0)
    for reader in (EVERYONE, QUALITY):
        vector = Hashed().embed_query(["冷却の点検"])[0].tolist()
        both = [made.search("ZZ", vector, frozenset({reader}), 10, anything) for made in (exact, near)]
        assert [found.mode for found in both] == ["exact", "ann"]
        shared = {item.chunk.id for item in both[0].ranked} & {item.chunk.id for item in both[1].ranked}
        assert len(shared) >= 9


@pytest.mark.parametrize("filters", [None, Filters(media=("pdf",)), Filters(streams=("nothing/here",))])
def test_vectors_in_memory_find_and_score_what_the_engine_does_when_it_compares_every_row(store: Store, filters: Filters | None) -> None:
    """Also for a reader who holds principals that no row names."""
    words = ["主軸", "研磨", "点検", "冷却"]
    many = [chunk(f"c{n:02}", f"{words[n % 4]}の{words[n // 4 % 4]} {n}", [(EVERYONE, QUALITY, SALES)[n % 3]]) for n in range(60)]
    many = [replace(one, media="pdf") if n % 2 else one for n, one in enumerate(many)]
    small, large = store(many, name="small"), store(many, exact_limit=50, name="large", held_limit=0)
    vector = Hashed().embed_query(["冷却の点検"])[0].tolist()
    for readers in ({EVERYONE}, {EVERYONE, SALES, "group:kintone:nowhere"}, {"group:kintone:nowhere"}):
        found, told = (made.search("点検", vector, frozenset(readers), 10, anything, filters=filters) for made in (small, large))
        assert [(item.chunk.id, item.score) for item in found.ranked] == [(item.chunk.id, item.score) for item in told.ranked]
        assert (found.visible, found.mode, found.nearest) == (told.visible, told.mode, told.nearest)
    small.write(many[:3], Hashed().embed_passage([one.passage for one in many[:3]]))
    assert ask(small, "主軸", EVERYONE) == ["c00"]


def test_hidden_rows_change_no_score_that_a_reader_sees(store: Store) -> None:
    seen = [chunk("a", "主軸の交換", [SALES]), chunk("b", "納期の回答", [SALES])]
    hidden = [chunk(f"h{n}", "主軸の交換", [QUALITY]) for n in range(60)]
    vector = Hashed().embed_query(["主軸"])[0].tolist()
    alone, among = (
        made.search("主軸", vector, frozenset({SALES}), 5, anything).ranked
        for made in (store(seen, name="x"), store([*seen, *hidden], name="y"))
    )
    assert [(item.chunk.id, item.rank, item.score) for item in alone] == [(item.chunk.id, item.rank, item.score) for item in among]


def test_a_refused_row_leaves_no_gap_in_ranks_or_scores_and_its_place_is_filled(store: Store) -> None:
    many = [chunk(f"c{n:02}", "主軸の交換", [SALES]) for n in range(80)]
    made, fewer = store(many, name="x"), store(many[70:], name="y")
    vector = Hashed().embed_query(["主軸"])[0].tolist()
    found = made.search("主軸", vector, frozenset({SALES}), 5, lambda item: item.id >= "c70")
    assert [item.rank for item in found.ranked] == [1, 2, 3, 4, 5]
    assert [item.score for item in found.ranked] == [
        item.score for item in fewer.search("主軸", vector, frozenset({SALES}), 5, anything).ranked
    ]


PRINCIPALS = (EVERYONE, SALES, QUALITY, "user:kintone:sato")
SETS = st.frozensets(st.sampled_from(PRINCIPALS))


def test_a_chunk_comes_out_exactly_when_principals_meet_its_lists(store: Store) -> None:
    lists = [frozenset(name for bit, name in enumerate(PRINCIPALS) if number >> bit & 1) for number in range(16)]
    many = [chunk(f"{a:02}-{f:02}", "主軸の交換", sorted(lists[a]), field_acl=sorted(lists[f])) for a in range(16) for f in range(16)]
    made = store(many)
    for reader in lists:
        expected = {item.id for item in many if reader & set(item.acl) and reader & set(item.field_acl)}
        assert set(ask(made, "主軸の交換", *reader, k=256)) == expected
        assert made.visible(reader) == len(expected)
        assert {item.id for item in many if made.fetch(item.id, reader)} == expected if len(reader) == 1 else True


def test_an_empty_index_answers_with_nothing(tmp_path: Path) -> None:
    made = LanceStore(str(tmp_path), "t", Hashed.dim)
    made.write([], np.zeros((0, Hashed.dim), np.float32))
    assert ask(made, "主軸", EVERYONE) == []


def test_lists_of_principals_are_texts_and_no_column_may_be_null() -> None:
    """As int32 the list index is silently not used, and NOT over a list with nulls is wrong."""
    schema = chunk_schema(Hashed.dim)
    assert {str(schema.field(name).type) for name in ("acl", "field_acl")} == {"list<item: string>"}
    assert not [field.name for field in schema if field.nullable]


def test_lance_takes_no_filter_for_every_row_which_is_why_there_always_is_one(store: Store) -> None:
    made = store([chunk("a", "主軸", [SALES]), chunk("b", "主軸", [])])
    assert made._table().search().where(None).limit(9).to_arrow().num_rows == 2  # pyright: ignore[reportPrivateUsage]
    assert made.visible(frozenset()) == 0


def test_of_near_copies_the_best_visible_one_is_shown_and_a_hidden_one_hides_nothing(store: Store) -> None:
    copies = [replace(chunk(f"c{n}", "主軸の交換手順", [SALES] if n else [QUALITY]), canonical="group") for n in range(3)]
    other = [chunk(f"o{n}", f"主軸の点検 {n}", [SALES]) for n in range(3)]
    made = store([*copies, *other])
    for reader, mine in ((SALES, {"c1", "c2"}), (QUALITY, {"c0"})):
        assert len(set(ask(made, "主軸の交換手順", reader)) & {"c0", "c1", "c2"}) == 1
        assert set(ask(made, "主軸の交換手順", reader)) & {"c0", "c1", "c2"} <= mine
    assert len(ask(made, "主軸", SALES, k=4)) == 4


def test_rows_outside_the_indexes_are_found_and_filtered_like_the_others(tmp_path: Path) -> None:
    many = [chunk(f"c{n:03}", f"会議の予定 {n}", [EVERYONE]) for n in range(100)]
    generation = Generation(str(tmp_path), "t", EXACT_LIMIT)
    base = generation.begin(table_of(many, Hashed().embed_passage([one.passage for one in many]), Hashed.dim))
    late = [chunk("late", "主軸の交換", [SALES])]
    version = generation.advance(base, table_of(late, Hashed().embed_passage([late[0].passage]), Hashed.dim), ["c000"])
    made = LanceStore(str(tmp_path), "t", Hashed.dim, version=version)
    assert made.count() == 100 and made.fetch("c000", frozenset({EVERYONE})) is None
    assert ask(made, "主軸", SALES) == ["late"] and "late" not in ask(made, "主軸", EVERYONE, k=100)


def test_a_long_document_does_not_fill_an_answer_and_its_other_pieces_come_after(store: Store) -> None:
    long = [replace(chunk(f"a{at}", f"主軸の交換 その{at}", [EVERYONE]), row="kintone/faq#1", document="kintone/faq#1") for at in range(4)]
    made = store([*long, chunk("b", "主軸を交換する前に電源を切る", [EVERYONE])])
    vector = Hashed().embed_query(["主軸の交換"])[0].tolist()
    ranked = made.search("主軸の交換", vector, frozenset({EVERYONE}), 5, anything).ranked
    assert {item.chunk.row for item in ranked[:2]} == {"kintone/faq#1", "kintone/faq#b"} and len(ranked) == 5
    assert [item.score for item in ranked] == sorted((item.score for item in ranked), reverse=True)
    assert {item.id for item in made.neighbours("a1", frozenset({EVERYONE}))} == {"a0", "a2"}


def test_of_records_that_differ_in_a_code_alone_the_one_that_is_named_comes_first(store: Store) -> None:
    """Their vectors tell nothing, and the question's other words are nearer to a text without any code."""
    alike = [chunk(f"c{at}", f"QD-{at:05}_測定記録 測定点 寸法 振れ", [EVERYONE]) for at in range(30)]
    made = store([*alike, chunk("plain", "測定点7 寸法", [EVERYONE])])
    for at in (3, 17):
        assert ask(made, f"ＱＤ－{at:05} 測定点7 寸法", EVERYONE)[0] == f"c{at}"
    assert ask(made, "測定点7 寸法", EVERYONE)[0] == "plain"


#: A long question in another language than the text: of its terms the text holds next to nothing, so that words alone are not believed.
_FOREIGN = "which measuring record tells about runout flatness parallelism roundness and surface finish for unit QD-00777 please"


def _pointing(made: LanceStore, chunks: list[Chunk], far: Callable[[Chunk], bool]) -> list[float]:
    """Write the chunks so that those that are ``far`` point away from the question, whose vector comes back."""
    vectors = np.zeros((len(chunks), Hashed.dim), np.float32)
    for at, one in enumerate(chunks):
        vectors[at, 0], vectors[at, 1] = (-1.0, 0.1) if far(one) else (1.0, at / 1000)
    made.write(chunks, vectors)
    return [1.0, *[0.0] * (Hashed.dim - 1)]


@pytest.mark.parametrize(("exact_limit", "held_limit"), [(EXACT_LIMIT, HELD_LIMIT), (20, HELD_LIMIT), (20, 0)])
def test_a_named_code_comes_first_however_little_else_of_a_foreign_question_its_text_holds(
    tmp_path: Path, exact_limit: int, held_limit: int
) -> None:
    named = chunk("named", "QD-00777 測定記録", [EVERYONE])
    chunks = [named, *(chunk(f"n{at}", f"会議の予定です {at}", [EVERYONE]) for at in range(80))]
    made = LanceStore(str(tmp_path), "t", Hashed.dim, exact_limit, held_limit=held_limit)
    vector = _pointing(made, chunks, lambda one: one is named)
    assert made.search(_FOREIGN, vector, frozenset({EVERYONE}), 5, anything).ranked[0].chunk.id == "named"


def test_where_all_that_is_near_is_refused_words_that_are_hardly_believed_still_answer(tmp_path: Path) -> None:
    allowed = chunk("allowed", "finish 測定記録", [EVERYONE])
    chunks = [allowed, *(chunk(f"n{at}", f"会議の予定です {at}", [EVERYONE]) for at in range(80))]
    made = LanceStore(str(tmp_path), "t", Hashed.dim)
    vector = _pointing(made, chunks, lambda one: one is allowed)
    question = _FOREIGN.replace("QD-00777", "seven")
    found = made.search(question, vector, frozenset({EVERYONE}), 1, lambda one: one.id == "allowed")
    assert [one.chunk.id for one in found.ranked] == ["allowed"]


@pytest.mark.parametrize("held_limit", [0, HELD_LIMIT])
def test_many_questions_at_once_are_answered_as_one_after_another(store: Store, held_limit: int) -> None:
    many = [chunk(f"c{n:02}", f"主軸の点検 {n}", [EVERYONE if n % 2 else QUALITY]) for n in range(60)]
    made = store(many, exact_limit=20, held_limit=held_limit)
    asked = [(f"点検 {n}", (EVERYONE, QUALITY)[n % 2]) for n in range(24)]
    alone = [ask(made, text, who) for text, who in asked]
    with ThreadPoolExecutor(8) as pool:
        assert list(pool.map(lambda one: ask(made, *one), asked)) == alone
    assert all(alone)


def test_a_word_search_that_fails_is_no_answer(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    # Too large to be held.
    made = store([chunk(f"c{n}", f"主軸の交換 {n}", [EVERYONE]) for n in range(60)], exact_limit=20, held_limit=0)

    def broken(*_: object) -> None:
        raise OSError("the disk is gone")

    monkeypatch.setattr(made, "_words", broken)
    with pytest.raises(OSError, match="the disk is gone"):
        ask(made, "主軸", EVERYONE)


def test_an_english_question_is_not_led_by_a_year_that_stands_in_other_japanese_text(tmp_path: Path) -> None:
    said = ["会社は 1998 年に設立された", "主軸の軸受は熱で伸びる", "月曜は食堂が休みである"]
    chunks = [replace(chunk(f"c{n}", text, [EVERYONE]), lang="ja") for n, text in enumerate(said)]
    vectors = np.eye(3, Hashed.dim, dtype=np.float32)
    store = LanceStore(str(tmp_path), "t", Hashed.dim)
    store.write(chunks, vectors)
    question = "why does the spindle bearing of the machine we bought in 1998 grow longer"
    # What a model of two languages would say: nearest to the second.
    vector = (0.2 * vectors[0] + 0.9 * vectors[1] + 0.1 * vectors[2]).tolist()
    found = store.search(question, vector, frozenset({EVERYONE}), 3, anything)
    assert found.ranked[0].chunk.id == "c1"


def test_a_row_whose_fields_have_the_rows_own_readers_says_so_and_lets_nobody_else_in(store: Store) -> None:
    made = store([chunk("plain", "主軸", [QUALITY]), chunk("narrow", "主軸", [QUALITY], field_acl=[SALES]), chunk("closed", "主軸", [])])
    assert made.visible(frozenset({QUALITY})) == 1 and ask(made, "主軸", QUALITY) == ["plain"]
    assert made.visible(frozenset({QUALITY, SALES})) == 2
    # The mark is no name that somebody could go by.
    for name in ("=", "", "plain"):
        assert made.visible(frozenset({name})) == 0 and not ask(made, "主軸", name)


def test_a_principal_that_is_the_mark_is_refused_when_it_is_written(store: Store) -> None:
    with pytest.raises(ValueError, match="no principal is named '='"):
        store([chunk("a", "主軸", ["="])])
