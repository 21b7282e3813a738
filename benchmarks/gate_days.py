"""What it costs to live days by script: the shipped one, every stream of the example project, real pulls over sockets. A part of the family ``gate``."""

from __future__ import annotations

import json
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.measure import Measure, quick, tried
from infra.sandbox import process

PARTS = ("days",)
DAYS = 3 if quick() else 24
BOUND = 180.0
EXAMPLE = Path(__file__).resolve().parents[1] / "infra" / "project"


def measures(parts: Sequence[str] = PARTS) -> Iterator[Measure]:
    if "days" in parts or "" in parts:
        yield tried("gate.days.seconds", _days)


def _days() -> Measure:
    """One run: it is long, and each starts from nothing. The peer is the CPU time it took, spread over this machine's cores."""
    with tempfile.TemporaryDirectory() as folder:
        home = Path(folder) / "home"
        asked = ["simulate", "--project", str(EXAMPLE), "--home", str(home), "--days", str(DAYS), "--port", "0", "--json"]
        before, start = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        try:
            done = subprocess.run([sys.executable, "-m", "pipelines.cli", *asked], capture_output=True, text=True, check=False)
            wall, after = time.perf_counter() - start, resource.getrusage(resource.RUSAGE_CHILDREN)
        finally:
            process.down(home / ".fortnight" / "sandbox")
        if done.returncode > 1 or not done.stdout.strip():
            raise RuntimeError(done.stderr.strip().splitlines()[-1] if done.stderr.strip() else f"exit {done.returncode}")
        told = json.loads(done.stdout.strip().splitlines()[-1])
    otherwise = [one for one in told["expected"] if one["green_days"] is not None and one["found"] != one["green_days"]]
    if otherwise:
        raise RuntimeError(f"the days were not as the script has them: {otherwise[0]}")
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    least = cpu / (os.cpu_count() or 1)
    ratio = wall / least
    days = [day["seconds"] for day in told["days"]]
    return Measure(
        name="gate.days.seconds",
        ours=round(wall, 1),
        peer=round(least, 1),
        unit="s",
        ratio=round(ratio, 2),
        spread=(round(ratio, 2), round(ratio, 2)),
        runs=1,
        bound="" if quick() else f"< {BOUND:.0f} s",
        holds=None if quick() else wall < BOUND,
        how=f"{DAYS} days of {len(told['days'][0]['seals'])} streams, sandbox and first load included; a day took {min(days)} to {max(days)} s; "
        "peer: the CPU time of the command, over all cores",
        wall_s=round(wall, 1),
        cpu_s=round(cpu, 1),
        peak_mb=round(after.ru_maxrss / 1024, 1),
    )
