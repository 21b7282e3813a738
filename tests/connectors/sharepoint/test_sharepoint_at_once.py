"""Eight downloads at once through one host: what one of them meets, the others hear of or do not, as it should be. Time is the test's own."""

from __future__ import annotations

import logging
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast

import httpx
import pytest
from sharepoint_world import GRAPH, HOST, TENANT, FakeTokens, Table, api

from connectors.capabilities import FetchesAtOnce
from connectors.errors import FileRefused, SourceUnavailable
from connectors.sharepoint import connect
from connectors.sharepoint.auth import Tokens
from connectors.sharepoint.client import Tenant
from connectors.sharepoint.config import Config
from connectors.sharepoint.download import WORKERS, Hosts, download
from connectors.sharepoint.governor import Governor
from connectors.sharepoint.places import Place, Site
from connectors.sharepoint.quickxor import quick_xor
from connectors.transport import TransportOptions

PLACE = Place(Site("/sites/q", "h,c,w", "c", "Q"), "D", "L", "文書")
OPTIONS = TransportOptions(attempts=3, max_wait=60)


def body(number: int) -> bytes:
    return bytes([number % 256]) * 200_000


class Clock:
    """Time that passes only while somebody sleeps."""

    def __init__(self) -> None:
        self._now, self._moving = 1_000_000.0, threading.Lock()

    def __call__(self) -> float:
        return self._now

    def sleep(self, seconds: float) -> None:
        with self._moving:
            self._now += max(seconds, 0.0)


class Host:
    """A download host. ``meets`` may answer a request by number and how often that file was asked for; ``seen`` are the clock, path, and
    headers of each request, and ``connections`` how many were opened."""

    def __init__(self, clock: Clock, meets: Callable[[int, int], tuple[int, dict[str, str]] | None] = lambda number, time: None) -> None:
        self.seen: list[tuple[float, str, dict[str, str]]] = []
        self.connections: set[Any] = set()
        self._times: dict[int, int] = {}
        self._lock = threading.Lock()
        host = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"

            def do_GET(self) -> None:
                number = int(self.path.split("?")[0].rpartition("/")[2])
                with host._lock:
                    host.seen.append((clock(), self.path, {key.lower(): value for key, value in self.headers.items()}))
                    host.connections.add(self.client_address)
                    host._times[number] = time = host._times.get(number, 0) + 1
                answer = meets(number, time)
                status, headers, data = (*answer, b"") if answer is not None else (200, {}, body(number))
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(data))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(data)

            def log_message(self, format: str, *args: Any) -> None:
                return None

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def link(self, number: int, fresh: int) -> str:
        return (
            f"http://127.0.0.1:{self.server.server_address[1]}/secret-path-{number}-{fresh}/{number}?tempauth=very-secret-{number}-{fresh}"
        )


@pytest.fixture
def hosts() -> Iterator[list[Host]]:
    made: list[Host] = []
    yield made
    for one in made:
        one.server.shutdown()
        one.server.server_close()


class Fetching:
    """A tenant with numbered files at one host, and what fetching them all with eight workers gave: bytes, or the error."""

    def __init__(self, host: Host, clock: Clock, files: int, blocked: int | None = None, **limits: Any) -> None:
        config = Config.model_validate(
            {"tenant": TENANT, "client_id": "app", "client_secret": "s3cret-value", "host": HOST, "graph": GRAPH,
             "limits": {"units_per_minute": 10_000_000, **limits}}
        )  # fmt: skip
        self.governor = Governor(config, OPTIONS, clock=clock, sleep=clock.sleep)
        self.graph, self._fresh = Table(), 0
        for number in range(files):
            self.graph[f"/v1.0/drives/D/items/{number}"] = {
                "id": str(number), "name": f"{number}.pdf", "file": {"hashes": {"quickXorHash": quick_xor(body(number))}}
            }  # fmt: skip
            self.graph[f"/v1.0/drives/D/items/{number}/content"] = self._content(host, number)
        if blocked is not None:
            self.graph[f"/v1.0/drives/D/items/{blocked}/content"] = (403, {}, {"error": {"code": "accessDenied"}})
        self.tenant = Tenant("sharepoint", config, cast("Tokens", FakeTokens()), api(self.graph), None, self.governor)
        self.hosts = Hosts(OPTIONS, self.governor)
        with ThreadPoolExecutor(WORKERS) as pool:
            self.results = list(pool.map(self._one, range(files)))
        self.hosts.close()

    def _content(self, host: Host, number: int) -> Callable[[Any], Any]:
        def answer(_: Any) -> httpx.Response:
            self._fresh += 1
            return httpx.Response(302, headers={"Location": host.link(number, self._fresh)})

        return answer

    def _one(self, number: int) -> bytes | Exception:
        try:
            return b"".join(download(self.tenant, PLACE, str(number), OPTIONS, self.hosts))
        except (FileRefused, SourceUnavailable) as error:
            return error


def test_the_connector_says_from_how_many_threads_it_may_be_asked() -> None:
    config = Config.model_validate({"tenant": TENANT, "client_id": "app", "client_secret": "s3cret-value", "host": HOST, "graph": GRAPH})
    connector = connect("sharepoint", config, TransportOptions())
    assert isinstance(connector, FetchesAtOnce) and connector.file_workers == 8
    connector.close()


def test_forty_files_come_whole_over_at_most_eight_connections_that_never_saw_our_token(hosts: list[Host]) -> None:
    clock = Clock()
    hosts.append(Host(clock))
    found = Fetching(hosts[0], clock, 40)
    assert found.results == [body(number) for number in range(40)]
    assert len(hosts[0].connections) <= WORKERS
    assert not [headers for _, _, headers in hosts[0].seen if "authorization" in headers]


def test_a_link_that_expires_in_one_worker_is_asked_for_anew_and_the_others_do_not_notice(hosts: list[Host]) -> None:
    clock = Clock()
    hosts.append(Host(clock, lambda number, time: (403, {}) if number == 5 and time == 1 else None))
    found = Fetching(hosts[0], clock, 16)
    assert found.results == [body(number) for number in range(16)]
    asked = [request.url.path for request in found.graph.asked if request.url.path.endswith("/content")]
    assert asked.count("/v1.0/drives/D/items/5/content") == 2 and len(asked) == 17


def test_a_429_at_one_download_stops_all_workers_for_as_long_as_it_says(hosts: list[Host]) -> None:
    clock = Clock()
    first, held = threading.Barrier(WORKERS), threading.Event()

    def meets(number: int, time: int) -> tuple[int, dict[str, str]] | None:
        if number < WORKERS and time == 1:
            # All eight are under way before one is told to wait, and no other is answered before that was heard.
            first.wait(30)
            if number == 3:
                return 429, {"Retry-After": "7"}
            assert held.wait(30)
        return None

    host = Host(clock, meets)
    hosts.append(host)
    hold = Governor.hold

    def heard(self: Governor, seconds: float) -> None:
        hold(self, seconds)
        held.set()

    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(Governor, "hold", heard)
        begun = clock()
        found = Fetching(host, clock, 24)
    assert found.results == [body(number) for number in range(24)]
    later = [at for at, _, _ in host.seen[WORKERS:]]
    assert len(later) == 17 and min(later) >= begun + 7


def test_a_file_that_is_refused_in_one_worker_is_that_files_matter(hosts: list[Host]) -> None:
    clock = Clock()
    hosts.append(Host(clock))
    found = Fetching(hosts[0], clock, 16, blocked=9)
    assert isinstance(found.results[9], FileRefused)
    assert [one for at, one in enumerate(found.results) if at != 9] == [body(number) for number in range(16) if number != 9]


def test_all_workers_together_take_as_long_as_the_bandwidth_that_is_set(hosts: list[Host]) -> None:
    clock = Clock()
    hosts.append(Host(clock))
    begun = clock()
    assert Fetching(hosts[0], clock, 16, bandwidth=1_000_000).results == [body(number) for number in range(16)]
    # 3.2 MB; the last lump of a twentieth of a second is on nobody's account yet.
    assert clock() - begun >= 3.1


def test_no_link_shows_in_what_is_logged_or_raised_however_the_host_fails(hosts: list[Host], caplog: pytest.LogCaptureFixture) -> None:
    clock = Clock()
    hosts.append(Host(clock, lambda number, time: (503, {"Retry-After": "0"}) if number % 2 else None))
    with caplog.at_level(logging.DEBUG):
        found = Fetching(hosts[0], clock, 12)
    errors = [one for one in found.results if isinstance(one, Exception)]
    assert len(errors) == 6 and [record for record in caplog.records if record.name == "fortnight.transport"]
    said = caplog.text + "".join(f"{error} {error.__cause__!r} {error.__context__!r}" for error in errors)
    assert "secret-path" not in said and "very-secret" not in said
