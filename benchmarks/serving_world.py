"""A made-up index of a large company, so that a measure is about serving: its pages, its people, what they ask, and ``fortnight serve`` over it."""

from __future__ import annotations

import contextlib
import itertools
import json
import os
import random
import signal
import subprocess
import sys
from collections.abc import Generator
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import TYPE_CHECKING, Any

from benchmarks.measure import quick

if TYPE_CHECKING:
    from pipelines.project import Project

INDEX, STREAM = "bench", "kintone/pages"
PEOPLE = 200 if quick() else 4_000
PAGES = 100 if quick() else 600
GROUPS = 40
PARTS = ("主軸", "冷却水", "工具交換装置", "油圧ユニット", "送りねじ", "制御盤", "チャック", "切りくずコンベヤ", "潤滑油", "操作盤")
SIGNS = (
    "の温度が上がる",
    "から異音がする",
    "の圧力が足りない",
    "が途中で止まる",
    "から漏れている",
    "の警報が消えない",
    "を交換したい",
    "を点検したい",
)
MODELS = tuple(f"SK-{number}" for number in range(100, 200))


def mail(number: int) -> str:
    """Nobody's address: a number."""
    return f"reader-{number}@bench.example"


def questions(count: int, seed: int = 14) -> list[str]:
    """What is asked, drawn from all that there is to ask: some of it again and again, as people do."""
    every = [f"{model}の{part}{sign}ときは" for model, part, sign in itertools.product(MODELS, PARTS, SIGNS)]
    return random.Random(seed).choices(every, k=count)


def project(folder: Path) -> Project:
    """The company's project: one stream published, each page open to one of the groups or to all, one candidate built. Everybody may preview it."""
    import yaml

    from pipelines.clock import WallClock
    from pipelines.index.build import build_candidate
    from pipelines.index.inputs import stream_inputs
    from pipelines.index.models import embedder_of
    from pipelines.index.parse import Parser
    from pipelines.landing.warehouse import Warehouse
    from pipelines.project import load

    people = [mail(number) for number in range(PEOPLE)]
    told: dict[str, Any] = {
        "name": "bench",
        "environment": "staging",
        "storage": {"root": "./data"},
        "systems": {"kintone": {"kind": "kintone", "base_url": "https://bench.example"}},
        "indexes": {INDEX: {"streams": [STREAM]}},
        "serving": {"roles": {"previewer": people}},
    }
    fields = [{"name": "id", "source": "$id", "type": "int64", "required": True}]
    fields += [{"name": name, "source": name, "type": "string"} for name in ("title", "body")]
    document = {"title": "title", "body": ["body"]}
    contract = {"stream": STREAM, "version": 1, "source": {"app": 1}, "key": ["id"], "fields": fields, "document": document}
    for path, content in ((folder / "project.yaml", told), (folder / "contracts" / f"{STREAM}.yaml", contract)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(yaml.safe_dump(content, allow_unicode=True), encoding="utf-8")
    made, now = load(folder), WallClock().now()
    _publish(Warehouse(made.root), people, now)
    with Parser() as parser:
        embedder = embedder_of(made, index=INDEX)
        build_candidate(made.root, INDEX, stream_inputs(made, INDEX, Warehouse(made.root)), embedder, now=now, parser=parser)
    return made


def _publish(warehouse: Any, people: list[str], now: datetime) -> None:
    """What one pull leaves. Everybody is in two of the groups."""
    import pyarrow as pa

    from pipelines.landing.published import Published

    draw = random.Random(7)
    rows = [
        {
            "id": n,
            "title": f"{MODELS[n % 100]} {part}",
            "body": f"{MODELS[n % 100]}の{part}{sign}ときは、運転を止めて手順{n}のとおりに確かめる。",
        }
        | {"_key": str(n), "_scope": "all" if n % 3 == 0 else f"g{n % GROUPS}", "_op": "upsert", "_row_hash": f"h{n}"}
        | {"_pull_id": warehouse.by, "_source_version": "1"}
        for n in range(PAGES)
        for part, sign in [(draw.choice(PARTS), draw.choice(SIGNS))]
    ]
    scopes = {"all": ["everyone:kintone"]} | {f"g{n}": [f"group:kintone:g{n}"] for n in range(GROUPS)}
    accounts = [
        {"system": "kintone", "principal": f"user:kintone:r{n}", "login": one, "mail": one, "name": f"Reader {n}", "active": True}
        for n, one in enumerate(people)
    ]
    members = [
        {"group": f"group:kintone:g{(n * step) % GROUPS}", "member": f"user:kintone:r{n}"} for n in range(len(people)) for step in (1, 7)
    ]
    tables = {
        "current": rows,
        "scopes": [{"scope": name, "title": name, "principals": who, "reason": "", "resolved": True} for name, who in scopes.items()],
        "accounts": accounts,
        "members": members,
    }
    for table, found in tables.items():
        warehouse.replace(table, STREAM, pa.Table.from_pylist(found))
    warehouse.publish(
        Published(
            number=1,
            stream=STREAM,
            pull_id=warehouse.by,
            published_at=now.isoformat(),
            contract_version=1,
            contract_fingerprint="c",
            schema_fingerprint="s",
            revision="1",
            tables=warehouse.versions(STREAM),
            counts={},
        )
    )


@dataclass(frozen=True)
class Serving:
    """A running ``fortnight serve``: where, and as which process."""

    url: str
    process: subprocess.Popen[str]

    @property
    def cpu(self) -> float:
        """Seconds of CPU its process has used so far."""
        stat = Path(f"/proc/{self.process.pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()
        return (int(stat[11]) + int(stat[12])) / os.sysconf("SC_CLK_TCK")

    @property
    def peak_mb(self) -> float:
        lines = Path(f"/proc/{self.process.pid}/status").read_text(encoding="utf-8").splitlines()
        return next(int(line.split()[1]) / 1e3 for line in lines if line.startswith("VmHWM"))


@contextlib.contextmanager
def serving(folder: Path) -> Generator[Serving]:
    """``fortnight serve`` on a free port, stopped as an operator stops it."""
    command = [sys.executable, "-m", "pipelines.cli", "serve", "--index", INDEX, "--port", "0", "--project", str(folder), "--json"]
    process = subprocess.Popen(command, stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        said = ""
        for line in process.stdout:
            said += line
            with contextlib.suppress(json.JSONDecodeError):
                json.loads(said)
                break
        else:
            raise RuntimeError(f"fortnight serve ended with {process.wait()} before it served")
        # Outside of what reads the line: an error of the measure is the measure's.
        yield Serving(str(json.loads(said)["url"]), process)
    finally:
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=60)


def tokens(made: Project, numbers: set[int]) -> dict[int, str]:
    """A development token for each of these people."""
    from pipelines.serving.callers.entrance import development_tokens

    issuer, now = development_tokens(made), datetime.now(UTC)
    return {number: issuer.issue(mail(number), now, timedelta(hours=2)) for number in numbers}
