"""Webhooks: which app tells whom of what, and the sending, in a thread of its own, at most 60 a minute in the whole domain."""

from __future__ import annotations

import queue
import threading
import urllib.error
import urllib.parse
import urllib.request
import uuid
from collections import deque
from dataclasses import dataclass, field
from datetime import timedelta
from typing import TYPE_CHECKING, Any

import msgspec

from infra.sandbox.clock import SandboxClock
from infra.sandbox.kintone.directory import NAMES, REGISTER

if TYPE_CHECKING:
    from infra.sandbox.kintone.comments import Comment
    from infra.sandbox.kintone.store import App, Record

EVENTS = ("ADD_RECORD", "UPDATE_RECORD", "UPDATE_STATUS", "ADD_RECORD_COMMENT", "DELETE_RECORD")
MOST_OF_AN_APP = 10
MOST_A_MINUTE = 60
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


@dataclass(frozen=True)
class Hook:
    """One webhook of one app; ``url`` is on loopback."""

    app: int
    url: str
    events: frozenset[str]


@dataclass
class Hooks:
    """All webhooks of the domain. ``dropped`` counts what went beyond the limit: only an audit log would know (GAIA_WT02)."""

    clock: SandboxClock
    hooks: list[Hook] = field(default_factory=list)
    sent: int = 0
    failed: int = 0
    dropped: int = 0
    #: The address under which records are linked.
    base_url: str = ""
    _times: deque[Any] = field(default_factory=deque)
    _queue: queue.Queue[tuple[str, bytes]] = field(default_factory=queue.Queue)
    _sender: threading.Thread | None = None

    def add(self, app: App, url: str, events: frozenset[str]) -> None:
        """ValueError for an unknown event, a url that is not loopback, or an eleventh hook of an app."""
        if not events or not events <= set(EVENTS):
            raise ValueError(f"events are: {', '.join(EVENTS)}")
        parts = urllib.parse.urlsplit(url)
        if parts.scheme not in ("http", "https") or parts.hostname not in ("localhost", "127.0.0.1", "::1"):
            raise ValueError(f"a webhook of the sandbox goes to a loopback address, not to {url}")
        if sum(one.app == app.id for one in self.hooks) >= MOST_OF_AN_APP:
            raise ValueError(f"app {app.id} has {MOST_OF_AN_APP} webhooks already")
        self.hooks.append(Hook(app.id, url, events))

    def saved(self, event: str, app: App, record: Record, who: str) -> None:
        """A record was added, changed, moved in its process or deleted by a person."""
        if not any(one.app == app.id for one in self.hooks):
            return
        told: dict[str, Any] = {"id": str(uuid.uuid4()), "type": event, "app": {"id": str(app.id), "name": app.name}}
        if event == "DELETE_RECORD":
            told |= {
                "recordId": str(record.id),
                "deletedBy": {"code": REGISTER.shown(who), "name": NAMES[who]},
                "deletedAt": self.clock.now().strftime("%Y-%m-%dT%H:%M:%SZ"),
            }
        else:
            told |= {"record": msgspec.Raw(app.body(record))} | self._where(app, record)
        self._tell(app, event, told)

    def commented(self, app: App, record: Record, comment: Comment) -> None:
        told = {
            "id": str(uuid.uuid4()),
            "type": "ADD_RECORD_COMMENT",
            "app": {"id": str(app.id), "name": app.name},
            "recordId": str(record.id),
            "comment": comment.json(),
        }
        self._tell(app, "ADD_RECORD_COMMENT", told | self._where(app, record))

    def _where(self, app: App, record: Record) -> dict[str, str]:
        title = app.find(app.title)
        return {
            "recordTitle": str(record.values.get(title[0].key) or "") if title is not None else str(record.id),
            "url": f"{self.base_url}/k/{app.id}/show#record={record.id}",
        }

    def _tell(self, app: App, event: str, told: dict[str, Any]) -> None:
        for one in self.hooks:
            if one.app != app.id or event not in one.events:
                continue
            now = self.clock.now()
            while self._times and self._times[0] <= now - timedelta(minutes=1):
                self._times.popleft()
            if len(self._times) >= MOST_A_MINUTE:
                self.dropped += 1
                continue
            self._times.append(now)
            if self._sender is None:
                self._sender = threading.Thread(target=self._send, daemon=True)
                self._sender.start()
            self._queue.put((one.url, msgspec.json.encode(told)))

    def _send(self) -> None:
        while True:
            url, body = self._queue.get()
            request = urllib.request.Request(
                url,
                data=body,
                method="POST",
                headers={"Content-Type": "application/json;charset=UTF-8", "User-Agent": "kintone-Webhook/0.1"},
            )
            try:
                _opener.open(request, timeout=10).close()
                self.sent += 1
            except (OSError, urllib.error.URLError):
                # No second try, as nothing of the kind is promised.
                self.failed += 1
