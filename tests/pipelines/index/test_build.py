"""A candidate is brought forward by what changed, ends as a build from nothing would, and a build that dies leaves the last one whole."""

from __future__ import annotations

import hashlib
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from datetime import timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from connectors.errors import AnswerIsNo
from pipelines.index import build as building
from pipelines.index import retention
from pipelines.index.build import StreamInput, build_candidate
from pipelines.index.chunks import Chunk
from pipelines.index.embedding import Spent
from pipelines.index.parse import Parsed, Parser, Unparsed
from pipelines.index.releases import (
    Manifest,
    candidates,
    generation_uri,
    is_kept,
    newest_candidate,
    open_release,
    point_production,
)
from pipelines.index.retention import retain
from pipelines.index.store import Weights
from pipelines.index.store.generation import Generation, open_at
from pipelines.index.store.rows import unpacked

from .world import EVERYONE, NOW, QUALITY, SALES, Hashed, record, stream


class Counting(Parser):
    """Counts the files it is given."""

    def __init__(self) -> None:
        super().__init__()
        self.parsed: list[str] = []

    def parse(self, name: str, media_type: str, data: bytes) -> Parsed | Unparsed:
        self.parsed.append(data.decode())
        return super().parse(name, media_type, data)


@pytest.fixture(scope="module")
def parser() -> Iterator[Counting]:
    with Counting() as made:
        yield made


class Root:
    """An index under a folder, built again and again with one embedder that remembers what it was asked."""

    def __init__(self, folder: Path, parser: Counting) -> None:
        self.root, self.parser, self.embedder = str(folder), parser, Hashed()

    def build(self, *streams: StreamInput, **given: Any) -> Manifest:
        self.embedder.asked.clear()
        self.parser.parsed.clear()
        told = {"now": NOW, "parser": self.parser} | given
        return build_candidate(self.root, "support", streams, told.pop("embedder", self.embedder), **told)

    def rows(self, made: Manifest) -> list[dict[str, Any]]:
        """The whole table of a release, pull ids and all, in the order of ids."""
        table = open_at(generation_uri(self.root, "support"), made.table, made.version)
        rows = table.search().limit(100_000).to_arrow().to_pylist()
        return sorted((row | {"text": unpacked(row["chunk"]).text} for row in rows), key=lambda row: row["id"])


@pytest.fixture
def root(tmp_path: Path, parser: Counting) -> Root:
    return Root(tmp_path, parser)


def many(count: int, **changed: str) -> list[dict[str, Any]]:
    """Records 1 to ``count``; ``r3="文"`` changes the answer of the third."""
    return [record(n, f"題{n}", answer=changed.get(f"r{n}", f"答え{n}番の文。")) for n in range(1, count + 1)]


def test_only_what_changed_is_embedded_and_the_rest_stays_in_place(root: Root) -> None:
    first = root.build(stream(*many(20)))
    assert len(root.embedder.asked) == 20
    second = root.build(stream(*many(20, r3="別の答え。"), published=2))
    assert [text.splitlines()[-1] for text in root.embedder.asked] == ["回答: 別の答え。"]
    assert (second.number, second.table, second.chunks) == (2, first.table, 20)
    assert second.version > first.version
    assert [row["text"] for row in root.rows(first) if row["document"] == "kintone/faq#3"] == ["回答: 答え3番の文。"]


def test_only_files_that_changed_are_parsed(root: Root) -> None:
    def with_files(third: bytes) -> StreamInput:
        bodies = {n: f"手順書 {n} 版".encode() for n in range(1, 9)} | {3: third}
        digests = {n: hashlib.sha256(body).hexdigest() for n, body in bodies.items()}
        content = pa.Table.from_pylist(
            [
                {"key": str(n), "ref": f"f{n}", "name": "手順.txt", "media_type": "text/plain", "sha256": digests[n], "status": "ok"}
                for n in bodies
            ]
        )
        made = stream(*many(8))
        return replace(
            made,
            shape=replace(made.shape, files=True),
            content=content,
            read_blob=lambda digest: next(bodies[n] for n, found in digests.items() if found == digest),
        )

    root.build(with_files("手順書 3 版".encode()))
    assert len(root.parser.parsed) == 8
    changed = root.build(with_files("手順書 3 改".encode()))
    assert root.parser.parsed == ["手順書 3 改"]
    assert changed.chunks == 16


def test_when_only_readers_change_nothing_is_read_or_embedded_and_the_new_readers_stand_on_every_chunk(root: Root) -> None:
    root.build(stream(*many(6), all=[EVERYONE]))
    second = root.build(stream(*many(6), all=[SALES, QUALITY]))
    assert root.embedder.asked == []
    assert {tuple(row["acl"]) for row in root.rows(second)} == {(SALES, QUALITY)}
    store = open_release(root.root, second)
    assert (store.visible(frozenset({EVERYONE})), store.visible(frozenset({QUALITY}))) == (0, 6)


def test_a_scope_that_no_longer_resolves_takes_its_chunks_from_everybody(root: Root) -> None:
    root.build(stream(*many(3), all=[EVERYONE]))
    second = root.build(stream(*many(3), all=None))
    assert {tuple(row["acl"]) for row in root.rows(second)} == {()}
    assert (second.access.resolved, second.access.scopes_unresolved) == (0, {"kintone/faq all": "not readable"})


def test_what_was_left_out_stays_told_though_it_is_not_read_again(root: Root) -> None:
    def lacking(*rows: dict[str, Any]) -> StreamInput:
        content = {"key": "1", "ref": "f1", "name": "図面.pdf", "media_type": "application/pdf", "sha256": "", "status": "too_large"}
        made = stream(*rows)
        return replace(made, shape=replace(made.shape, files=True), content=pa.Table.from_pylist([content]), read_blob=lambda _: b"")

    first = root.build(lacking(*many(3)))
    second = root.build(lacking(*many(3, r2="別。")))
    assert [(item.document.partition("#file:")[0], item.code) for item in first.omitted] == [("kintone/faq#1", "not_fetched")]
    assert second.number == 2 and second.omitted == first.omitted and second.documents == first.documents
    assert len(root.embedder.asked) == 1


@pytest.mark.parametrize("why", ["blob_damaged", "worker_died"])
def test_a_file_left_out_for_a_reason_that_passed_is_in_the_next_build(root: Root, monkeypatch: pytest.MonkeyPatch, why: str) -> None:
    body = "主軸の手順書".encode()
    digest = hashlib.sha256(body).hexdigest()
    content = {"key": "1", "ref": "f1", "name": "手順.txt", "media_type": "text/plain", "sha256": digest, "status": "ok"}
    held = [b"other bytes" if why == "blob_damaged" else body]
    made = stream(*many(3))
    whole = replace(made, shape=replace(made.shape, files=True), content=pa.Table.from_pylist([content]), read_blob=lambda _: held[0])
    with monkeypatch.context() as patched:
        if why == "worker_died":
            patched.setattr(Counting, "parse", lambda *_: Unparsed("worker_died", "exit -9"))
        assert [item.code for item in root.build(whole).omitted] == [why]
    held[0] = body
    again = root.build(whole)
    assert (again.number, again.omitted, again.chunks) == (2, (), 4)


_SCOPES = {"all": [EVERYONE], "few": [SALES], "lost": None}


@st.composite
def histories(draw: st.DrawFn) -> list[tuple[list[dict[str, Any]], dict[str, Sequence[str] | None], dict[str, str]]]:
    """A few states of one stream: rows come, go, change text or scope; scopes change readers or stop resolving; a column becomes restricted."""
    days: list[tuple[list[dict[str, Any]], dict[str, Sequence[str] | None], dict[str, str]]] = []
    for _ in range(draw(st.integers(2, 3))):
        keys = draw(st.sets(st.integers(1, 7), min_size=1))
        rows = [
            record(
                key,
                f"題{draw(st.integers(0, 1))}",
                answer="。".join(["長い答えの文です" * 20] * draw(st.integers(0, 3))),
                scope=draw(st.sampled_from(sorted(_SCOPES))),
            )
            for key in sorted(keys)
        ]
        few = draw(st.sampled_from([[SALES], [SALES, QUALITY], None]))
        days.append((rows, {**_SCOPES, "few": few}, draw(st.sampled_from([{}, {}, {"answer": "few"}]))))
    return days


@settings(max_examples=12, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture], derandomize=True)
@given(histories())
def test_whatever_changed_the_candidate_is_what_a_build_from_nothing_would_be(
    tmp_path_factory: pytest.TempPathFactory, parser: Counting, days: list[tuple[Any, Any, Any]]
) -> None:
    on, new = Root(tmp_path_factory.mktemp("on"), parser), Root(tmp_path_factory.mktemp("new"), parser)
    for rows, scopes, restricted in days:
        last = on.build(stream(*rows, restricted=restricted, **scopes))
    rows, scopes, restricted = days[-1]
    fresh = new.build(stream(*rows, restricted=restricted, **scopes))
    assert on.rows(last) == new.rows(fresh)
    same = {"content_hash", "documents", "chunks", "access", "omitted", "generation"}
    assert last.model_dump(include=same) == fresh.model_dump(include=same)


STEPS: list[tuple[Any, str]] = [
    (building, "cut"),
    (Hashed, "embed_passage"),
    (Generation, "advance"),
    (Generation, "_index"),
    (Generation, "prove"),
    (Generation, "tag"),
    (building, "put_state"),
    (building, "record_candidate"),
]


# What a step leaves behind is what the next one finds: in the short run each is killed after it.
@pytest.mark.parametrize("when", [pytest.param("before", marks=pytest.mark.soak), "after"])
@pytest.mark.parametrize(("where", "step"), STEPS, ids=[step for _, step in STEPS])
def test_a_build_killed_at_any_step_leaves_the_last_candidate_whole_and_the_next_build_heals_it(
    root: Root, monkeypatch: pytest.MonkeyPatch, where: Any, step: str, when: str
) -> None:
    first = root.build(stream(*many(9)))
    before = root.rows(first)
    real: Callable[..., Any] = getattr(where, step)

    def killed(*given: Any, **named: Any) -> Any:
        if when == "after":
            real(*given, **named)
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(where, step, killed)
        root.build(stream(*many(8, r2="別の答え。")))
    newest = newest_candidate(root.root, "support")
    assert newest is not None and root.rows(first) == before
    recorded = (step, when) == ("record_candidate", "after")
    assert newest.number == (2 if recorded else 1)
    made = root.build(stream(*many(9, r4="三日目の答え。")))
    assert made.number == newest.number + 1
    assert sorted(row["text"] for row in root.rows(made)) == sorted(
        f"回答: {'三日目の答え。' if n == 4 else f'答え{n}番の文。'}" for n in range(1, 10)
    )


def test_a_first_build_killed_before_its_record_is_seen_by_nobody_and_built_again(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    def killed(*_: Any) -> None:
        raise KeyboardInterrupt

    with monkeypatch.context() as patched, pytest.raises(KeyboardInterrupt):
        patched.setattr(Generation, "tag", killed)
        root.build(stream(*many(3)))
    assert newest_candidate(root.root, "support") is None
    made = root.build(stream(*many(3)))
    assert (made.number, len(root.rows(made))) == (1, 3)


@pytest.mark.parametrize("step", ["advance", "prove", "tag"])
def test_of_two_builds_at_once_one_is_recorded_and_it_holds_nothing_of_the_other(
    root: Root, monkeypatch: pytest.MonkeyPatch, step: str
) -> None:
    root.build(stream(*many(6)))
    real: Callable[..., Any] = getattr(Generation, step)
    other: list[Manifest] = []

    def meanwhile(*given: Any) -> Any:
        if not other:
            other.append(Manifest.model_construct())
            other[0] = root.build(stream(*many(6, r1="先の答え。")))
        return real(*given)

    monkeypatch.setattr(Generation, step, meanwhile)
    with pytest.raises(AnswerIsNo) as refused:
        root.build(stream(*many(6, r2="後の答え。")))
    assert refused.value.code in ("index.built_meanwhile", "index.table_disturbed")
    assert [made.number for made in candidates(root.root, "support")] == [1, 2]
    texts = {row["text"] for row in root.rows(other[0])}
    assert "回答: 先の答え。" in texts and "回答: 後の答え。" not in texts


def test_rows_that_another_build_put_into_the_table_are_found_before_anything_is_recorded(
    root: Root, monkeypatch: pytest.MonkeyPatch
) -> None:
    made = root.build(stream(*many(6)))
    real = Generation.advance

    def disturbed(self: Generation, *given: Any) -> int:
        real(self, *given)
        table = open_at(self.uri, self.name)
        table.delete("row = 'kintone/faq#5'")
        return int(table.version)

    monkeypatch.setattr(Generation, "advance", disturbed)
    with pytest.raises(AnswerIsNo, match="does not hold what this build made") as refused:
        root.build(stream(*many(6, r2="別の答え。")))
    assert "other build" in refused.value.say()
    assert newest_candidate(root.root, "support") == made


def test_another_model_begins_another_table_and_the_old_release_is_read_with_its_own(root: Root) -> None:
    class Newer(Hashed):
        revision = "2"

    first = root.build(stream(*many(4)))
    newer = Newer()
    second = root.build(stream(*many(4)), embedder=newer)
    assert (second.number, len(newer.asked)) == (2, 4)
    assert second.table != first.table and second.generation != first.generation
    assert [made.revision for made in candidates(root.root, "support")] == ["1", "2"]
    assert len(root.rows(first)) == len(root.rows(second)) == 4


def test_when_most_of_it_changes_the_table_is_written_anew(root: Root) -> None:
    first = root.build(stream(*many(6)))
    second = root.build(stream(*many(6, **{f"r{n}": f"新しい答え{n}。" for n in range(1, 6)})))
    assert second.table != first.table and second.generation == first.generation
    assert len(root.rows(second)) == 6 and len(root.embedder.asked) == 5


def test_content_that_comes_back_takes_no_table_from_the_releases_that_had_it_before(root: Root) -> None:
    first = root.build(stream(*many(6)))
    second = root.build(stream(*many(6, r1="別の答え。")))
    root.build(stream(*many(6, **{f"r{n}": f"新しい答え{n}。" for n in range(1, 7)})))
    before = [root.rows(made) for made in (first, second)]
    again = root.build(stream(*many(6)))
    root.build(stream(*many(6, r3="あとの答え。")))
    assert again.content_hash == first.content_hash
    assert [root.rows(made) for made in (first, second)] == before
    assert all(is_kept(root.root, made) for made in (first, second, again))


def test_a_release_pins_the_weights_it_was_built_with(root: Root) -> None:
    assert root.build(stream(*many(2))).weights is None
    tuned = root.build(stream(*many(2)), weights=Weights(0.7, 0.3))
    assert (tuned.number, tuned.weights) == (2, Weights(0.7, 0.3))
    newest = newest_candidate(root.root, "support")
    assert newest == tuned


def test_the_manifest_says_what_its_vectors_cost(root: Root) -> None:
    class Sold(Hashed):
        spent = Spent()

        def embed_passage(self, texts: Sequence[str]) -> Any:
            self.spent = Spent(self.spent.texts + len(texts), self.spent.tokens + 10 * len(texts), self.spent.jpy + 0.5 * len(texts))
            return super().embed_passage(texts)

    sold = Sold()
    assert root.build(stream(*many(4)), embedder=sold).embedded == Spent(4, 40, 2.0)
    assert root.build(stream(*many(4, r1="別。")), embedder=sold).embedded == Spent(1, 10, 0.5)


def test_an_index_that_loses_all_its_rows_is_empty_and_one_that_was_empty_fills(root: Root) -> None:
    root.build(stream(*many(2)))
    empty = stream(record(1, "甲"))
    emptied = root.build(replace(empty, rows=empty.rows.slice(0, 0)))
    assert (emptied.chunks, root.rows(emptied)) == (0, [])
    filled = root.build(stream(*many(2)))
    store = open_release(root.root, filled)
    assert store.search("答え", Hashed().embed_query(["答え"])[0].tolist(), frozenset({EVERYONE}), 5, _any).visible == 2


def _any(_: Chunk) -> bool:
    return True


def test_a_table_removed_by_hand_is_built_anew(root: Root) -> None:
    import shutil

    made = root.build(stream(*many(3)))
    shutil.rmtree(Path(root.root) / "indexes" / "support" / "generations")
    with pytest.raises(AnswerIsNo, match="is gone") as refused:
        open_release(root.root, made).count()
    assert "fortnight index" in refused.value.say()
    again = root.build(stream(*many(3)))
    assert (again.reused, again.number, len(root.rows(again))) == (False, 2, 3)


def test_what_a_build_knew_is_written_down_again_where_it_was_lost(root: Root) -> None:
    import shutil

    made = root.build(stream(*many(5)))
    shutil.rmtree(Path(root.root) / "indexes" / "support" / "states")
    again = root.build(stream(*many(5)))
    assert (again.reused, again.number) == (True, 1) and root.embedder.asked == []
    root.build(stream(*many(5, r2="別。")))
    assert len(root.embedder.asked) == 1 and len(root.rows(made)) == 5


def test_retention_keeps_production_the_one_before_it_and_what_is_young_and_takes_the_rest(root: Root) -> None:
    made = [root.build(stream(*many(6, r1=f"{day}日目。")), now=NOW + timedelta(days=day)) for day in range(8)]
    point_production(root.root, "support", 3, at=NOW + timedelta(days=3), actor="佐藤", reason="go")
    point_production(root.root, "support", 4, at=NOW + timedelta(days=4), actor="佐藤", reason="next", after=1)
    done = retain(root.root, "support", NOW + timedelta(days=6))
    assert done.kept == (3, 4, 7, 8) and done.dropped == (1, 2, 5, 6)
    assert [manifest.number for manifest in made if is_kept(root.root, manifest)] == [3, 4, 7, 8]
    for number in done.kept:
        assert len(root.rows(made[number - 1])) == 6
    assert retain(root.root, "support", NOW + timedelta(days=6)).dropped == ()
    assert len(root.rows(root.build(stream(*many(7))))) == 7


@pytest.mark.soak
def test_what_no_release_needs_is_taken_off_the_disk(root: Root, monkeypatch: pytest.MonkeyPatch) -> None:
    """LanceDB goes by the age of a version on the machine's clock: there must be some time between what goes and what stays."""
    monkeypatch.setattr(retention, "_SLACK", timedelta(seconds=5))
    old = root.build(stream(*many(6)))
    time.sleep(20)
    kept = root.build(stream(*many(6, r1="別。")), now=NOW + timedelta(days=9))
    assert retain(root.root, "support", NOW + timedelta(days=8)).dropped == (1,)
    with pytest.raises(AnswerIsNo, match="is gone"):
        root.rows(old)
    assert len(root.rows(kept)) == 6


@pytest.mark.filterwarnings("ignore:optimize")
def test_lance_refuses_to_clean_while_a_tagged_version_is_old_which_is_why_tags_go_first(root: Root) -> None:
    for answer in ("一。", "二。", "三。"):
        made = root.build(stream(*many(4, r1=answer)))
    table = open_at(generation_uri(root.root, "support"), made.table)
    with pytest.raises(RuntimeError, match="tagged version"):
        table.optimize(cleanup_older_than=timedelta(0))
    assert len(root.rows(made)) == 4


def test_retention_drops_the_table_of_a_model_that_no_kept_release_was_built_with(root: Root) -> None:
    class Newer(Hashed):
        revision = "2"

    old = root.build(stream(*many(3)))
    root.build(stream(*many(3)), embedder=Newer(), now=NOW + timedelta(days=9))
    assert retain(root.root, "support", NOW + timedelta(days=8)).tables == (old.table,)
    assert not is_kept(root.root, old)


def test_a_rollback_of_content_would_bring_back_what_was_deleted_and_who_could_read_it(root: Root) -> None:
    """Why the deny overlay stands above every release: an older version holds the row and its old readers."""
    first = root.build(stream(*many(5), all=[EVERYONE]))
    second = root.build(stream(*many(4), all=[SALES]))
    assert open_release(root.root, second).visible(frozenset({EVERYONE})) == 0
    assert open_release(root.root, first).visible(frozenset({EVERYONE})) == 5
