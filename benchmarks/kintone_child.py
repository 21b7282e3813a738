"""What runs in a process of its own for the kintone measures: each function prints one JSON object that ``measure.in_child`` reads.

Peak memory is the high-water mark that the kernel keeps for this very process since its program was loaded, less what it was once all
imports were done.
"""

from __future__ import annotations

import http.client
import json
import re
import subprocess
import time
from collections.abc import Callable
from contextlib import closing, suppress
from pathlib import Path
from typing import Any
from urllib.parse import urlencode, urlsplit

#: Pages of one slice of a CPU measure.
_SLICE = 10
_ID = re.compile(rb'"\$id":\{"type":"__ID__","value":"(\d+)"')


def peak_mb(status: str = "/proc/self/status") -> float:
    for line in Path(status).read_text(encoding="ascii", errors="replace").splitlines():
        if line.startswith("VmHWM:"):
            return int(line.split()[1]) / 1024
    raise RuntimeError("this kernel tells no VmHWM")


def _measured(work: Callable[[], int]) -> None:
    """Print how many records ``work`` read per second of wall time."""
    before = peak_mb()
    wall, cpu = time.perf_counter(), time.process_time()
    records = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"value": records / wall, "wall": wall, "cpu": cpu, "peak_mb": peak_mb() - before}))


def pull(system: dict[str, Any], app_code: str, rows: int) -> None:
    """Ours: the app described, as at the start of every run, and read whole to typed pages that are dropped."""
    import pyarrow as pa

    from connectors.protocol import Window

    stream = _stream(system, app_code)
    # With its first array pyarrow imports pandas, where that is installed: an import like the others.
    pa.array([""])
    with closing(_connector(system)) as connector:

        def work() -> int:
            connector.describe(stream)
            came = 0
            for page in connector.pull(stream, Window()):
                came += page.rows.num_rows
            if came != rows:
                raise RuntimeError(f"{came} of {rows} records came")
            return came

        _measured(work)


def tick(system: dict[str, Any], app_code: str, home: str, rows: int) -> None:
    """Ours: one quiet incremental tick after a whole pull, as the pipeline does it: describe, the clock, the window since five minutes ago.

    The value is how many requests the sandbox counted meanwhile.
    """
    from dataclasses import dataclass, replace
    from datetime import timedelta

    import pyarrow as pa

    from connectors.protocol import Window
    from infra.sandbox import process

    @dataclass(frozen=True)
    class Held:
        """Every row is held, so that deletes are looked for; a quiet tick never asks which."""

        count: int

        def rows(self) -> pa.Table:
            raise RuntimeError("a quiet tick asked for the rows held")

    stream = _stream(system, app_code)
    with closing(_connector({**system, "concurrency": 4})) as connector:
        connector.describe(stream)
        for page in connector.pull(stream, Window()):
            cursor = page.cursor.state
        stream = replace(stream, options={"last_cursor": cursor})

        def look() -> int:
            return int(process.control(Path(home), "traffic", {"reset": True}, server="kintone")["requests"])

        look()
        before, wall, cpu = peak_mb(), time.perf_counter(), time.process_time()
        connector.describe(stream)
        now = connector.watermark()
        came = sum(page.rows.num_rows for page in connector.pull(stream, Window(since=now - timedelta(minutes=5)), known=Held(rows)))
        wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
        if came:
            raise RuntimeError(f"{came} rows came in a tick that was to be quiet")
        print(json.dumps({"value": float(look()), "wall": wall, "cpu": cpu, "peak_mb": peak_mb() - before}))


def bare(system: dict[str, Any], app: str, rows: int) -> None:
    """The server's ceiling: the same pages over one connection of the standard library, their last id read off and the rest dropped."""
    parts = urlsplit(system["base_url"])
    connection = http.client.HTTPConnection(parts.hostname or "", parts.port)
    headers = {"X-Cybozu-API-Token": system["auth"]["api_tokens"][0]}

    def work() -> int:
        after, came = 0, 0
        while True:
            query = urlencode({"app": app, "query": f"$id > {after} order by $id asc limit 500"})
            connection.request("GET", f"/k/v1/records.json?{query}", headers=headers)
            body = connection.getresponse().read()
            found = body.count(b'"$id":')
            came += found
            if found < 500:
                break
            last = _ID.match(body, body.rindex(b'"$id":'))
            assert last is not None
            after = int(last[1])
        if came != rows:
            raise RuntimeError(f"{came} of {rows} records came")
        return came

    _measured(work)


def command(line: list[str], environment: dict[str, str], rows: int, idle: list[str]) -> None:
    """A program that reads an app and writes it to its standard output, less what starting it takes (``idle`` is it doing nothing)."""
    start_wall, start_cpu, start_peak = _spent(idle, environment)
    wall, cpu, peak = _spent(line, environment)
    wall -= start_wall
    print(json.dumps({"value": rows / wall, "wall": wall, "cpu": cpu - start_cpu, "peak_mb": peak - start_peak}))


def _spent(line: list[str], environment: dict[str, str]) -> tuple[float, float, float]:
    """Seconds of wall and CPU, and the peak in MB, of a command; its output is dropped as it comes."""
    before, start = _children_cpu(), time.perf_counter()
    process = subprocess.Popen(line, env=environment, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True)
    peak = 0.0
    while process.poll() is None:
        # It may just have ended; then what it reached is known but for the last twentieth of a second.
        with suppress(OSError, RuntimeError):
            peak = max(peak, peak_mb(f"/proc/{process.pid}/status"))
        time.sleep(0.05)
    wall = time.perf_counter() - start
    assert process.stderr is not None
    said = process.stderr.read()
    if process.returncode:
        raise RuntimeError(f"{line[1:3]} ended with {process.returncode}: {said.strip()[-300:]}")
    return wall, _children_cpu() - before, peak


def _children_cpu() -> float:
    import resource

    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def decode(seconds: float = 1.0) -> None:
    """Ours: a page decoded to typed Arrow columns again and again; records per second of CPU."""
    from benchmarks.kintone_page import ROWS, body, layout
    from connectors.kintone.decode import PageDecoder

    form, columns = layout()
    decoder = PageDecoder(form, columns, host="-", app="-")
    page = body()
    assert len(decoder.decode(page, 0).ids) == ROWS
    _again(lambda: decoder.decode(page, 0), ROWS, seconds)


def parse(seconds: float = 1.0) -> None:
    """The peer of decoding: msgspec parsing the same page into the same typed records, with no column made of them."""
    from benchmarks.kintone_page import ROWS, body, layout
    from connectors.kintone.layout import Where, lay_out

    form, columns = layout()
    decoder = lay_out(columns, [form.fields[one.source] for one in columns], (), {}, Where("-", "-")).decoder()
    page = body()
    _again(lambda: decoder.decode(page), ROWS, seconds)


def _again(step: Callable[[], object], rows: int, seconds: float) -> None:
    """Print the records per second of CPU in the best of many short slices: what else runs on the machine slows some of them."""
    step()
    before, best, end = peak_mb(), 0.0, time.perf_counter() + seconds
    wall, cpu = time.perf_counter(), time.process_time()
    while time.perf_counter() < end:
        start = time.process_time()
        for _ in range(_SLICE):
            step()
        best = max(best, rows * _SLICE / (time.process_time() - start))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"value": best, "wall": wall, "cpu": cpu, "peak_mb": peak_mb() - before}))


def _connector(system: dict[str, Any]) -> Any:
    from connectors.kintone import connect
    from connectors.kintone.config import Config
    from connectors.transport import TransportOptions

    return connect("kintone", Config.model_validate(system), TransportOptions())


def _stream(system: dict[str, Any], app_code: str) -> Any:
    """The stream a contract over every field of the app would name."""
    from connectors.protocol import Column, Stream

    source = {"app_code": app_code}
    with closing(_connector(system)) as connector:
        schema = connector.describe(Stream("kintone", "bulk", source, ("record_id",), ()))
    columns = tuple(
        Column("record_id" if one.source == "$id" else f"column_{at}", one.source, one.type)
        for at, one in enumerate(schema.fields)
        if one.source != "$revision"
    )
    return Stream("kintone", "bulk", source, ("record_id",), columns)
