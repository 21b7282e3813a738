"""A small company whose index is built, asked and rolled back on disk, without a source and without a model."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
from conformance.live import write_contract, write_yaml

from pipelines.clock import FixedClock
from pipelines.index.build import build_candidate
from pipelines.index.embedding import Embedder
from pipelines.index.inputs import stream_inputs
from pipelines.index.parse import Parser
from pipelines.index.releases import Manifest
from pipelines.index.store import Weights
from pipelines.landing.published import Published
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load

INDEX, FAQ = "support", "kintone/faq"
MORNING = datetime(2026, 11, 24, 5, tzinfo=UTC)
SATO, MORI = "misaki.sato@sakura-seiki.example", "mori@sakura-seiki.example"
EVERYONE, SALES, QUALITY = "everyone:kintone", "group:kintone:eigyo", "group:kintone:hinshitsu"
READERS = {"all": (EVERYONE,), "sales": (SALES,), "quality": (QUALITY,)}
#: Key → title, text, scope.
ROWS: Mapping[str, tuple[str, str, str]] = {
    "1": ("主軸の過熱", "主軸の温度が上がったときは運転を止めて冷却水を確認してください。", "all"),
    "2": ("訪問の約束", "過熱の連絡を受けたら営業担当が翌日までに訪問日を回答する。", "sales"),
    "3": ("再発防止会議", "軸受の予圧不足が原因と判明した。社外秘である。", "quality"),
    "4": ("忘年会", "十二月に本社の食堂で行います。", "all"),
    "5": ("値引きの上限", "代理店への値引きは一割を上限とする。", "sales"),
}


@dataclass
class House:
    """One project folder. ``publish`` is what a pull leaves, ``build`` what the index job does, ``clock`` where both stand."""

    folder: Path
    embedder: Embedder
    at: datetime = MORNING

    @property
    def clock(self) -> FixedClock:
        return FixedClock(self.at)

    @property
    def project(self) -> Project:
        return load(self.folder)

    @property
    def root(self) -> str:
        return self.project.root

    def publish(
        self,
        rows: Mapping[str, tuple[str, str, str]] = ROWS,
        readers: Mapping[str, Sequence[str]] = READERS,
        groups: Mapping[str, str] | None = None,
    ) -> None:
        """Rows, scopes and memberships as of now; by default Sato is in sales and Mori in quality."""
        warehouse = Warehouse(self.root)
        members = groups or {SATO: SALES, MORI: QUALITY}
        people = [
            {"principal": f"user:kintone:{who}", "system": "kintone", "login": who, "mail": "", "name": who, "active": True}
            for who in (SATO, MORI)
        ]
        tables = {
            "current": pa.table(
                {
                    "id": [int(key) for key in rows],
                    "title": [title for title, _, _ in rows.values()],
                    "body": [body for _, body, _ in rows.values()],
                    "_key": list(rows),
                    "_scope": [scope for _, _, scope in rows.values()],
                    "_op": ["upsert"] * len(rows),
                    "_row_hash": [f"h-{title}-{body}" for title, body, _ in rows.values()],
                    "_source_version": ["1"] * len(rows),
                    "_pull_id": [warehouse.by] * len(rows),
                }
            ),
            "scopes": pa.Table.from_pylist(
                [
                    {"scope": name, "title": name, "principals": list(found), "resolved": True, "reason": ""}
                    for name, found in readers.items()
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
            ),
            "accounts": pa.Table.from_pylist(people),
            "members": pa.table(
                {
                    "group": pa.array(list(members.values()), pa.string()),
                    "member": pa.array([f"user:kintone:{who}" for who in members], pa.string()),
                }
            ),
        }
        for table, content in tables.items():
            warehouse.replace(table, FAQ, content)
        before = warehouse.published(FAQ)
        warehouse.publish(
            Published(
                number=before.number + 1 if before else 1,
                stream=FAQ,
                pull_id=warehouse.by,
                published_at=self.at.isoformat(),
                contract_version=1,
                contract_fingerprint="c",
                schema_fingerprint="s",
                revision="1",
                tables=warehouse.versions(FAQ),
                counts={},
            )
        )

    def build(self, parser: Parser, weights: Weights | None = None) -> Manifest:
        inputs = stream_inputs(self.project, INDEX, Warehouse(self.root))
        return build_candidate(self.root, INDEX, inputs, self.embedder, now=self.at, parser=parser, weights=weights)

    def ask(self, *lines: dict[str, Any]) -> Path:
        """The evaluation set."""
        path = self.folder / "evaluation" / f"{INDEX}.jsonl"
        path.parent.mkdir(exist_ok=True)
        path.write_text("".join(json.dumps(line, ensure_ascii=False) + "\n" for line in lines), encoding="utf-8")
        return path

    def later(self, **passed: float) -> House:
        return House(self.folder, self.embedder, self.at + timedelta(**passed))


def question(name: str, words: str, person: str, *expect: str, forbidden: Sequence[str] = ()) -> dict[str, Any]:
    line: dict[str, Any] = {
        "id": name,
        "question": words,
        "lang": "ja",
        "as": person,
        "kind": "answerable" if expect else "forbidden" if forbidden else "unanswerable",
        "expect": [f"{FAQ}#{key}" for key in expect],
        "slices": ["ja"],
        "answer": "",
        "note": "",
    }
    return line | ({"forbidden": [f"{FAQ}#{key}" for key in forbidden]} if forbidden else {})


#: A question with each row's own words, as somebody who may read it; and two that must not be answered to who asks.
QUESTIONS = (
    question("q-1", "主軸の温度が上がったときは運転を止めて冷却水を確認", SATO, "1"),
    question("q-2", "過熱の連絡を受けたら営業担当が翌日までに訪問日を回答", SATO, "2"),
    question("q-3", "軸受の予圧不足が原因と判明した", MORI, "3"),
    question("q-4", "忘年会は十二月に本社の食堂", MORI, "4"),
    question("q-5", "代理店への値引きは一割を上限", SATO, "5"),
    question("q-6", "軸受の予圧不足が原因", SATO, forbidden=("3",)),
    question("q-7", "代理店への値引きの上限", MORI, forbidden=("2", "5")),
    question("q-8", "月面基地の家賃", SATO),
)


def house(folder: Path, embedder: Embedder) -> House:
    """The project's files, nothing published yet."""
    write_yaml(
        folder / "project.yaml",
        {
            "name": "examined",
            "environment": "staging",
            "systems": {"kintone": {"kind": "kintone", "base_url": "https://x.example"}},
            "indexes": {INDEX: {"streams": [FAQ], "evaluation": {"questions": f"evaluation/{INDEX}.jsonl", "recall_at_5": 0.9}}},
        },
    )
    made = House(folder, embedder)
    fields = [
        {"name": "id", "source": "$id", "type": "int64", "required": True},
        {"name": "title", "source": "題", "type": "string"},
        {"name": "body", "source": "本文", "type": "string"},
    ]
    document = {"title": "title", "body": ["body"]}
    write_contract(made.project, {"stream": FAQ, "version": 1, "source": {}, "key": ["id"], "fields": fields, "document": document})
    made.ask(*QUESTIONS)
    return made
