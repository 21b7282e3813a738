"""Random persons and questions over every way into the store, against a plain loop over all chunks: nothing comes out that the loop would not give."""

from __future__ import annotations

import random
from dataclasses import replace

import pytest
from soaking import rounds

from pipelines.index.chunks import Chunk
from pipelines.index.store import Filters, LanceStore, Weights

from .world import Hashed, chunk

#: What a store might trip over: quotes, SQL, look-alikes (Latin, Cyrillic, full width), composed and decomposed, very long, nearly the same.
PRINCIPALS = (
    "everyone:kintone",
    "group:kintone:eigyo",
    "group:kintone:eigyo ",
    "GROUP:kintone:eigyo",
    "user:x:o'brien",
    "user:x:') OR true --",
    "user:x:%",
    "user:x:_",
    "user:x:a\\'b",
    'user:x:"q"',
    "user:x:аdmin",
    "user:x:admin",
    "user:x:ａｄｍｉｎ",
    "user:x:が",
    "user:x:か\u3099",
    "user:x:" + "長" * 3_400,
    "group:kintone:hinshitsu",
    "org:kintone:1",
)
STREAMS = ("kintone/faq", "kintone/faq-old", "erp/items", "sharepoint/o'brien")
WORDS = ("主軸の交換", "納期の回答", "不良率の報告", "SX-200 manual", "ﾈｼﾞの締付", "寺", "原価は98万円")
TIMES = ("", "2026-01-31T23:59:59Z", "2026-06-01T00:00:00Z", "2026-11-27T10:00:00Z")


def corpus(seed: int, size: int) -> list[Chunk]:
    """Chunks of documents of three; some without readers, some with narrower ones, some copies of another under other readers."""
    dice = random.Random(seed)
    made: list[Chunk] = []
    for number in range(size):
        acl = dice.sample(PRINCIPALS, dice.choice((0, 1, 1, 2, 5)))
        narrow = dice.sample(PRINCIPALS, 2) if dice.random() < 0.2 else acl
        one = chunk(
            f"c{number:03}", f"{dice.choice(WORDS)}と{dice.choice(WORDS)} {number}", acl, field_acl=narrow if acl and narrow else []
        )
        stream = dice.choice(STREAMS)
        made.append(
            replace(
                one,
                acl=one.acl if one.field_acl else (),
                document=f"d{number // 3}",
                stream=stream,
                media=dice.choice(("pdf", "record", "")),
                lang=dice.choice(("ja", "en", "")),
                changed_at=dice.choice(TIMES),
                canonical=made[number // 2].canonical if number > 4 and dice.random() < 0.2 else one.id,
            )
        )
    return made


@pytest.fixture(scope="module", params=["exact", "shortlist", "engine"])
def index(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> tuple[LanceStore, list[Chunk]]:
    chunks = corpus(7, 240)
    # Held and each compared, held and a shortlist compared, too large to be held.
    limits = {"exact": (20_000, 20_000), "shortlist": (5, 20_000), "engine": (5, 0)}[request.param]
    folder = str(tmp_path_factory.mktemp("leaks"))
    store = LanceStore(folder, "t", Hashed.dim, limits[0], held_limit=limits[1], shortlist=10)
    store.write(chunks, Hashed().embed_passage([one.passage for one in chunks]))
    return store, chunks


def fits(one: Chunk, filters: Filters | None) -> bool:
    """The filters, said plainly."""
    if filters is None:
        return True
    listed = (
        (filters.systems, one.stream.split("/")[0]),
        (filters.streams, one.stream),
        (filters.media, one.media),
        (filters.langs, one.lang),
    )
    bounded = filters.changed_from or filters.changed_to
    return (
        all(not wanted or found in wanted for wanted, found in listed)
        and (not bounded or one.changed_at != "")
        and (not filters.changed_from or one.changed_at >= filters.changed_from)
        and (not filters.changed_to or one.changed_at <= filters.changed_to)
    )


def drawn(dice: random.Random) -> Filters | None:
    """Any filters, mostly none: with values that are there, that are not, and that want to be SQL."""
    if dice.random() < 0.5:
        return None
    some = dice.choice
    return Filters(
        systems=some(((), (), ("kintone",), ("erp", "sharepoint"), ("kin",))),
        streams=some(((), (), ("kintone/faq",), ("sharepoint/o'brien", "x') OR ('1'='1"))),
        media=some(((), (), ("pdf",), ("",), ("record", "pdf"))),
        langs=some(((), (), ("ja",), ("ja", "en"))),
        changed_from=some(("", "", "2026-06-01T09:00:00+09:00")),
        changed_to=some(("", "", "2026-11-27T10:00:00Z")),
    )


def _asked(index: tuple[LanceStore, list[Chunk]], seed: int, pairs: int) -> None:
    store, chunks = index
    by_id, dice, embedder = {one.id: one for one in chunks}, random.Random(seed), Hashed()
    for number in range(pairs):
        person = frozenset(dice.sample(PRINCIPALS, dice.choice((0, 1, 1, 2, 4))))
        text, filters, k = dice.choice(WORDS), drawn(dice), dice.choice((1, 5, 300))
        refused = frozenset(dice.sample(sorted(by_id), 40)) if dice.random() < 0.3 else frozenset[str]()
        may = {one.id for one in chunks if person & set(one.acl) and person & set(one.field_acl)}
        within = {id for id in may if fits(by_id[id], filters)}
        shown = within - refused
        weights = (None, Weights(1, 0), Weights(0, 1), Weights(0.5, 0.5, "rrf"))[number % 4]
        vector = embedder.embed_query([text])[0].tolist()
        found = store.search(text, vector, person, k, lambda one, refused=refused: one.id not in refused, weights, filters)
        ids = [item.chunk.id for item in found.ranked]
        who = (sorted(person), filters, text, k)
        assert set(ids) <= shown, who
        assert found.visible == store.visible(person, filters) == len(within), who
        assert [item.chunk for item in found.ranked] == [by_id[id] for id in ids], who
        groups = {by_id[id].canonical for id in shown}
        assert len({by_id[id].canonical for id in ids}) == len(ids), who
        if weights != Weights(1, 0):
            # Vectors rank whatever may be seen: no list is shorter than it could be.
            assert len(ids) == min(k, len(groups)), who
        one = dice.choice(chunks)
        fetched = store.fetch(one.id, person)
        assert fetched == (one if one.id in may else None), who
        around = store.neighbours(one.id, person)
        at = chunks.index(one)
        beside = [chunks[place] for place in (at - 1, at + 1) if 0 <= place < len(chunks) and chunks[place].document == one.document]
        assert list(around) == ([other for other in beside if other.id in may] if one.id in may else []), who


def test_nothing_comes_out_that_a_plain_loop_would_not_give(index: tuple[LanceStore, list[Chunk]]) -> None:
    _asked(index, 11, 60)


@pytest.mark.soak
def test_nothing_comes_out_in_thousands_of_questions(index: tuple[LanceStore, list[Chunk]]) -> None:
    _asked(index, 12, rounds(10_000))
