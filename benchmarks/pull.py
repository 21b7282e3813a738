"""Records per second and peak memory of each connector on its largest sandbox stream, against reading the same bytes and doing nothing."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from pathlib import Path

from benchmarks.measure import Measure, could_not, in_child, in_turn

STREAMS = ("kintone/orders", "erp/stock-movements", "sharepoint/manuals")

_OURS = """
import json, resource, sys, time
from pathlib import Path
from pipelines.project import load
from connectors.protocol import Window
import pyarrow, httpx
project = load(Path({folder!r}))
contract = project.contract({stream!r})
connector = project.connect(contract.system)
stream = contract.told()
connector.describe(stream)
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start, cpu = time.perf_counter(), time.process_time()
rows = sum(page.rows.num_rows for page in connector.pull(stream, Window()))
wall, cpu = time.perf_counter() - start, time.process_time() - cpu
peak = (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024
print(json.dumps({{"value": rows / wall, "wall": wall, "cpu": cpu, "peak_mb": peak}}))
"""

# The floor: the same requests recorded from our own run, sent again by bare httpx, bodies read and dropped.
_FLOOR = """
import json, resource, time
from pathlib import Path
import httpx
from pipelines.project import load
from connectors.protocol import Window
project = load(Path({folder!r}))
contract = project.contract({stream!r})
connector = project.connect(contract.system)
stream = contract.told()
connector.describe(stream)
sent = []
original = httpx.Client.send
def recording(self, request, **options):
    request.read()
    sent.append((self, request.method, request.url, dict(request.headers), request.content))
    return original(self, request, **options)
httpx.Client.send = recording
rows = sum(page.rows.num_rows for page in connector.pull(stream, Window()))
httpx.Client.send = original
base = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
start, cpu = time.perf_counter(), time.process_time()
for client, method, url, headers, content in sent:
    with client.stream(method, url, headers=headers, content=content) as reply:
        for _ in reply.iter_raw():
            pass
wall, cpu = time.perf_counter() - start, time.process_time() - cpu
print(json.dumps({{"value": rows / wall, "wall": wall, "cpu": cpu, "peak_mb": (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - base) / 1024}}))
"""


def measures() -> Iterator[Measure]:
    """Each stream in a process of its own, one connection, against the sandbox on this machine."""
    from benchmarks.sandboxed import project

    with tempfile.TemporaryDirectory() as folder, project(Path(folder)) as home:
        for stream in STREAMS:
            system = stream.split("/")[0]
            given = {"folder": str(home), "stream": stream}
            try:
                yield in_turn(
                    f"pull.{system}.records_per_second",
                    "records/s",
                    f"full pull of {stream} to typed Arrow pages; the peer re-sends the same requests with bare httpx and drops the bodies",
                    lambda given=given: in_child(_OURS.format(**given)),
                    lambda given=given: in_child(_FLOOR.format(**given)),
                    bound="none: the ratio is our share of what the socket gives",
                    holds=None,
                )
            except RuntimeError as error:
                yield could_not(f"pull.{system}.records_per_second", str(error))
