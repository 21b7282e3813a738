"""Process management of an app: whether it is on, its states in order, and the actions between them (status.json)."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, cast

from connectors.kintone.address import App
from connectors.kintone.client import Client, Credential


@dataclass(frozen=True)
class Process:
    """``states`` in the order of the app's settings; ``actions`` as ``name: from → to``. Both are empty while it was never set up."""

    enabled: bool
    states: tuple[str, ...]
    actions: tuple[str, ...]


def read_process(client: Client, app: App, *, preview: bool = False, credential: Credential = "records") -> Process:
    """The process now, or with ``preview`` as it will be once the app is updated. Raises AccessRefused where it may not be read."""
    resource = "preview/app/status" if preview else "app/status"
    reply = client.get(resource, {"app": app.id, "lang": "default"}, guest_space=app.guest_space, credential=credential, app=app.label)
    states = cast("dict[str, dict[str, Any]]", reply.get("states") or {})
    actions = cast("list[dict[str, Any]]", reply.get("actions") or [])
    return Process(
        enabled=reply.get("enable") in (True, "true"),
        states=tuple(sorted(states, key=lambda name: int(states[name].get("index") or 0))),
        actions=tuple(f"{one.get('name')}: {one.get('from')} → {one.get('to')}" for one in actions),
    )
