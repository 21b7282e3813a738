"""An index on an object store: built, brought forward, asked and cleared as on a disk."""

from __future__ import annotations

import sys
from datetime import timedelta
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "faults"))
from object_store import LOCAL, s3_server

from pipelines.index.build import build_candidate
from pipelines.index.parse import Parser
from pipelines.index.releases import Manifest, is_kept, open_release
from pipelines.index.retention import retain

from .world import EVERYONE, NOW, SALES, Hashed, record, stream


def test_candidates_are_built_asked_and_cleared_on_an_object_store(monkeypatch: pytest.MonkeyPatch) -> None:
    with s3_server() as port, Parser() as parser:
        for name, value in (LOCAL | {"AWS_ENDPOINT_URL": f"http://127.0.0.1:{port}"}).items():
            monkeypatch.setenv(name, value)
        embedder, root = Hashed(), "s3://lake/index"

        def build(day: int, third: str, *readers: str) -> Manifest:
            embedder.asked.clear()
            rows = [record(n, f"題{n}", answer=third if n == 3 else f"主軸の交換 {n}") for n in range(1, 9)]
            made = stream(*rows, all=readers)
            return build_candidate(root, "support", [made], embedder, now=NOW + timedelta(days=day), parser=parser)

        first = build(0, "納期の回答", EVERYONE)
        second = build(9, "不良率の報告", EVERYONE)
        assert len(embedder.asked) == 1 and second.table == first.table
        third = build(10, "不良率の報告", SALES)
        assert embedder.asked == []
        vector = embedder.embed_query(["不良率"])[0].tolist()
        for made, reader, best in ((first, EVERYONE, ""), (second, EVERYONE, "kintone/faq#3"), (third, SALES, "kintone/faq#3")):
            store = open_release(root, made)
            assert store.visible(frozenset({reader})) == 8
            found = store.search("不良率", vector, frozenset({reader}), 1, lambda _: True).ranked
            assert not best or [item.chunk.document for item in found] == [best]
        assert open_release(root, third).visible(frozenset({EVERYONE})) == 0
        assert retain(root, "support", NOW + timedelta(days=8)).dropped == (1,)
        assert [is_kept(root, made) for made in (first, second, third)] == [False, True, True]
