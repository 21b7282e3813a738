"""What runs in a process of its own for the SOAP measures: each function prints one JSON object that ``measure.in_child`` reads.

``value`` is microseconds of this process's CPU per row unless a function says otherwise; peaks are over imports, as for kintone.
"""

from __future__ import annotations

import http.server
import json
import time
from collections.abc import Callable, Sequence
from contextlib import closing
from pathlib import Path
from typing import Any

from benchmarks.kintone_child import peak_mb
from benchmarks.soap_reply import PIECE, SOURCE, columns, large_wsdl, reply, rows, wsdl

_URL = "https://erp.example/ws/Parts?wsdl"


def _per_row(work: Callable[[], int], count: int) -> None:
    before = peak_mb()
    wall, cpu = time.perf_counter(), time.process_time()
    came = work()
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if came != count:
        raise RuntimeError(f"{came} of {count} rows came")
    print(json.dumps({"value": cpu / count * 1e6, "wall": wall, "cpu": cpu, "peak_mb": peak_mb() - before}))


def _plan() -> Any:
    from connectors.soap.bundle import fetch
    from connectors.soap.plan import compile_plan
    from connectors.soap.wsdl import read

    contract = read(fetch(_URL, lambda _: (wsdl(_URL).encode(), "text/xml")))
    return compile_plan(contract, contract.operations["ReadParts"], rows="List/Part", columns=columns(), scalars=("ResultCode", "RowCount"))


def ours(path: str, count: int, arrays: bool) -> None:
    """A reply in a file to typed, checked rows: decoded, staged, and released in parts that are dropped."""
    import pyarrow as pa

    from connectors.pages import page_schema
    from connectors.soap.decode import RawRow, decode
    from connectors.soap.notes import Notes
    from connectors.soap.presence import Presences
    from connectors.soap.raw import texts_of
    from connectors.soap.staging import Stage
    from connectors.soap.values import Rules, Where, batch

    plan, rules, notes, presences = _plan(), Rules(), Notes(), Presences()
    pa.array([""]).dictionary_encode()

    def work() -> int:
        with Stage(page_schema(columns())) as stage, Path(path).open("rb") as source:

            def sink(block: Sequence[RawRow]) -> None:
                where = Where("ReadParts", "List/Part", stage.rows + 1)
                versions = texts_of(block, plan.slots["Modified"])
                how: Any = {"notes": notes, "presences": presences, "checks": plan.checks}
                stage.add(*batch(plan.cells, block, rules, where, key=("code",), versions=versions, scope="s", **how))

            decode(source, plan, sink, arrays=arrays)
            return sum(part.num_rows for part, rejects in stage.parts() if not rejects)

    _per_row(work, count)


def zeep_objects(path: str, wsdl_file: str, count: int) -> None:
    """The peer: zeep's own objects for the same reply, and their attributes made into Arrow columns of the same types."""
    import pyarrow as pa
    import requests
    import zeep

    client = zeep.Client(wsdl_file, settings=zeep.Settings(strict=True, xml_huge_tree=True))
    binding: Any = client.service._binding  # the only way to give zeep a reply that did not come by its transport
    answer = requests.Response()
    answer.status_code = 200
    answer.headers["Content-Type"] = "text/xml; charset=utf-8"
    pa.array([""]).dictionary_encode()

    def work() -> int:
        answer._content = Path(path).read_bytes()
        parts = binding.process_reply(client, binding.get("ReadParts"), answer).List.Part
        made = [pa.array([getattr(one, column.source) for one in parts], column.type) for column in columns()]
        return len(made[0])

    _per_row(work, count)


def events(path: str, count: int) -> None:
    """The floor: expat over the same bytes with no handler."""
    from xml.parsers import expat

    def work() -> int:
        parser = expat.ParserCreate("utf-8", "}")
        with Path(path).open("rb") as source:
            while data := source.read(1024 * 1024):
                parser.Parse(data, False)
        parser.Parse(b"", True)
        return count

    _per_row(work, count)


def serve(count: int) -> None:
    """A server on a free port of this machine, which it prints. GET gives the contract, POST the reply as fast as it is read."""

    class Handler(http.server.BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            self._answer([wsdl(f"http://127.0.0.1:{self.server.server_port}/ws").encode()])  # type: ignore[attr-defined]

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["Content-Length"]))
            self._answer(pieces, length)

        def _answer(self, body: Any, size: int | None = None) -> None:
            self.send_response(200)
            self.send_header("Content-Type", "text/xml; charset=utf-8")
            self.send_header("Content-Length", str(size or sum(map(len, body))))
            self.end_headers()
            for piece in body() if callable(body) else body:
                self.wfile.write(piece)

        def log_message(self, format: str, *args: Any) -> None:
            pass

    head, _, tail = reply(PIECE)
    length = len(head) - len(str(PIECE)) + len(str(count)) + len(tail) + count // PIECE * len(rows())

    def pieces() -> Any:
        return reply(count)

    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


def _connector(port: int) -> tuple[Any, Any]:
    from connectors.protocol import Stream
    from connectors.soap import connect
    from connectors.soap.config import Config
    from connectors.transport import TransportOptions

    config = Config.model_validate({"wsdl": f"http://127.0.0.1:{port}/ws?wsdl"})
    return connect("erp", config, TransportOptions()), Stream("erp", "parts", SOURCE, ("code",), columns(), "modified")


def pull(port: int, count: int) -> None:
    """Ours over the wire, pages dropped. The value is the peak in MB."""
    import pyarrow as pa

    from connectors.protocol import Window

    pa.array([""]).dictionary_encode()
    connector, stream = _connector(port)
    with closing(connector):
        connector.describe(stream)
        before, wall, cpu = peak_mb(), time.perf_counter(), time.process_time()
        came = sum(page.rows.num_rows for page in connector.pull(stream, Window()))
        wall, cpu, peak = time.perf_counter() - wall, time.process_time() - cpu, peak_mb() - before
    if came != count:
        raise RuntimeError(f"{came} of {count} rows came")
    print(json.dumps({"value": peak, "wall": wall, "cpu": cpu, "peak_mb": peak}))


def bare(port: int, count: int) -> None:
    """The floor: the same reply over httpx, read and dropped. The value is the peak in MB."""
    import httpx

    with httpx.Client() as client:
        before, wall, cpu = peak_mb(), time.perf_counter(), time.process_time()
        with client.stream("POST", f"http://127.0.0.1:{port}/ws", content=b"-") as answer:
            size = sum(len(chunk) for chunk in answer.iter_bytes())
        wall, cpu, peak = time.perf_counter() - wall, time.process_time() - cpu, peak_mb() - before
    if size < count * 100:
        raise RuntimeError(f"only {size} bytes came")
    print(json.dumps({"value": max(peak, 0.1), "wall": wall, "cpu": cpu, "peak_mb": peak}))


def first_batch(port: int, count: int) -> None:
    """Ours: the share of the reply's bytes that had arrived when its first typed batch was staged. Fails if a page left before the end."""
    from connectors.protocol import Window
    from connectors.soap import arriving, staging

    arrived, at_first, at_page = 0, 0, 0
    counted, add = arriving.Arriving._counted, staging.Stage.add

    def counting(self: Any, chunk: bytes) -> bytes:
        nonlocal arrived
        arrived += len(chunk)
        return counted(self, chunk)

    def adding(self: Any, *given: Any) -> None:
        nonlocal at_first
        add(self, *given)
        at_first = at_first or arrived

    arriving.Arriving._counted, staging.Stage.add = counting, adding  # type: ignore[method-assign]
    connector, stream = _connector(port)
    with closing(connector):
        before, wall, cpu = peak_mb(), time.perf_counter(), time.process_time()
        for page in connector.pull(stream, Window()):
            at_page = at_page or arrived
            count -= page.rows.num_rows
        wall, cpu, peak = time.perf_counter() - wall, time.process_time() - cpu, peak_mb() - before
    if count or at_page != arrived:
        raise RuntimeError(f"{count} rows are missing, or a page left after {at_page} of {arrived} bytes")
    print(json.dumps({"value": at_first / arrived, "wall": wall, "cpu": cpu, "peak_mb": peak}))


def bundle(folder: str, types: int, compiled: bool) -> None:
    """A kept contract from disk: read from its documents, or from what was compiled of them before. The value is seconds of CPU."""
    from connectors.soap.bundle import fetch, load
    from connectors.soap.store import Store
    from connectors.soap.wsdl import read

    store = Store(Path(folder))
    if store.find(_URL) is None:
        fetched = fetch(_URL, lambda _: (large_wsdl(types).encode(), "text/xml"))
        store.keep(fetched, read(fetched))
    (kept,) = (one for one in Path(folder).iterdir() if one.is_dir())
    before, wall, cpu = peak_mb(), time.perf_counter(), time.process_time()
    if compiled:
        found = store.find(_URL)
        contract = found[1] if found else None
    else:
        contract = read(load(kept))
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    if contract is None or len(contract.types) < 2 * types:
        raise RuntimeError("the contract is not whole")
    print(json.dumps({"value": cpu, "wall": wall, "cpu": cpu, "peak_mb": peak_mb() - before}))


def zeep_bundle(path: str) -> None:
    """The peer: zeep's client made from the same document on disk. The value is seconds of CPU."""
    import zeep

    before, wall, cpu = peak_mb(), time.perf_counter(), time.process_time()
    zeep.Client(path)
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"value": cpu, "wall": wall, "cpu": cpu, "peak_mb": peak_mb() - before}))
