"""How long it takes before anything happens: the command line's help, and loading the code location."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Measure, in_child, in_turn

PROJECT = {"FORTNIGHT_PROJECT": str(Path(__file__).resolve().parents[1] / "infra" / "project")}

_CHILD = """
import json, resource, subprocess, sys, time
before = resource.getrusage(resource.RUSAGE_CHILDREN)
start = time.perf_counter()
subprocess.run([sys.executable, *{arguments!r}], check=True, stdout=subprocess.DEVNULL)
wall = time.perf_counter() - start
after = resource.getrusage(resource.RUSAGE_CHILDREN)
cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
print(json.dumps({{"value": wall, "wall": wall, "cpu": cpu, "peak_mb": after.ru_maxrss / 1024}}))
"""


def measures() -> Iterator[Measure]:
    """Wall seconds of a fresh process; the peer is the least such a process could do."""

    def child(*arguments: str):
        return lambda: in_child(_CHILD.format(arguments=list(arguments)), PROJECT)

    yield in_turn(
        "startup.help",
        "s",
        "`fortnight --help` in a fresh process, against `import typer` alone",
        child("-m", "pipelines.cli", "--help"),
        child("-c", "import typer"),
        bound="< 0.5 s",
        holds=lambda ours, _: ours < 0.5,
    )
    yield in_turn(
        "startup.code_location",
        "s",
        "`import pipelines.definitions` on the example project in a fresh process, against `import dagster` alone",
        child("-c", "import pipelines.definitions"),
        child("-c", "import dagster"),
        bound="< 3 s",
        holds=lambda ours, _: ours < 3,
    )
