"""kintone: decoding, whole apps against Cybozu's own client and cli-kintone, memory that does not grow, what a quiet tick costs."""

from __future__ import annotations

import contextlib
import tempfile
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

from benchmarks import peers
from benchmarks.measure import RUNS, Measure, Sample, could_not, in_child, in_turn, quick, tried

ROWS = 100_000
MANY = 1_000_000
#: The short form, for CI: it shows that every measure runs, and claims only what does not depend on how fast the machine is.
QUICK_ROWS, QUICK_MANY = 10_000, 50_000
LATENCY_MS = 100


def measures() -> Iterator[Measure]:
    """Everything against one sandbox on this machine, over plain http, each run in a process of its own."""
    from infra.sandbox import process

    rows, many = (QUICK_ROWS, QUICK_MANY) if quick() else (ROWS, MANY)
    yield _decode()
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "sandbox"
        process.up(home, base_port=0, only=("kintone",))
        try:
            at = _Sandbox(home, rows)
            bare = tried("kintone.server.ceiling", lambda: _ceiling(at))
            yield bare
            yield from _against_peers(at, bare.ours)
            yield tried("kintone.memory.small", lambda: _memory(at, f"kintone.memory.{rows}", min(RUNS, 3)))
            million = _Sandbox(home, many)
            yield tried("kintone.memory.large", lambda: _memory(million, f"kintone.memory.{many}", 1))
            yield tried("kintone.quiet_tick.requests", lambda: _quiet_tick(million))
        finally:
            process.down(home)


class _Sandbox:
    """An app of so many rows, and what a client needs to reach it."""

    def __init__(self, home: Path, rows: int) -> None:
        from infra.sandbox import process

        self.home, self.rows = home, rows
        self.code = f"BULK{rows}"
        made = process.control(home, "bulk", {"code": self.code, "records": rows}, server="kintone")
        self.app, self.token = str(made["app"]), str(made["api_token"])
        named = process.environment(home)
        self.url = str(process.describe(home)["kintone"]["http_url"])
        self._login = {"login": named["KINTONE_LOGIN"], "password": named["KINTONE_PASSWORD"]}

    def system(self, concurrency: int) -> dict[str, Any]:
        auth = {"api_tokens": [self.token], "password": self._login}
        return {"base_url": self.url, "auth": auth, "concurrency": concurrency}

    def ours(self, concurrency: int = 1) -> Sample:
        return _child("pull", system=self.system(concurrency), app_code=self.code, rows=self.rows)

    def bare(self) -> Sample:
        return _child("bare", system=self.system(1), app=self.app, rows=self.rows)


def _child(function: str, **given: Any) -> Sample:
    return in_child(f"from benchmarks.kintone_child import {function}; {function}(**{given!r})")


def _below_half_of(ceiling: float | None, name: str, run: Callable[[], Measure]) -> Measure:
    """A measure claims nothing where the server, not the client, may have been what was measured."""
    found = tried(name, run)
    if ceiling is None or found.ours is None or ceiling >= 2 * found.ours:
        return found
    return replace(found, holds=None, how=f"{found.how}; the server gives no more than {ceiling:.0f} records/s, so nothing is claimed")


def _decode() -> Measure:
    seconds = 0.5 if quick() else 2.0
    return tried(
        "kintone.decode",
        lambda: in_turn(
            "kintone.decode",
            "records/s of CPU",
            "a page of 500 records x 20 fields (1.3 kB each; people and options repeat) to typed Arrow columns on one core, best slice; "
            "the peer is msgspec parsing it into the same typed records, without a column made of them",
            lambda: _child("decode", seconds=seconds),
            lambda: _child("parse", seconds=seconds),
            bound=">= 150000 records/s",
            holds=None if quick() else lambda ours, _: ours >= 150_000,
        ),
    )


def _ceiling(at: _Sandbox) -> Measure:
    sample = max((at.bare() for _ in range(3)), key=lambda one: one.value)
    return Measure(
        name="kintone.server.ceiling",
        ours=round(sample.value, 3),
        peer=None,
        unit="records/s",
        ratio=None,
        spread=None,
        runs=3,
        bound="none: a measure against this server holds only below half of it",
        holds=None,
        how="the most the sandbox gave one connection of the standard library that drops the bodies",
        wall_s=round(sample.wall, 3),
        cpu_s=round(sample.cpu, 3),
        peak_mb=round(sample.peak_mb, 1),
    )


def _against_peers(at: _Sandbox, ceiling: float | None) -> Iterator[Measure]:
    name = "kintone.full"
    try:
        modules = peers.node_modules()
    except peers.PeerMissing as error:
        for peer in ("vs_rest_api_client", "vs_cli_kintone", f"latency{LATENCY_MS}.vs_rest_api_client"):
            yield could_not(f"{name}.{peer}", str(error))
        return
    environment = peers.environment(
        modules, BASE_URL=at.url, TOKEN=at.token, APP=at.app, KINTONE_BASE_URL=at.url, KINTONE_API_TOKEN=at.token
    )

    def client() -> Sample:
        done = peers.run(["node", str(peers.HERE / "kintone_read.cjs"), "id"], environment)
        if done["records"] != at.rows:
            raise RuntimeError(f"the peer read {done['records']} of {at.rows} records")
        return Sample(at.rows / done["wall"], done["wall"], done["cpu"], done["peak_mb"])

    def export() -> Sample:
        given = {"environment": environment, "rows": at.rows}
        return _child("command", line=peers.kintone_export(modules, at.app), idle=peers.kintone_export(modules, at.app, "--help"), **given)

    def held(least: float) -> Callable[[float, float], bool] | None:
        return None if quick() else lambda _, ratio: ratio >= least

    rows = f"{at.rows:,} records x 20 fields"
    yield _below_half_of(
        ceiling,
        f"{name}.vs_rest_api_client",
        lambda: in_turn(
            f"{name}.vs_rest_api_client",
            "records/s",
            f"{rows} to typed Arrow pages, against getAllRecordsWithId of @kintone/rest-api-client; one connection each",
            at.ours,
            client,
            bound=">= 1.5",
            holds=held(1.5),
        ),
    )
    yield _below_half_of(
        ceiling,
        f"{name}.vs_cli_kintone",
        lambda: in_turn(
            f"{name}.vs_cli_kintone",
            "records/s",
            f"{rows}, against `cli-kintone record export` less the time it takes to start; one connection each",
            at.ours,
            export,
            bound=">= 3",
            holds=held(3),
        ),
    )
    with _slowed(at.home):
        yield tried(
            f"{name}.latency{LATENCY_MS}.vs_rest_api_client",
            lambda: in_turn(
                f"{name}.latency{LATENCY_MS}.vs_rest_api_client",
                "records/s",
                f"{rows} with {LATENCY_MS} ms added to every request; ours with up to four connections, getAllRecordsWithId with its one",
                lambda: at.ours(4),
                client,
                bound=">= 3",
                holds=held(3),
            ),
        )


def _memory(at: _Sandbox, name: str, runs: int) -> Measure:
    return in_turn(
        name,
        "MB",
        f"peak of a pull of {at.rows:,} records over what importing took; the peer fetches the same pages and drops them. The value is MB",
        lambda: _megabytes(at.ours(4)),
        lambda: _megabytes(at.bare()),
        bound="< 80 MB",
        holds=lambda ours, _: ours < 80,
        runs=runs,
    )


def _megabytes(sample: Sample) -> Sample:
    return Sample(max(sample.peak_mb, 0.1), sample.wall, sample.cpu, sample.peak_mb)


def _quiet_tick(at: _Sandbox) -> Measure:
    sample = _child("tick", system=at.system(1), app_code=at.code, home=str(at.home), rows=at.rows)
    return Measure(
        name="kintone.quiet_tick.requests",
        ours=sample.value,
        peer=None,
        unit="requests",
        ratio=None,
        spread=None,
        runs=1,
        bound="<= 4",
        holds=sample.value <= 4,
        how=f"an incremental tick on {at.rows:,} records in which nothing had changed, deletes looked for; counted by the sandbox",
        wall_s=round(sample.wall, 3),
        cpu_s=round(sample.cpu, 3),
        peak_mb=round(sample.peak_mb, 1),
    )


@contextlib.contextmanager
def _slowed(home: Path) -> Iterator[None]:
    """Every request to the API takes so much longer; requests that run side by side wait side by side."""
    from infra.sandbox import process

    process.control(home, "fault", {"kind": "slow", "milliseconds": LATENCY_MS, "path": "/k/v1/"}, server="kintone")
    try:
        yield
    finally:
        process.control(home, "heal", {}, server="kintone")
