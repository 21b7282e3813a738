"""SharePoint: a library's feed against both Python clients of others, what access costs, a changed membership, a quiet tick, downloads."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from benchmarks import sharepoint_world as world
from benchmarks.measure import RUNS, Measure, Sample, in_child, in_turn, quick, tried

ITEMS, LIBRARIES = 100_000, 200
#: msgraph-sdk takes some milliseconds an item: it reads fewer, and its figure is per second too.
SDK_ITEMS = 2_000
#: The short form, for CI: it shows that every measure runs, and claims only what depends neither on the machine's speed nor on full sizes.
QUICK_ITEMS, QUICK_LIBRARIES, QUICK_SDK_ITEMS = 10_000, 3, 400
#: Bytes a second that all downloads together may take: a quarter of a gigabit; and what the server would give, so that the limit is ours.
BANDWIDTH, GIVEN = 250_000_000 // 8, 250e6
FEW, FILES, QUICK_FEW, QUICK_FILES = 8, 100, 4, 16


@dataclass(frozen=True)
class _At:
    """Where the measures' server listens, and how much it holds."""

    port: int
    items: int
    libraries: int
    folder: Path

    @property
    def files(self) -> int:
        return world.Library(0, self.items).files

    @property
    def certificate(self) -> str:
        """Nobody reads it: that there is one makes ours ask SharePoint REST too."""
        return str(self.folder / "client.pem")


#: The second words of the measures' names: any of them can be asked for alone.
PARTS = ("delta", "memory", "access", "membership", "quiet_tick", "download")


def measures(parts: Collection[str] = PARTS) -> Iterator[Measure]:
    """Everything on this machine over plain http, each run in a process of its own."""
    items, libraries = (QUICK_ITEMS, QUICK_LIBRARIES) if quick() else (ITEMS, LIBRARIES)
    with tempfile.TemporaryDirectory() as folder, _server(items, libraries) as port:
        at = _At(port, items, libraries, Path(folder))
        if {"delta", "memory"} & set(parts):
            yield from _enumerating(at)
        if "access" in parts:
            yield from _access(at)
        if "membership" in parts:
            yield tried("sharepoint.membership.documents", lambda: _membership(at.folder / "company"))
        if "quiet_tick" in parts:
            yield tried("sharepoint.quiet_tick.requests", lambda: _quiet_tick(at))
        if "download" in parts:
            yield from _downloads(at)


def _child(function: str, **given: Any) -> Sample:
    return in_child(f"from benchmarks.sharepoint_child import {function}; {function}(**{given!r})")


def _alone(name: str, unit: str, sample: Sample, how: str, bound: str, holds: bool | None) -> Measure:
    """A measure without a peer."""
    took = {"wall_s": round(sample.wall, 3), "cpu_s": round(sample.cpu, 3), "peak_mb": round(sample.peak_mb, 1)}
    return Measure(name, round(sample.value, 3), None, unit, None, None, 1, bound, holds, how, **took)


def _enumerating(at: _At) -> Iterator[Measure]:
    def ours(**more: Any) -> Sample:
        return _child("pull", port=at.port, files=at.files, **more)

    def least(share: float) -> Callable[[float, float], bool] | None:
        return None if quick() else lambda _, ratio: ratio >= share

    feed = f"a whole drive feed of {at.items:,} items, the same bytes for all, to typed Arrow pages"
    yield tried(
        "sharepoint.delta.vs_floor",
        lambda: in_turn(
            "sharepoint.delta.vs_floor",
            "items/s of CPU",
            f"{feed}; the peer is the standard library reading the pages and dropping them",
            ours,
            lambda: _child("bare", port=at.port, items=at.items),
            bound="none: the ratio is our share of what the socket gives",
            holds=None,
            runs=min(RUNS, 3),
        ),
    )
    yield tried(
        "sharepoint.delta.vs_office365",
        lambda: in_turn(
            "sharepoint.delta.vs_office365",
            "items/s of CPU",
            f"{feed}; the peer is get_all of office365-rest-python-client, no column made of its objects",
            ours,
            lambda: _child("office365", port=at.port, items=at.items),
            bound=">= 10",
            holds=least(10),
        ),
    )
    few = QUICK_SDK_ITEMS if quick() else SDK_ITEMS
    yield tried(
        "sharepoint.delta.vs_msgraph_sdk",
        lambda: in_turn(
            "sharepoint.delta.vs_msgraph_sdk",
            "items/s of CPU",
            f"{feed}; the peer is the page iterator of msgraph-sdk, stopped after {few:,} items of the same feed",
            ours,
            lambda: _child("msgraph_sdk", port=at.port, wanted=few),
            bound=">= 2",
            holds=least(2),
            runs=min(RUNS, 3),
        ),
    )
    yield tried(
        f"sharepoint.memory.{at.items}",
        lambda: in_turn(
            f"sharepoint.memory.{at.items}",
            "MB",
            f"peak over imports of the same pull of {at.items:,} items; the peer fetches the same pages and drops them",
            lambda: ours(peak=True),
            lambda: _child("bare", port=at.port, items=at.items, peak=True),
            bound="< 80 MB",
            holds=lambda ours, _: ours < 80,
            runs=min(RUNS, 3),
        ),
    )


def _access(at: _At) -> Iterator[Measure]:
    scopes = f"{at.items:,} items of which one in {world.UNIQUE} has {world.ASSIGNMENTS} role assignments of its own"

    def one(what: str) -> Sample:
        return _child("access", port=at.port, items=at.items, certificate=at.certificate, what=what)

    def units() -> Measure:
        sample = one("units")
        how = f"a first pull of {scopes}: feed, scopes, rights and directory, priced by the server as Microsoft's throttling page has it"
        return _alone("sharepoint.access.units", "resource units", sample, how, "<= 12000", None if quick() else sample.value <= 12_000)

    def flatten() -> Measure:
        sample = one("cpu")
        how = f"the access of {scopes}, read over loopback and flattened to principals; the server's time is not in it"
        return _alone("sharepoint.access.flatten", "s of CPU", sample, how, "< 10 s", None if quick() else sample.value < 10)

    yield tried("sharepoint.access.units", units)
    yield tried("sharepoint.access.flatten", flatten)


def _membership(folder: Path) -> Measure:
    from benchmarks.sandboxed import project

    with project(folder, only=("sharepoint",)) as home:
        sample = _child("membership", folder=str(home), home=str(folder / "sandbox"))
    return _alone(
        "sharepoint.membership.documents",
        "documents",
        sample,
        "rows and files that came, and rows of tables written anew, in the pull that finds that somebody left a group; the sandbox's company",
        "0",
        sample.value == 0,
    )


def _quiet_tick(at: _At) -> Measure:
    folder = at.folder / "ticks"
    sample = _child("ticks", port=at.port, drives=at.libraries, folder=str(folder), certificate=at.certificate)
    return _alone(
        "sharepoint.quiet_tick.requests",
        "requests",
        sample,
        f"the pipeline's pulls of {at.libraries} libraries in which nothing had changed since the last ones, their rights carried on; counted by the server",
        "<= 1 a library",
        sample.value <= at.libraries,
    )


def _downloads(at: _At) -> Iterator[Measure]:
    few, many = (QUICK_FEW, QUICK_FILES) if quick() else (FEW, FILES)
    given = {"port": at.port, "bandwidth": BANDWIDTH, "certificate": at.certificate, "folder": str(at.folder)}

    def share() -> Measure:
        sample = _child("download", files=many, **given)
        how = (
            f"{many} files of 4 MB fetched, hashed and kept by the pull's own 8 workers; the peer is limits.bandwidth, a quarter of a gigabit, of "
            "a server that would give eight times as much"
        )
        ratio = round(sample.value / BANDWIDTH, 3)
        took = {"wall_s": round(sample.wall, 3), "cpu_s": round(sample.cpu, 3), "peak_mb": round(sample.peak_mb, 1)}
        holds = None if quick() else 0.9 <= ratio <= 1.05
        bound = ">= 0.9 of the peer, and not above it"
        return Measure(
            "sharepoint.download.bandwidth", round(sample.value, 1), float(BANDWIDTH), "bytes/s", ratio, None, 1, bound, holds, how, **took
        )

    yield tried("sharepoint.download.bandwidth", share)
    yield tried(
        "sharepoint.download.memory",
        lambda: in_turn(
            "sharepoint.download.memory",
            "MB",
            f"peak over imports of {many} such files; the peer is ours with {few}, one for each worker",
            lambda: _child("download", files=many, peak=True, **given),
            lambda: _child("download", files=few, peak=True, **given),
            bound="< 1.5 times what one file a worker takes",
            holds=None if quick() else lambda _, ratio: ratio < 1.5,
            runs=min(RUNS, 3),
        ),
    )


@contextlib.contextmanager
def _server(items: int, libraries: int) -> Iterator[int]:
    code = f"from benchmarks.sharepoint_server import serve; serve({items}, {libraries}, {GIVEN})"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()
