"""SOAP: CPU per row of decoding against zeep and against a bare parser, memory that does not grow, rows staged while bytes arrive."""

from __future__ import annotations

import contextlib
import subprocess
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from benchmarks.measure import RUNS, Measure, Sample, in_child, in_turn, quick, tried
from benchmarks.soap_reply import large_wsdl, reply, wsdl

ROWS, MANY = 200_000, 1_000_000
#: zeep holds a reply some eighteen times over: its rows are fewer, and its figure is per row too.
ZEEP_ROWS = 40_000
QUICK_ROWS, QUICK_MANY, QUICK_ZEEP = 12_000, 60_000, 4_000
#: As many types as NetSuite's contract has, half of them complex.
TYPES = 1_600


def measures() -> Iterator[Measure]:
    """Everything on this machine, each run in a process of its own."""
    count, many, few = (QUICK_ROWS, QUICK_MANY, QUICK_ZEEP) if quick() else (ROWS, MANY, ZEEP_ROWS)
    with tempfile.TemporaryDirectory() as folder:
        at = _Files(Path(folder), count, few)
        yield from _decoding(at)
        yield from _bundle(Path(folder))
    for rows in (count, many):
        with _server(rows) as port:
            yield _memory(f"soap.memory.{rows}", port, rows, min(RUNS, 3) if rows == count else 1)
            if rows == count:
                yield _first_batch(port, rows)


class _Files:
    """The same replies for every run: document/literal, and as an RPC/encoded server spells them; and a short one for zeep."""

    def __init__(self, folder: Path, count: int, few: int) -> None:
        self.count, self.few = count, few
        self.plain = self._written(folder / "plain.xml", reply(count))
        self.typed = self._written(folder / "typed.xml", reply(count, typed=True))
        self.short = self._written(folder / "short.xml", reply(few))
        self.wsdl = self._written(folder / "parts.wsdl", iter([wsdl("http://127.0.0.1/ws").encode()]))

    @staticmethod
    def _written(path: Path, pieces: Iterator[bytes]) -> str:
        with path.open("wb") as file:
            file.writelines(pieces)
        return str(path)


def _child(function: str, **given: Any) -> Sample:
    return in_child(f"from benchmarks.soap_child import {function}; {function}(**{given!r})")


def _decoding(at: _Files) -> Iterator[Measure]:
    def zeep() -> Sample:
        return _child("zeep_objects", path=at.short, wsdl_file=at.wsdl, count=at.few)

    def held(most: float, share: float) -> Callable[[float, float], bool] | None:
        return None if quick() else lambda ours, ratio: ours <= most and ratio <= share

    rows = f"{at.count:,} rows x 20 columns of a reply in a file to typed, checked Arrow, staged and released"
    yield tried(
        "soap.decode.vs_zeep",
        lambda: in_turn(
            "soap.decode.vs_zeep",
            "us of CPU per row",
            f"{rows}; the peer is zeep's objects made into the same Arrow columns, nothing checked ({at.few:,} rows, for its memory)",
            lambda: _child("ours", path=at.plain, count=at.count, arrays=True),
            zeep,
            bound="<= 12 us and <= 0.1 of zeep",
            holds=held(12, 0.1),
        ),
    )
    yield tried(
        "soap.decode.encoded.vs_zeep",
        lambda: in_turn(
            "soap.decode.encoded.vs_zeep",
            "us of CPU per row",
            f"{at.count:,} rows spelt as an RPC/encoded array with xsi:type and xsi:nil, absent, nil and empty kept apart; the same peer",
            lambda: _child("ours", path=at.typed, count=at.count, arrays=True),
            zeep,
            bound="<= 45 us and <= 0.333 of zeep",
            holds=held(45, 1 / 3),
            runs=min(RUNS, 3),
        ),
    )
    yield tried(
        "soap.decode.by_events.vs_zeep",
        lambda: in_turn(
            "soap.decode.by_events.vs_zeep",
            "us of CPU per row",
            f"{at.count:,} rows read event by event, as rows with lists, structs or unusual markup are; the same peer",
            lambda: _child("ours", path=at.plain, count=at.count, arrays=False),
            zeep,
            bound="<= 45 us and <= 0.333 of zeep",
            holds=held(45, 1 / 3),
            runs=min(RUNS, 3),
        ),
    )
    yield tried(
        "soap.decode.vs_parser",
        lambda: in_turn(
            "soap.decode.vs_parser",
            "us of CPU per row",
            f"{rows}; the peer is the floor: expat over the same bytes, no handler, no rows",
            lambda: _child("ours", path=at.plain, count=at.count, arrays=True),
            lambda: _child("events", path=at.plain, count=at.count),
            bound="none: the ratio is the distance from a parser that does nothing",
            holds=None,
            runs=min(RUNS, 3),
        ),
    )


def _bundle(folder: Path) -> Iterator[Measure]:
    path = folder / "large.wsdl"
    path.write_text(large_wsdl(TYPES // 2), encoding="utf-8")
    for name, compiled, most in (("soap.bundle.cold", False, 2.0), ("soap.bundle.compiled", True, 0.3)):

        def run(name: str = name, compiled: bool = compiled, most: float = most) -> Measure:
            return in_turn(
                name,
                "s of CPU",
                f"a kept contract of {TYPES:,} types from disk{', compiled before' if compiled else ''}; the peer is zeep's client of the same file",
                lambda: _child("bundle", folder=str(folder / "kept"), types=TYPES // 2, compiled=compiled),
                lambda: _child("zeep_bundle", path=str(path)),
                bound=f"< {most} s",
                holds=None if quick() else lambda ours, _: ours < most,
                runs=min(RUNS, 3),
            )

        yield tried(name, run)


def _memory(name: str, port: int, rows: int, runs: int) -> Measure:
    return tried(
        name,
        lambda: in_turn(
            name,
            "MB",
            f"peak over imports of a pull of one reply of {rows:,} rows over loopback; the peer reads the same bytes and drops them",
            lambda: _child("pull", port=port, count=rows),
            lambda: _child("bare", port=port, count=rows),
            bound="< 100 MB",
            holds=lambda ours, _: ours < 100,
            runs=runs,
        ),
    )


def _first_batch(port: int, rows: int) -> Measure:
    def run() -> Measure:
        sample = _child("first_batch", port=port, count=rows)
        return Measure(
            name="soap.first_batch",
            ours=round(sample.value, 4),
            peer=1.0,
            unit="share of the reply's bytes",
            ratio=round(sample.value, 4),
            spread=None,
            runs=1,
            bound="< 1",
            holds=sample.value < 1,
            how=f"what had arrived of a reply of {rows:,} rows when its first typed batch was staged; no page left before the last byte",
            wall_s=round(sample.wall, 3),
            cpu_s=round(sample.cpu, 3),
            peak_mb=round(sample.peak_mb, 1),
        )

    return tried("soap.first_batch", run)


@contextlib.contextmanager
def _server(rows: int) -> Iterator[int]:
    code = f"from benchmarks.soap_child import serve; serve({rows})"
    process = subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True)
    try:
        assert process.stdout is not None
        yield int(process.stdout.readline())
    finally:
        process.terminate()
        process.wait()
