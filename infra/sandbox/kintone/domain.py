"""The kintone domain as a whole: its apps, tokens, cursors, files, faults, and the lock under which everything happens."""

from __future__ import annotations

import threading
from dataclasses import dataclass, field

from infra.sandbox.clock import SandboxClock
from infra.sandbox.kintone.directory import api_token
from infra.sandbox.kintone.life import Life
from infra.sandbox.kintone.records import Cursor
from infra.sandbox.kintone.store import App, StoredFile

PERMISSIONS = frozenset({"recordViewable", "recordAddable", "recordEditable", "recordDeletable", "appEditable"})
MAX_REQUESTS = 100


@dataclass(frozen=True)
class Granted:
    """An API token and what it permits in its app."""

    token: str = field(repr=False)
    permissions: frozenset[str] = PERMISSIONS


@dataclass
class Fault:
    """A disturbance put on by the control endpoint: after ``skip`` requests, ``count`` of them suffer (None: all, until healed)."""

    kind: str
    count: int | None
    skip: int = 0
    milliseconds: int = 0
    path: str = ""

    def strikes(self, path: str) -> bool:
        """Whether this request suffers; counts it."""
        if self.path not in path:
            return False
        if self.skip > 0:
            self.skip -= 1
            return False
        if self.count is None:
            return True
        self.count -= 1
        return self.count >= 0


class Domain:
    """``life`` must be let run before a request is answered; the caller holds ``lock``."""

    def __init__(self, clock: SandboxClock, seed: int, apps: list[App], files: dict[str, StoredFile], life: Life) -> None:
        self.clock = clock
        self.seed = seed
        self.apps: dict[int, App] = {app.id: app for app in apps}
        self.files = files
        self.life = life
        self.tokens: dict[str, Granted] = {app.code: Granted(api_token(seed, app.code)) for app in apps}
        self.cursors: dict[str, Cursor] = {}
        self.faults: list[Fault] = []
        self.lock = threading.RLock()
        self.running = 0

    def app_of(self, code: str) -> App:
        """The app with this code; KeyError when there is none."""
        for app in self.apps.values():
            if app.code == code:
                return app
        raise KeyError(f"no app has the code {code}")

    def granted(self, app: App) -> Granted | None:
        return self.tokens.get(app.code)

    def live(self) -> None:
        """Let the company live up to now."""
        self.life.until(self.clock.now())

    def struck(self, path: str) -> tuple[Fault | None, int]:
        """The fault that this request suffers, if any, and the milliseconds it is kept waiting."""
        struck: Fault | None = None
        waiting = 0
        for fault in self.faults:
            if fault.strikes(path):
                if fault.kind == "slow":
                    waiting += fault.milliseconds
                else:
                    struck = struck or fault
        self.faults = [fault for fault in self.faults if fault.count is None or fault.count > 0]
        return struck, waiting
