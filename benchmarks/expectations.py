"""Judging: a million rows by forty rules, ours against the same suite in Great Expectations on pandas; and what a drift check asks of a source."""

from __future__ import annotations

import tempfile
import time
from collections import Counter
from collections.abc import Collection, Iterator
from contextlib import closing, contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any, Literal
from unittest.mock import patch
from urllib.parse import urlsplit

from benchmarks.measure import Measure, Sample, in_child, in_turn, quick, tried

PARTS = ("judge", "drift")
ROWS, QUICK_ROWS = 1_000_000, 100_000
#: A stream of each kind of source, and the sandbox's server that counts what is asked.
STREAMS = {"kintone": "kintone/orders", "erp": "erp/items", "sharepoint": "sharepoint/manuals"}
#: What a drift check may ask of any source. The short form shows the number and claims nothing.
REQUESTS = 1

Format = Literal["SUMMARY", "BOOLEAN_ONLY"]


def measures(parts: Collection[str] = PARTS) -> Iterator[Measure]:
    """Each run in a process of its own, from one file of the same rows; both sides have imported everything before the clock runs."""
    rows = QUICK_ROWS if quick() else ROWS
    with tempfile.TemporaryDirectory() as folder:
        if "judge" in parts:
            at = Path(folder) / "rows.arrow"
            in_child(f"from benchmarks.expectations_child import write; write({str(at)!r}, {rows})")
            yield tried("expectations.judge.vs_gx", lambda: _judging(at, rows, "SUMMARY"))
            yield tried("expectations.judge.vs_gx_boolean_only", lambda: _judging(at, rows, "BOOLEAN_ONLY"))
            yield tried("expectations.judge.memory", lambda: _memory(at, rows))
        if "drift" not in parts:
            return
        from benchmarks.sandboxed import project

        with project(Path(folder) / "company") as home:
            for server, stream in STREAMS.items():
                yield tried(f"expectations.drift.{server}.requests", lambda server=server, stream=stream: _drift(home, server, stream))


def _ours(at: Path) -> Sample:
    return in_child(f"from benchmarks.expectations_child import ours; ours({str(at)!r})")


def _gx(at: Path, form: Format) -> Sample:
    return in_child(f"from benchmarks.expectations_child import peer; peer({str(at)!r}, {form!r})")


def _judging(at: Path, rows: int, form: Format) -> Measure:
    claimed = form == "SUMMARY" and not quick()
    return in_turn(
        f"expectations.judge.vs_gx{'' if form == 'SUMMARY' else '_boolean_only'}",
        "rows/s of CPU",
        f"{rows:,} rows x 20 columns by 40 rules, profile and counts of different values included; the peer is the same suite on pandas with "
        f"{form} results. Neither reading the pages nor making the frame is in it",
        lambda: _ours(at),
        lambda: _gx(at, form),
        bound=">= 3" if form == "SUMMARY" else "none: printed beside the other",
        holds=(lambda _, ratio: ratio >= 3) if claimed else None,
    )


def _memory(at: Path, rows: int) -> Measure:
    return in_turn(
        "expectations.judge.memory",
        "MB",
        f"peak over imports of judging the same {rows:,} rows, read page by page; the peer holds them in a frame. The value is MB",
        lambda: _megabytes(_ours(at)),
        lambda: _megabytes(_gx(at, "SUMMARY")),
        bound="<= 0.5 of the peer",
        holds=None if quick() else lambda _, ratio: ratio <= 0.5,
        runs=1,
    )


def _megabytes(sample: Sample) -> Sample:
    return Sample(max(sample.peak_mb, 0.1), sample.wall, sample.cpu, sample.peak_mb)


def _drift(home: Path, server: str, stream: str) -> Measure:
    """The drift check at the begin of a pull, with what the pull before left: nothing changed in between."""
    from connectors.protocol import Window
    from expectations.drift import compare
    from expectations.facts import facts_of
    from infra.sandbox import process
    from pipelines.project import load

    sandbox, project = home.parent / "sandbox", load(home)
    contract = project.contract(stream)
    told = contract.told()

    def counted() -> int | None:
        """What the sandbox counted since the last look; only kintone's does."""
        return int(process.control(sandbox, "traffic", {"reset": True}, server=server)["requests"]) if server == "kintone" else None

    with closing(project.connect(contract.system)) as connector:
        since = facts_of(connector.describe(told))
        cursor: dict[str, object] = {}
        for page in connector.pull(told, Window()):
            cursor = dict(page.cursor.state)
    with closing(project.connect(contract.system)) as connector, _sent() as asked:
        counted()
        start, cpu = time.perf_counter(), time.process_time()
        drift = compare(contract, connector.describe(replace(told, options={"last_cursor": cursor})), since)
        wall, cpu = time.perf_counter() - start, time.process_time() - cpu
        total = counted()
    if total not in (None, len(asked)):
        raise RuntimeError(f"the sandbox counted {total} requests where {len(asked)} were sent")
    if drift.blocking:
        raise RuntimeError(f"{stream} was to be unchanged: {', '.join(change.kind for change in drift.blocking)}")
    listed = ", ".join(f"{count} × {path}" for path, count in sorted(Counter(asked).items()))
    return Measure(
        name=f"expectations.drift.{server}.requests",
        ours=float(len(asked)),
        peer=None,
        unit="requests",
        ratio=None,
        spread=None,
        runs=1,
        bound=f"<= {REQUESTS}",
        holds=None if quick() else len(asked) <= REQUESTS,
        how=f"the drift check of {stream} with what the last pull left, by a connector made anew, nothing changed: {listed or 'none'}",
        wall_s=round(wall, 3),
        cpu_s=round(cpu, 3),
    )


@contextmanager
def _sent() -> Iterator[list[str]]:
    """The requests this process sends meanwhile, by either of the HTTP libraries that connectors rest on."""
    import httpx
    import requests

    found: list[str] = []
    ours, theirs = httpx.Client.send, requests.Session.send

    def by_httpx(self: Any, request: Any, **options: Any) -> Any:
        found.append(f"{request.method} {request.url.path}")
        return ours(self, request, **options)

    def by_requests(self: Any, request: Any, **options: Any) -> Any:
        found.append(f"{request.method} {urlsplit(request.url).path}")
        return theirs(self, request, **options)

    with patch.object(httpx.Client, "send", by_httpx), patch.object(requests.Session, "send", by_requests):
        yield found
