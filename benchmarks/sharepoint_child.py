"""What runs in a process of its own for the SharePoint measures: each function prints one JSON object that ``measure.in_child`` reads.

Nobody signs in: ours and the peers carry a token that the measures' own server does not look at. Peaks are over imports.
"""

from __future__ import annotations

import asyncio
import http.client
import json
import os
import re
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

from benchmarks.kintone_child import peak_mb
from benchmarks.sharepoint_world import SITE, TENANT


@contextmanager
def _told(value: Callable[[float, float], float]) -> Iterator[None]:
    """Print what the block took; ``value`` of its seconds of wall and CPU."""
    before, wall, cpu = peak_mb(), time.perf_counter(), time.process_time()
    yield
    wall, cpu = time.perf_counter() - wall, time.process_time() - cpu
    print(json.dumps({"value": value(wall, cpu), "wall": wall, "cpu": cpu, "peak_mb": peak_mb() - before}))


def _over() -> None:
    """Leave at once, as our commands do: threads of the native libraries may abort a process that ends in the usual way."""
    sys.stdout.flush()
    os._exit(0)


def _came(found: int, wanted: int) -> None:
    if found != wanted:
        raise RuntimeError(f"{found} of {wanted} came")


def _signed_in() -> None:
    """Every token is had without asking anybody for it."""
    from connectors.sharepoint.auth import Tokens

    Tokens.get = Tokens.renew = lambda self, resource, _=None: "token"  # type: ignore[method-assign, assignment]
    Tokens.claims = lambda self, resource: {"tid": TENANT, "roles": ["Sites.FullControl.All"]}  # type: ignore[method-assign]


def _system(port: int, bandwidth: int | None = None, **credential: str) -> dict[str, Any]:
    at = f"http://127.0.0.1:{port}"
    # The measure's server throttles nobody: paced as in a small tenant, a measure would be of the governor's sleep.
    limits = {"units_per_minute": 10_000_000, "bandwidth": bandwidth}
    given = credential or {"client_secret": "none"}
    return {"tenant": TENANT, "client_id": "app", "graph": at, "host": at, "sites": [SITE], "limits": limits, **given}


def _connector(port: int, bandwidth: int | None = None, **credential: str) -> Any:
    from connectors.sharepoint import connect
    from connectors.sharepoint.config import Config
    from connectors.transport import TransportOptions

    _signed_in()
    return connect("sharepoint", Config.model_validate(_system(port, bandwidth, **credential)), TransportOptions())


def _stream(number: int = 0) -> Any:
    """The stream that a contract over every column of a library would name."""
    from connectors.protocol import Column, Stream
    from connectors.sharepoint.schema import LIBRARY

    source = {"site": SITE, "kind": "library", "name": f"library {number}"}
    return Stream("sharepoint", "files", source, ("item_id",), tuple(Column(one.source, one.source, one.type) for one in LIBRARY))


def pull(port: int, files: int, peak: bool = False) -> None:
    """Ours: a library's whole feed to typed pages that are dropped. Files a second of CPU, or with ``peak`` MB."""
    import pyarrow as pa

    from connectors.protocol import Window

    pa.array([""]).dictionary_encode()
    stream = _stream()
    with closing(_connector(port)) as connector:
        connector.describe(stream)
        at_start = peak_mb()
        with _told(lambda _, cpu: peak_mb() - at_start if peak else files / cpu):
            _came(sum(page.rows.num_rows for page in connector.pull(stream, Window())), files)


def bare(port: int, items: int, peak: bool = False) -> None:
    """The floor: the same pages over one connection of the standard library, their link read off and the rest dropped."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    link, came, at_start = "/v1.0/drives/b!D0/root/delta", 0, peak_mb()
    with _told(lambda _, cpu: max(peak_mb() - at_start, 0.1) if peak else items / cpu):
        while link:
            connection.request("GET", link)
            body = connection.getresponse().read()
            came += body.count(b'"lastModifiedDateTime":')
            following = re.search(rb'"@odata\.nextLink":"http://[^/]+([^"]+)"', body[-300:])
            link = following[1].decode() if following else ""
        _came(came, items)


def office365(port: int, items: int) -> None:
    """The peer: office365-rest-python-client's own way to read a whole feed."""
    import office365.azure_env as azure
    from office365.graph_client import GraphClient

    azure._ENDPOINTS[azure.AzureEnvironment.Global]["graph"] = f"http://127.0.0.1:{port}"
    client = GraphClient(token_callback=lambda: {"access_token": "token", "token_type": "Bearer"})
    with _told(lambda _, cpu: items / cpu):
        # The root is among them.
        _came(sum(1 for _ in client.drives["b!D0"].root.delta.get_all().execute_query()), items + 1)


def msgraph_sdk(port: int, wanted: int) -> None:
    """The peer: msgraph-sdk's page iterator over the same feed, stopped after so many items."""
    from kiota_abstractions.authentication import AnonymousAuthenticationProvider
    from msgraph import GraphServiceClient
    from msgraph.graph_request_adapter import GraphRequestAdapter
    from msgraph_core.tasks.page_iterator import PageIterator

    adapter = GraphRequestAdapter(AnonymousAuthenticationProvider())
    adapter.base_url = f"http://127.0.0.1:{port}/v1.0"
    builder = GraphServiceClient(request_adapter=adapter).drives.by_drive_id("b!D0").items.by_drive_item_id("root").delta
    came = 0

    def one(_: Any) -> bool:
        nonlocal came
        came += 1
        return came < wanted

    async def walk() -> None:
        # What its models need they import when they meet the first page.
        await builder.get()
        with _told(lambda _, cpu: wanted / cpu):
            await PageIterator(await builder.get(), adapter).iterate(one)
            _came(came, wanted)

    asyncio.run(walk())


def traffic(port: int) -> dict[str, int]:
    """Requests and resource units that the server has counted since this was last asked."""
    connection = http.client.HTTPConnection("127.0.0.1", port)
    connection.request("GET", "/_bench/traffic")
    return json.loads(connection.getresponse().read())


def access(port: int, items: int, certificate: str, what: str) -> None:
    """Ours: who may read what in the large library, as a first pull asks it. ``what``: seconds of CPU, or resource units with the feed."""
    import office365.sharepoint.client_context  # noqa: F401
    import pyarrow as pa

    from benchmarks.sharepoint_world import UNIQUE
    from connectors.protocol import Window

    pa.array([""]).dictionary_encode()
    stream = _stream()
    with closing(_connector(port, certificate=certificate)) as connector:
        traffic(port)
        if what == "units":
            with _told(lambda *_: float(traffic(port)["units"])):
                connector.describe(stream)
                found = connector.access(stream)
                for _ in connector.pull(stream, Window()):
                    pass
        else:
            connector.describe(stream)
            with _told(lambda _, cpu: cpu):
                found = connector.access(stream)
        own = [scope for scope in found.scopes if scope.principals]
        _came(len(own), items // UNIQUE + 1)


def ticks(port: int, drives: int, folder: str, certificate: str) -> None:
    """Ours: every small library pulled by the pipeline as its contract says, then once more with nothing changed. Requests of the latter."""
    from pipelines.clock import WallClock
    from pipelines.project import load
    from pipelines.pull.outcome import Request
    from pipelines.pull.run import pull as pulled

    _signed_in()
    streams = _project(Path(folder), _system(port, certificate=certificate), drives)
    project = load(Path(folder))

    def everything() -> None:
        for stream in streams:
            if (result := pulled(project, Request(stream), WallClock())).error is not None:
                raise RuntimeError(f"{stream}: {result.error}")

    everything()
    traffic(port)
    with _told(lambda *_: float(traffic(port)["requests"])):
        everything()
    _over()


def _project(folder: Path, system: dict[str, Any], drives: int) -> list[str]:
    """A project with one contract for each small library."""
    from ruamel.yaml import YAML

    from connectors.sharepoint.schema import LIBRARY
    from expectations.types import write_type

    fields = [
        {"name": one.source, "source": one.source, "label": one.label, "type": write_type(one.type), "required": one.required}
        for one in LIBRARY
    ]
    common = {"version": 1, "key": ["item_id"], "fields": fields, "cursor": {"field": "modified_at", "lookback": "PT5M", "deletes": "feed"}}
    (folder / "contracts" / "sharepoint").mkdir(parents=True)
    yaml = YAML(typ="safe")
    storage = {"root": "./data"}
    with (folder / "project.yaml").open("w") as file:
        yaml.dump(
            {"name": "ticks", "environment": "sandbox", "storage": storage, "systems": {"sharepoint": {"kind": "sharepoint", **system}}},
            file,
        )
    streams = [f"sharepoint/d{number}" for number in range(1, drives + 1)]
    for number, stream in enumerate(streams, start=1):
        source = {"site": SITE, "kind": "library", "name": f"library {number}"}
        with (folder / "contracts" / f"{stream}.yaml").open("w") as file:
            yaml.dump({"stream": stream, "source": source, "access": {"from": "source"}, **common}, file)
    return streams


def membership(folder: str, home: str) -> None:
    """Ours: documents touched by the pull that finds that one person left a group which opens the library. Rows and files that came count,
    and every row of a table that was written anew."""
    from datetime import timedelta

    from infra.sandbox import process
    from pipelines.clock import FixedClock, WallClock
    from pipelines.landing.warehouse import Warehouse
    from pipelines.project import load
    from pipelines.pull.outcome import Request
    from pipelines.pull.run import pull as pulled

    project = load(Path(folder))
    warehouse, stream = Warehouse(project.root), "sharepoint/quality-rules"
    # Rights are carried on for access.refresh: the pulls lie further apart than that.
    times = iter((WallClock().now(), WallClock().now() + timedelta(hours=2)))

    def once() -> Any:
        if (result := pulled(project, Request(stream), FixedClock(next(times)))).error is not None:
            raise RuntimeError(str(result.error))
        return result

    def members() -> int:
        table = warehouse.read("members", stream)
        return 0 if table is None else table.num_rows

    before, were = once(), members()
    left = {"group": "quality-members", "remove": ["aoi.kobayashi@sakura-seiki.example"]}
    process.control(Path(home), "membership", left, server="sharepoint")
    touched = 0
    with _told(lambda *_: float(touched)):
        after = once()
        rows = sum(after.counts["live"] for table in ("current", "content") if after.versions.get(table) != before.versions.get(table))
        touched = rows + sum(after.counts[name] for name in ("changed", "deleted", "files"))
    _came(members(), were - 1)
    _over()


def download(port: int, files: int, bandwidth: int, certificate: str, folder: str, peak: bool = False) -> None:
    """Ours: files behind changed rows as a pull fetches, judges and keeps them, within ``limits.bandwidth``. Bytes a second, or with ``peak`` MB."""
    import tempfile

    import pyarrow as pa

    from benchmarks.sharepoint_server import FILE_BYTES
    from expectations.contract import Contract
    from pipelines.landing.warehouse import Warehouse
    from pipelines.pull.files import fetch_files

    pa.array([""]).dictionary_encode()
    stream = _stream()
    fields = [{"name": name, "source": name, "type": "string"} for name in ("item_id", "name", "media_type")]
    fields.append({"name": "size", "source": "size", "type": "int64"})
    contract = Contract.model_validate(
        {"stream": stream.id, "version": 1, "source": stream.source, "key": ["item_id"], "fields": fields}
        | {"content": {"kind": "file", "ref": "item_id"}}
    )

    def rows(first: int, count: int) -> list[dict[str, Any]]:
        return [{"item_id": f"01F{number}", "name": f"{number}.bin", "size": FILE_BYTES} for number in range(first, first + count)]

    with closing(_connector(port, bandwidth, certificate=certificate)) as connector, tempfile.TemporaryDirectory(dir=folder) as kept:
        warehouse = Warehouse(kept)

        def fetch(wanted: list[dict[str, Any]]) -> int:
            found = fetch_files(connector, stream, contract, wanted, warehouse, lambda _: None, Path(kept))
            return sum(status == "ok" for status in found["status"].to_pylist())

        # Addresses are looked up, and one connection opened, once.
        fetch(rows(files, 1))
        at_start = peak_mb()
        with _told(lambda wall, _: peak_mb() - at_start if peak else files * FILE_BYTES / wall):
            _came(fetch(rows(0, files)), files)
