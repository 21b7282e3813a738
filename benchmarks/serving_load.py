"""A company's busiest hour, ten times over: 4,000 people with 30 questions a day each, replayed against ``fortnight serve`` over HTTP.

A tenth of a day's questions fall into its busiest hour: 12,000, 3.3 a second; ten times that arrives here, at instants of a Poisson process with a fixed
seed and whether or not earlier questions were answered. A question's time runs from the instant it was due, so waiting for a slow service counts.
"""

from __future__ import annotations

import asyncio
import json
import random
import statistics
import tempfile
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

from benchmarks.measure import Measure, quick
from benchmarks.serving_world import PAGES, PEOPLE, Serving, project, questions, serving, tokens

ASKED_A_DAY = 4_000 * 30
RATE = ASKED_A_DAY / 10 / 3_600 * 10
SECONDS = 5 if quick() else 120
#: What a person who waits would call slow.
SLOW = 1.0


@dataclass(frozen=True)
class Arrival:
    """One question: seconds after the start, who, what."""

    at: float
    person: int
    text: str


@dataclass(frozen=True)
class Ended:
    """How one question ended: HTTP status (0: no reply), seconds from when it was due, seconds it was sent late."""

    status: int
    seconds: float
    late: float
    hits: int


def arrivals(seconds: float, rate: float, seed: int = 14) -> list[Arrival]:
    draw, at, found = random.Random(seed), 0.0, list[Arrival]()
    texts = iter(questions(round(seconds * rate * 2) + 50, seed))
    while (at := at + draw.expovariate(rate)) < seconds:
        found.append(Arrival(at, draw.randrange(PEOPLE), next(texts)))
    return found


def measures() -> Iterator[Measure]:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        made, due = project(folder), arrivals(SECONDS, RATE)
        bearer = tokens(made, {one.person for one in due})
        with serving(folder) as served:
            before, began = served.cpu, time.perf_counter()
            ended = asyncio.run(replay(served, due, bearer))
            wall, cpu, peak = time.perf_counter() - began, served.cpu - before, served.peak_mb
    yield _told(ended, wall, cpu, peak)


async def replay(served: Serving, due: Sequence[Arrival], bearer: dict[int, str]) -> list[Ended]:
    began = time.perf_counter()

    async def one(arrival: Arrival) -> Ended:
        await asyncio.sleep(max(0.0, began + arrival.at - time.perf_counter()))
        late = time.perf_counter() - began - arrival.at
        status, hits = await ask(served.url, arrival.text, bearer[arrival.person])
        return Ended(status, time.perf_counter() - began - arrival.at, late, hits)

    return await asyncio.gather(*(one(arrival) for arrival in due))


async def ask(url: str, text: str, bearer: str) -> tuple[int, int]:
    """One question on a connection of its own, as a caller who was not there before. No client library: its CPU would be measured too."""
    where = urlsplit(url)
    body = json.dumps({"query": text, "k": 5}).encode()
    head = f"POST /v1/search HTTP/1.1\r\nHost: {where.netloc}\r\nAuthorization: Bearer {bearer}\r\nContent-Type: application/json\r\n"
    try:
        reader, writer = await asyncio.open_connection(where.hostname, where.port)
        try:
            writer.write(head.encode() + f"Content-Length: {len(body)}\r\nConnection: close\r\n\r\n".encode() + body)
            reply = await reader.read(-1)
        finally:
            writer.close()
    except OSError:
        return 0, 0
    top, _, said = reply.partition(b"\r\n\r\n")
    status = int(top.split(b" ", 2)[1]) if top.startswith(b"HTTP/1.1 ") else 0
    return status, len(json.loads(said)["hits"]) if status == 200 else 0


def _told(ended: Sequence[Ended], wall: float, cpu: float, peak: float) -> Measure:
    took = sorted(one.seconds for one in ended)
    by_status = Counter(one.status for one in ended)
    errors = len(ended) - by_status[200]
    p50, p95 = statistics.median(took), took[int(0.95 * len(took))]
    empty = sum(one.status == 200 and not one.hits for one in ended)
    late = sorted(one.late for one in ended)[int(0.95 * len(ended))]
    return Measure(
        "serving.load.ten_times_peak",
        round(p95, 4),
        round(p50, 4),
        "s",
        round(p95 / p50, 2),
        (round(took[0], 4), round(took[-1], 4)),
        len(ended),
        f"no errors, p95 < {SLOW:g} s",
        None if quick() else errors == 0 and not empty and p95 < SLOW,
        f"ours is p95, the peer p50; {len(ended):,} questions of {PEOPLE:,} people over {PAGES:,} pages at {RATE:.1f}/s (ten times a tenth of "
        f"{ASKED_A_DAY:,} a day in an hour) for {SECONDS} s, open loop, each from when it was due; {errors} errors "
        f"{dict(sorted(by_status.items()))}, {empty} without a hit; {len(ended) / wall:.1f} answers/s, "
        f"{cpu / len(ended) * 1e3:.1f} ms of the server's CPU each; the sender was {late * 1e3:.0f} ms late at p95",
        wall_s=round(wall, 1),
        cpu_s=round(cpu, 1),
        peak_mb=round(peak, 1),
    )
