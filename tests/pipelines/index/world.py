"""A small stream of Japanese records and an embedder without a model, for tests that are not about quality."""

from __future__ import annotations

import hashlib
import itertools
from collections.abc import Mapping, Sequence
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import numpy as np
import pyarrow as pa

from pipelines.index.build import StreamInput
from pipelines.index.chunks import Chunk
from pipelines.index.documents import BodyColumn, DocumentShape
from pipelines.index.releases import Input

NOW = datetime(2026, 11, 2, 5, tzinfo=UTC)
EVERYONE, SALES, QUALITY = "everyone:kintone", "group:kintone:eigyo", "group:kintone:hinshitsu"
SHAPE = DocumentShape(
    key=("record_id",),
    title="title",
    body=(BodyColumn("question", "質問"), BodyColumn("answer", "回答"), BodyColumn("cost", "原価")),
    url="url",
)


class Hashed:
    """Vectors from the hashes of character pairs: the same text gives the same vector, shared words give near ones."""

    model_id, revision, dim = "test/hashed", "1", 32

    def __init__(self) -> None:
        self.asked: list[str] = []

    def _vector(self, text: str) -> np.ndarray[Any, Any]:
        made = np.full(self.dim, 1e-3, np.float32)
        for pair in itertools.pairwise(text):
            made[hashlib.sha256("".join(pair).encode()).digest()[0] % self.dim] += 1
        return made / np.linalg.norm(made)

    def embed_query(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        return self.embed_passage([f"?{text}" for text in texts])

    def embed_passage(self, texts: Sequence[str]) -> np.ndarray[Any, Any]:
        self.asked += texts
        return np.stack([self._vector(text) for text in texts])


def record(number: int, title: str, *, question: str = "", answer: str = "", cost: str | None = None, scope: str = "all") -> dict[str, Any]:
    return {
        "record_id": number,
        "title": title,
        "question": question,
        "answer": answer,
        "cost": cost,
        "url": f"https://kintone.example/{number}",
        "_key": str(number),
        "_scope": scope,
        "_pull_id": "pull-1",
        "_source_version": "1",
        "_row_hash": f"hash-{number}-{title}-{answer}",
    }


def rows(*records: Mapping[str, Any]) -> pa.Table:
    names = ("title", "question", "answer", "cost", "url", "_key", "_scope", "_pull_id", "_source_version", "_row_hash")
    return pa.Table.from_pylist(list(records), schema=pa.schema([("record_id", pa.int64()), *((name, pa.string()) for name in names)]))


def scopes(**principals: Sequence[str] | None) -> pa.Table:
    """Each scope with its principals; None makes it unresolved."""
    return pa.Table.from_pylist(
        [
            {
                "scope": name,
                "title": name,
                "principals": list(found or ()),
                "resolved": found is not None,
                "reason": "" if found is not None else "not readable",
            }
            for name, found in principals.items()
        ],
        schema=pa.schema(
            [
                ("scope", pa.string()),
                ("title", pa.string()),
                ("principals", pa.list_(pa.string())),
                ("resolved", pa.bool_()),
                ("reason", pa.string()),
            ]
        ),
    )


def stream(
    *records: Mapping[str, Any], restricted: Mapping[str, str] | None = None, published: int = 1, **principals: Sequence[str] | None
) -> StreamInput:
    return StreamInput(
        "kintone/faq",
        SHAPE,
        rows(*records),
        scopes(**(principals or {"all": [EVERYONE]})),
        Input(published=published, tables={"current": published}, contract_version=1),
        restricted=restricted or {},
    )


def chunk(name: str, text: str, acl: Sequence[str], *, field_acl: Sequence[str] | None = None) -> Chunk:
    return replace(
        Chunk(
            id=name,
            document=f"kintone/faq#{name}",
            row=f"kintone/faq#{name}",
            stream="kintone/faq",
            title=name,
            heading_path=(),
            ordinal=0,
            text=text,
            url="",
            kind="record",
            scope="all",
            narrow="",
            columns=("title", "answer"),
            version="1",
            row_hash="h",
            pull_id="p",
            acl=tuple(acl),
            field_acl=(),
        ),
        field_acl=tuple(acl if field_acl is None else field_acl),
    )
