"""A tenant over real sockets that throttles by resource units, as the vendor's page says it does: who stays below its limit meets no 429."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, cast
from urllib.parse import unquote

import pytest
from sharepoint_time import START, Time, governed
from sharepoint_world import FakeTokens

from connectors.errors import SourceUnavailable
from connectors.gate import Gate
from connectors.sharepoint.auth import Tokens
from connectors.sharepoint.client import Api
from connectors.transport import TransportOptions

LIMIT = 1_250


def price(path: str) -> int:
    """The vendor's list for what this storm asks, written down once more and not taken from the connector."""
    if "permissions" in path or "RoleAssignments" in path:
        return 5
    return 2 if path.endswith(("/children", "/Users")) else 1


class Tenant:
    """At most ``LIMIT`` units in any 60 seconds; from 80 % on the headers say what is left, above it stands 429. Refused calls count."""

    def __init__(self, time: Time, *, headers: bool) -> None:
        self.time, self.headers = time, headers
        self.statuses: Counter[int] = Counter()
        self._calls: list[tuple[float, int]] = []
        self._lock = threading.Lock()
        tenant = self

        class Handler(BaseHTTPRequestHandler):
            protocol_version = "HTTP/1.1"
            wbufsize = 1 << 16  # head and body in one write, or each reply waits for the client's delayed acknowledgement

            def do_GET(self) -> None:
                status, headers = tenant.judged(unquote(self.path))
                body = b'{"value": []}'
                self.send_response(status)
                for name, value in {**headers, "Content-Length": str(len(body))}.items():
                    self.send_header(name, value)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, format: str, *args: Any) -> None:
                return None

        class Server(ThreadingHTTPServer):
            daemon_threads = True
            request_queue_size = 64

        self.server = Server(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    def judged(self, path: str) -> tuple[int, dict[str, str]]:
        with self._lock:
            now = self.time.now
            self._calls = [(at, units) for at, units in self._calls if at > now - 60]
            self._calls.append((now, price(path)))
            used = sum(units for _, units in self._calls)
            reset = str(int(self._calls[0][0] + 60 - now) + 1)
            status = 429 if used > LIMIT else 200
            self.statuses[status] += 1
            if status == 429:
                return status, {"Retry-After": reset}
            if not self.headers or used < 0.8 * LIMIT:
                return status, {}
            return status, {"RateLimit-Limit": str(LIMIT), "RateLimit-Remaining": str(LIMIT - used), "RateLimit-Reset": reset}

    def storm(self, gate: Gate | None) -> None:
        """1,000 reads by eight workers with connections of their own: 2,400 units, near two minutes' worth."""
        base = f"http://127.0.0.1:{self.server.server_address[1]}"
        options = TransportOptions(attempts=2 if gate is None else 30, max_wait=120.0 if gate is not None else 0.01)
        tokens = cast("Tokens", FakeTokens())
        apis = [Api(f"{base}/v1.0", base, tokens, options, accept="application/json", gate=gate) for _ in range(8)]
        paths = [
            "drives/D/items/F",
            "drives/D/items/F/children",
            "drives/D/items/F/permissions",
            "drives/D/items/F/content",
            "drives/D/root/children",
        ]
        paths = [*paths, *paths[:2], "sites/S", "sites/S/permissions", "drives/D/items/G"]

        def work(worker: int) -> None:
            for number in range(125):
                apis[worker].json(paths[(number + worker) % len(paths)])

        try:
            with ThreadPoolExecutor(8) as workers:
                list(workers.map(work, range(8)))
        finally:
            for api in apis:
                api.close()


@pytest.fixture
def tenants() -> Iterator[list[Tenant]]:
    made: list[Tenant] = []
    yield made
    for one in made:
        one.server.shutdown()
        one.server.server_close()


def opened(tenants: list[Tenant], *, headers: bool = True) -> Tenant:
    tenants.append(Tenant(Time(), headers=headers))
    return tenants[-1]


def test_a_storm_without_a_governor_is_throttled(tenants: list[Tenant]) -> None:
    tenant = opened(tenants)
    with pytest.raises(SourceUnavailable):
        tenant.storm(None)
    assert tenant.statuses[429] > 0, "else the test below says nothing"


def test_a_governed_storm_below_its_limit_meets_no_429_at_all(tenants: list[Tenant]) -> None:
    # Without headers it is held by its own counting alone.
    tenant = opened(tenants, headers=False)
    tenant.storm(governed(tenant.time, licences=500, share=0.9))
    assert tenant.statuses == {200: 1_000}
    assert tenant.time.now - START < 180, "and it is not slow for nothing: 2,400 units at 1,125 a minute"


def test_a_storm_that_believes_its_limit_is_five_times_as_high_is_slowed_by_the_headers(tenants: list[Tenant]) -> None:
    tenant = opened(tenants)
    tenant.storm(governed(tenant.time, licences=60_000, share=1.0))
    assert tenant.statuses[200] == 1_000
    assert tenant.statuses[429] <= 8, "no more than what was under way"


def test_a_storm_that_is_throttled_all_the_same_comes_to_its_end_with_one_429_for_each_worker_and_pause(tenants: list[Tenant]) -> None:
    tenant = opened(tenants, headers=False)
    tenant.storm(governed(tenant.time, licences=60_000, share=1.0))
    assert tenant.statuses[200] == 1_000
    pauses = (tenant.time.now - START) // 30 + 1
    assert 0 < tenant.statuses[429] <= 8 * pauses
