"""A download host of a test's own: pre-authenticated links lead to it, and it does to each request what a script says."""

from __future__ import annotations

import threading
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

from sharepoint_world import Table, tenant

from connectors.sharepoint.download import download
from connectors.sharepoint.places import Place, Site
from connectors.sharepoint.quickxor import quick_xor
from connectors.transport import TransportOptions

DATA = bytes(range(256)) * 1200
PLACE = Place(Site("/sites/q", "h,c,w", "c", "Q"), "D", "L", "文書")
OPTIONS = TransportOptions(attempts=3, max_wait=0.01)


class Store:
    """A download host of its own. ``script`` says what each request meets: a status, how many bytes come before the line is cut, or None."""

    def __init__(self, script: list[Any]) -> None:
        self.script, self.seen = script, list[dict[str, str]]()
        store = self

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                store.seen.append({key.lower(): value for key, value in self.headers.items()})
                now = store.script.pop(0) if store.script else None
                if isinstance(now, tuple):
                    self.send_error(now[0])
                    return
                start = int(self.headers.get("Range", "bytes=0-").removeprefix("bytes=").rstrip("-"))
                ignored = now == "whole"
                body = DATA if ignored else DATA[start:]
                self.send_response(206 if start and not ignored else 200)
                if start and not ignored:
                    self.send_header("Content-Range", f"bytes {start}-{len(DATA) - 1}/{len(DATA)}")
                self.send_header("Content-Length", str(len(body)))
                self.end_headers()
                self.wfile.write(body[:now] if isinstance(now, int) else body)

            def log_message(self, format: str, *args: Any) -> None:
                return None

        self.server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
        threading.Thread(target=self.server.serve_forever, args=(0.01,), daemon=True).start()

    @property
    def link(self) -> str:
        return f"http://127.0.0.1:{self.server.server_address[1]}/download.aspx?tempauth=very-secret-link"


def fetched(stores: list[Store], *script: Any, about: dict[str, Any] | None = None) -> tuple[bytes, Store, Table]:
    store = Store(list(script))
    stores.append(store)
    described = about or {"id": "F", "name": "図面.pdf", "size": len(DATA), "file": {"hashes": {"quickXorHash": quick_xor(DATA)}}}
    graph = Table({"/v1.0/drives/D/items/F": described, "/v1.0/drives/D/items/F/content": (302, {"Location": store.link}, {})})
    return b"".join(download(tenant(graph), PLACE, "F", OPTIONS)), store, graph
