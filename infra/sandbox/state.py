"""What a running sandbox is, as its home remembers it: servers, ports, origin, seed and the admin token."""

from __future__ import annotations

import json
from dataclasses import asdict, dataclass, field
from datetime import datetime
from pathlib import Path

from infra.sandbox.clock import SandboxClock
from infra.sandbox.settings import Settings


class SandboxError(Exception):
    """The sandbox could not do what was asked; the message says what is wrong and what to do.

    ``code`` and ``facts`` let a caller say it in another language; ``failed`` has no facts.
    """

    def __init__(self, message: str, *, code: str = "failed", **facts: object) -> None:
        super().__init__(message)
        self.code = code
        self.facts = facts


@dataclass(frozen=True)
class Server:
    """One running server; its ports are on loopback. ``client_port`` wants a client certificate; 0 where there is none."""

    name: str
    pid: int
    http_port: int
    https_port: int
    client_port: int = 0


@dataclass(frozen=True)
class Running:
    """A running sandbox, as ``home/state.json`` has it. ``origin`` is aware UTC; the admin token opens ``/_sandbox/`` of every server."""

    home: Path
    origin: datetime
    seed: int
    servers: tuple[Server, ...]
    admin_token: str = field(repr=False)

    def server(self, name: str) -> Server:
        """The server of this name; KeyError when the sandbox was started without it."""
        for one in self.servers:
            if one.name == name:
                return one
        raise KeyError(name)


def settings_of(known: Running, one: Server) -> Settings:
    return Settings(
        clock=SandboxClock(known.origin),
        http_port=one.http_port,
        https_port=one.https_port,
        state=known.home / one.name,
        ca_file=known.home / "ca" / "ca.pem",
        admin_token=known.admin_token,
        seed=known.seed,
        client_port=one.client_port,
    )


def write_state(known: Running) -> None:
    path = known.home / "state.json"
    text = json.dumps(
        {
            "origin": known.origin.isoformat(),
            "seed": known.seed,
            "admin_token": known.admin_token,
            "servers": [asdict(one) for one in known.servers],
        },
        indent=2,
    )
    fresh = path.with_suffix(".new")
    fresh.unlink(missing_ok=True)
    fresh.touch(mode=0o600)
    fresh.write_text(text, encoding="utf-8")
    fresh.replace(path)


def read_state(home: Path) -> Running | None:
    home = home.resolve()
    try:
        kept = json.loads((home / "state.json").read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    return Running(
        home=home,
        origin=datetime.fromisoformat(kept["origin"]),
        seed=int(kept["seed"]),
        admin_token=kept["admin_token"],
        servers=tuple(Server(**one) for one in kept["servers"]),
    )
