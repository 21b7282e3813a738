"""What Dagster itself costs with many streams: loading the code location, and a sensor's tick that finds nothing new. Parts of the family ``gate``."""

from __future__ import annotations

import json
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path

from benchmarks.measure import Measure, in_child, in_turn, quick, tried

PARTS = ("location", "tick")
STREAMS = 50 if quick() else 500
SYSTEMS = 5
#: A tick looks at so many streams of one system; its cost is given per stream.
TICKED = 10 if quick() else 50

_LOAD = """
import json, resource, sys, time
start, cpu = time.perf_counter(), time.process_time()
{body}
print(json.dumps({{"value": time.perf_counter() - start, "wall": time.perf_counter() - start, "cpu": time.process_time() - cpu,
                  "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}}))
"""

_TICK = """
import json, os, resource, time, warnings
warnings.filterwarnings("ignore")
import dagster as dg
from pipelines.definitions import defs
from pipelines.project import Project

class Still:
    \"\"\"A source at which nothing moves, and that answers at once: what is left is our own work.\"\"\"
    def stirred(self, stream, since, cursor): return ""
    def close(self): ...

Project.connect = lambda self, system: Still()
{peer}
repository = defs.get_repository_def()
sensor = repository.get_sensor_def("system0_changes")
with dg.DagsterInstance.ephemeral() as instance:
    def tick(cursor):
        context = dg.build_sensor_context(instance=instance, cursor=cursor, repository_def=repository, sensor_name="system0_changes")
        return sensor.evaluate_tick(context)
    said = tick(None)
    assert not said.run_requests, said
    start, cpu = time.perf_counter(), time.process_time()
    for _ in range(5):
        said = tick(said.cursor)
    spent = (time.process_time() - cpu) / 5 / {streams}
print(json.dumps({{"value": spent * 1000, "wall": (time.perf_counter() - start) / 5, "cpu": spent,
                  "peak_mb": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024}}))
"""
#: The least a tick could be: the project read, and nothing looked at.
_IDLE = """
import pipelines.pull.watch as watch
import pipelines.defs.sensors as sensors
sensors.look = lambda project, connector, streams, published: watch.Looked(dict.fromkeys(streams, ""))
"""


def measures(parts: Sequence[str] = PARTS) -> Iterator[Measure]:
    """Each part in fresh processes over a project made for it."""
    for part, name, made in (("location", "gate.location.seconds", _location), ("tick", "gate.tick.cpu_ms_per_stream", _tick)):
        if part in parts or "" in parts:
            yield tried(name, made)


def _location() -> Measure:
    with tempfile.TemporaryDirectory() as folder:
        project = {"FORTNIGHT_PROJECT": str(_project(Path(folder), STREAMS // SYSTEMS))}
        return in_turn(
            "gate.location.seconds",
            "s",
            f"a fresh interpreter imports pipelines.definitions of {STREAMS} streams in {SYSTEMS} systems, against `import dagster` alone",
            lambda: in_child(_LOAD.format(body="import pipelines.definitions"), project),
            lambda: in_child(_LOAD.format(body="import dagster")),
            bound="< 3 s",
            holds=lambda ours, _: ours < 3,
        )


def _tick() -> Measure:
    with tempfile.TemporaryDirectory() as folder:
        project = {"FORTNIGHT_PROJECT": str(_project(Path(folder), TICKED))}
        return in_turn(
            "gate.tick.cpu_ms_per_stream",
            "ms",
            f"a change sensor's tick over {TICKED} published streams at which nothing moved, per stream; the peer looks at none of them",
            lambda: in_child(_TICK.format(peer="", streams=TICKED), project),
            lambda: in_child(_TICK.format(peer=_IDLE, streams=TICKED), project),
            bound="< 300 ms",
            holds=lambda ours, _: ours < 300,
        )


def _project(folder: Path, streams: int) -> Path:
    """A project of light contracts, each published once."""
    from pipelines.landing.published import Published, open_store, publish

    systems = {f"system{number}": {"kind": "kintone", "base_url": "https://bench.example"} for number in range(SYSTEMS)}
    told = {"name": "bench", "environment": "staging", "systems": systems}
    (folder / "project.yaml").write_text(json.dumps(told), encoding="utf-8")
    store = open_store(str(folder / "data"))
    for system in systems:
        (folder / "contracts" / system).mkdir(parents=True)
        for number in range(streams):
            stream = f"{system}/app-{number:03d}"
            fields = [{"name": f"f{at}", "source": f"f{at}", "type": "string"} for at in range(20)]
            contract = {"stream": stream, "version": 1, "source": {"app_code": f"A{number}"}, "key": ["f0"], "fields": fields}
            (folder / "contracts" / f"{stream}.yaml").write_text(json.dumps(contract), encoding="utf-8")
            if system == "system0":
                record = Published(
                    number=1,
                    stream=stream,
                    pull_id="019ac000-0000-7000-8000-000000000000",
                    published_at="2026-11-20T00:00:00+00:00",
                    contract_version=1,
                    contract_fingerprint="",
                    schema_fingerprint="",
                    revision="1",
                    tables={},
                    counts={},
                    watermark="2026-11-20T00:00:00+00:00",
                )
                publish(store, record)
    return folder
