"""The kintone domain as a whole: its apps, tokens, cursors, files, faults, and the lock under which everything happens."""

from __future__ import annotations

import hashlib
import threading
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field
from datetime import datetime
from typing import Any

from infra.sandbox.clock import SandboxClock
from infra.sandbox.company.people import PEOPLE
from infra.sandbox.kintone.comments import Comments
from infra.sandbox.kintone.directory import Caller, api_token, caller_of, user_code
from infra.sandbox.kintone.files import Upload
from infra.sandbox.kintone.hooks import Hooks
from infra.sandbox.kintone.life import Life
from infra.sandbox.kintone.mishaps import Fault
from infra.sandbox.kintone.records import Cursor
from infra.sandbox.kintone.spaces import Space
from infra.sandbox.kintone.store import App, StoredFile

PERMISSIONS = frozenset({"recordViewable", "recordAddable", "recordEditable", "recordDeletable", "appEditable"})
MAX_REQUESTS = 100
#: Hits after which a search by words stops with a warning header.
SEARCH_LIMIT = 100_000


@dataclass(frozen=True)
class Granted:
    """An API token and what it permits in its app. It works once the app's settings were deployed."""

    token: str = field(repr=False)
    permissions: frozenset[str] = PERMISSIONS
    deployed: bool = True


@dataclass(frozen=True)
class Bearer:
    """An OAuth token: who it acts as, what for, until when."""

    login: str
    scopes: frozenset[str]
    expires: datetime | None = None


@dataclass
class Traffic:
    """What came in since the last look: for tests and measures that count requests."""

    requests: Counter[str] = field(default_factory=Counter)
    highest_running: int = 0

    def seen(self, method: str, path: str, running: int) -> None:
        self.requests[f"{method} {path}"] += 1
        self.highest_running = max(self.highest_running, running)


@dataclass(frozen=True)
class Late:
    """Records that got their ids and will be seen only later, as in a long bulk insert."""

    app: App
    due: datetime
    rows: tuple[tuple[int, dict[str, Any]], ...]


class Domain:
    """``life`` must be let run before a request is answered; the caller holds ``lock``."""

    def __init__(self, clock: SandboxClock, seed: int, apps: list[App], files: dict[str, StoredFile], life: Life) -> None:
        self.clock = clock
        self.seed = seed
        self.apps: dict[int, App] = {app.id: app for app in apps}
        #: Deleted apps, for restoring.
        self.trash: dict[int, App] = {}
        #: Draft of an app's settings by app id: a shell without records, and what deploying it will do.
        self.drafts: dict[int, tuple[App, list[Callable[[App], None]]]] = {}
        self.files = files
        self.uploads: dict[str, Upload] = {}
        self.life = life
        self.tokens: dict[str, Granted] = {app.key: Granted(api_token(seed, app.key)) for app in apps}
        self.bearers: dict[str, Bearer] = {}
        self.basic = ""
        self.two_factor: set[str] = set()
        self.spaces: dict[int, Space] = {}
        self.comments: Comments = life.comments
        self.cursors: dict[str, Cursor] = {}
        self.faults: list[Fault] = []
        self.late: list[Late] = []
        self.calls: Counter[tuple[str, int]] = Counter()
        self.traffic = Traffic()
        self.search_limit = SEARCH_LIMIT
        self.hooks = Hooks(clock)
        self.lock = threading.RLock()
        self.running = 0
        for app in apps:
            app.tell = self.hooks.saved
        life.commented = self.hooks.commented

    def app_of(self, key: str) -> App:
        """The app that was made under this key, wherever it is now; KeyError when there is none."""
        for app in (*self.apps.values(), *self.trash.values()):
            if app.key == key:
                return app
        raise KeyError(f"no app has the code {key}")

    def granted(self, app: App) -> Granted | None:
        found = self.tokens.get(app.key)
        return found if found is not None and found.deployed else None

    def bearer(self, token: str) -> Caller | None:
        """Who an OAuth token acts as; None for an unknown or expired one."""
        found = self.bearers.get(token)
        if found is None or (found.expires is not None and found.expires <= self.clock.now()):
            return None
        person = next(one for one in PEOPLE if found.login in (one.key, one.login, user_code(one)))
        caller = caller_of(person)
        return Caller(caller.code, caller.groups, caller.organisations, guest=caller.guest, scopes=found.scopes)

    def issue(self, login: str, scopes: frozenset[str], expires: datetime | None = None) -> str:
        """A new OAuth token, the same for the same seed, login and scopes."""
        text = hashlib.sha256(f"oauth:{self.seed}:{login}:{sorted(scopes)}".encode()).hexdigest()[:44]
        token = f"cy.s.api1.{text}" if any(scope.startswith("cybozu:") for scope in scopes) else text
        self.bearers[token] = Bearer(login, scopes, expires)
        return token

    def window(self) -> str:
        """The day that a call counts for: it begins at 09:00 JST, which is midnight UTC."""
        return self.clock.now().date().isoformat()

    def count(self, app: int) -> None:
        self.calls[self.window(), app] += 1

    def move(self, app: App, space: Space | None) -> None:
        """Put an app into a space, or out of every one."""
        app.space, app.guest_space, app.members = None, False, None
        if space is not None:
            space.take_in(app)
        app.form_changed(self.clock.now())

    def live(self) -> None:
        """Let the company live up to now, and let be seen what is due."""
        now = self.clock.now()
        self.life.until(now)
        if self.late:
            for one in [late for late in self.late if late.due <= now]:
                self.reveal(one)

    def reveal(self, late: Late) -> None:
        """Let records be seen whose ids were given out before."""
        self.late.remove(late)
        for number, values in late.rows:
            late.app.insert(number, values, 1)

    def struck(self, path: str) -> tuple[list[Fault], int]:
        """The faults that this request suffers, and the milliseconds it is kept waiting."""
        struck: list[Fault] = []
        waiting = 0
        for fault in self.faults:
            if fault.meets(path):
                if fault.kind == "slow":
                    waiting += fault.milliseconds
                else:
                    struck.append(fault)
        if struck or waiting:
            self.faults = [fault for fault in self.faults if fault.count is None or fault.count > 0]
        return struck, waiting
