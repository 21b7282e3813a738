"""The verbs behind ``/_sandbox/``: truth, effective access, faults, and changes of rights that tests need."""

from __future__ import annotations

import threading
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from infra.sandbox.company.people import PEOPLE, person
from infra.sandbox.settings import Settings
from infra.sandbox.sharepoint import control_doings, life
from infra.sandbox.sharepoint.authority import Authority
from infra.sandbox.sharepoint.effective import may_read
from infra.sandbox.sharepoint.finding import asked, row
from infra.sandbox.sharepoint.world import World


@dataclass
class _Fault:
    kind: str
    left: int
    skip: int
    retry_after: int
    path: str


class Faults:
    """Faults waiting to happen: of the requests whose path contains ``path``, ``skip`` pass and the next ``count`` meet the fault.

    They are answered 429 or 503, or dropped; with ``revoke`` every access token given out so far ends right before they are answered.
    A path is compared without regard to case, as SharePoint itself reads it.
    """

    def __init__(self, revoke: Callable[[], None]) -> None:
        self._revoke = revoke
        self._lock = threading.Lock()
        self._waiting: list[_Fault] = []

    def set(self, body: dict[str, Any]) -> dict[str, Any]:
        kind = str(body["kind"])
        if kind not in ("429", "503", "drop", "revoke"):
            raise ValueError(f"no such fault: {kind}; there are 429, 503, drop and revoke")
        with self._lock:
            count, skip, retry_after = (int(body.get(name, default)) for name, default in (("count", 1), ("skip", 0), ("retry_after", 0)))
            self._waiting.append(_Fault(kind, count, skip, retry_after, str(body.get("path", "")).lower()))
        return {"waiting": len(self._waiting)}

    def heal(self, _: dict[str, Any]) -> dict[str, Any]:
        """Forget what was waiting; ``unmet`` says how many of it no request had fully met."""
        with self._lock:
            unmet = len(self._waiting)
            self._waiting.clear()
        return {"waiting": 0, "unmet": unmet}

    def take(self, path: str) -> tuple[int, int] | None:
        """(status, Retry-After) of the fault this request meets, status 0 for a dropped connection; None when there is none."""
        with self._lock:
            for fault in self._waiting:
                if fault.path in path.lower():
                    if fault.skip > 0:
                        fault.skip -= 1
                        continue
                    fault.left -= 1
                    if fault.left <= 0:
                        self._waiting.remove(fault)
                    if fault.kind == "revoke":
                        self._revoke()
                        return None
                    return (0 if fault.kind == "drop" else int(fault.kind)), fault.retry_after
        return None


def verbs(world: World, authority: Authority, settings: Settings, faults: Faults) -> dict[str, Callable[[dict[str, Any]], Any]]:
    """Verb → function of the request's body. ``advanced`` is what runs after the clock has moved."""

    def told(verb: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        def locked(body: dict[str, Any]) -> Any:
            life.catch_up(world, settings.clock)
            with world.lock:
                return verb(body)

        return locked

    def truth(body: dict[str, Any]) -> dict[str, Any]:
        site = world.sites[body["site"]]
        rows = [row(listing, entry) for listing in site.lists for entry in listing.living()]
        counts = {listing.title: sum(1 for entry in listing.living() if entry.kind != "folder") for listing in site.lists}
        found = {"site": site.key, "count": len(rows), "counts": counts, "day": world.day}
        return found if body.get("count_only") else {**found, "items": rows}

    def effective(body: dict[str, Any]) -> dict[str, Any]:
        logins = [person(login).login for login in body.get("logins") or [one.login for one in PEOPLE]]
        rows = []
        for listing, entry in asked(world, body.get("items")):
            readers = [login for login in logins if may_read(world, login, listing, entry)]
            rows.append({**row(listing, entry), "readers": readers})
        return {"items": rows}

    def expire_tokens(_: dict[str, Any]) -> dict[str, Any]:
        world.epoch += 1
        return {"epoch": world.epoch}

    def tokens_given(_: dict[str, Any]) -> dict[str, Any]:
        """How many access tokens the authority has given out so far."""
        return {"count": authority.given}

    def set_certificate_expired(body: dict[str, Any]) -> dict[str, Any]:
        authority.certificate_expired = bool(body.get("expired", True))
        return {"expired": authority.certificate_expired}

    def set_secret_expired(body: dict[str, Any]) -> dict[str, Any]:
        authority.secret_expired = bool(body.get("expired", True))
        return {"expired": authority.secret_expired}

    def inherited_from(body: dict[str, Any]) -> dict[str, Any]:
        if body["mode"] not in ("object", "absent", "full"):
            raise ValueError("mode is one of object, absent, full")
        world.inherited_from = body["mode"]
        return {"mode": world.inherited_from}

    def membership(body: dict[str, Any]) -> dict[str, Any]:
        """{"group": code, "add": [logins], "remove": [logins]}: direct members of an Entra group. Touches no document."""
        members, _ = world.groups[body["group"]]
        for login in body.get("add", []):
            if person(login).login not in members:
                members.append(person(login).login)
        for login in body.get("remove", []):
            members.remove(login)
        return {"group": body["group"], "members": members}

    known = {
        "truth": truth,
        "effective": effective,
        "expire_tokens": expire_tokens,
        "tokens_given": tokens_given,
        "set_certificate_expired": set_certificate_expired,
        "set_secret_expired": set_secret_expired,
        "inherited_from": inherited_from,
        "membership": membership,
        "advanced": lambda _: None,
        **control_doings.verbs(world, settings.clock),
    }
    return {**{name: told(verb) for name, verb in known.items()}, "fault": faults.set, "heal": faults.heal}
