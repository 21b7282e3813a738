"""One measure: ours and the peer in turn, as a ratio with its spread, and the line it prints."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass


def quick() -> bool:
    """Whether the short form was asked for (``--quick``): fewer rows, one pair, nothing claimed that depends on the machine's speed."""
    return os.environ.get("BENCH_QUICK", "") == "1"


RUNS = 1 if quick() else int(os.environ.get("BENCH_RUNS", "5"))


@dataclass(frozen=True)
class Sample:
    """One run of one side: ``value`` in the measure's unit; wall and CPU seconds; peak memory in MB over what importing alone took."""

    value: float
    wall: float
    cpu: float
    peak_mb: float


@dataclass(frozen=True)
class Measure:
    """What is printed, one JSON object a line. ``holds`` is None where nothing is claimed."""

    name: str
    ours: float | None
    peer: float | None
    unit: str
    ratio: float | None
    spread: tuple[float, float] | None
    runs: int
    bound: str
    holds: bool | None
    how: str
    wall_s: float | None = None
    cpu_s: float | None = None
    peak_mb: float | None = None

    def line(self) -> str:
        return json.dumps(asdict(self), ensure_ascii=False)


def in_turn(
    name: str,
    unit: str,
    how: str,
    ours: Callable[[], Sample],
    peer: Callable[[], Sample],
    *,
    bound: str,
    holds: Callable[[float, float], bool] | None,
    runs: int | None = None,
) -> Measure:
    """A B A B …, ratio of ours to the peer per pair. ``holds`` takes (ours, ratio) medians."""
    pairs = [(ours(), peer()) for _ in range(runs or RUNS)]
    ratios = [mine.value / theirs.value for mine, theirs in pairs]
    value = statistics.median(mine.value for mine, _ in pairs)
    ratio = statistics.median(ratios)
    return Measure(
        name=name,
        ours=round(value, 3),
        peer=round(statistics.median(theirs.value for _, theirs in pairs), 3),
        unit=unit,
        ratio=round(ratio, 3),
        spread=(round(min(ratios), 3), round(max(ratios), 3)),
        runs=len(pairs),
        bound=bound,
        holds=holds(value, ratio) if holds else None,
        how=how,
        wall_s=round(statistics.median(mine.wall for mine, _ in pairs), 3),
        cpu_s=round(statistics.median(mine.cpu for mine, _ in pairs), 3),
        peak_mb=round(max(mine.peak_mb for mine, _ in pairs), 1),
    )


def could_not(name: str, why: str) -> Measure:
    """A measure that could not run says so and does not hold: nobody knows whether its bound would."""
    return Measure(name, None, None, "", None, None, 0, "", False, f"could not run: {why}")


def tried(name: str, run: Callable[[], Measure]) -> Measure:
    """The measure, or why it could not run; the others go on."""
    try:
        return run()
    except (RuntimeError, OSError) as error:
        return could_not(name, str(error))


def in_child(code: str, env: dict[str, str] | None = None) -> Sample:
    """Run Python code in a process of its own; it must print one JSON object with value, wall, cpu, peak_mb."""
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=False, env={**os.environ, **(env or {})})
    if done.returncode != 0:
        raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit {done.returncode}")
    return Sample(**json.loads(done.stdout.strip().splitlines()[-1]))
