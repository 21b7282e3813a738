"""The verbs behind ``/_sandbox/``: truth, effective access, faults, and changes of rights that tests need."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import asdict
from typing import Any

from infra.sandbox.breaks import Breakage
from infra.sandbox.company.people import PEOPLE, person, stable_id
from infra.sandbox.settings import Settings
from infra.sandbox.sharepoint import bulk, control_doings, life, tenancy
from infra.sandbox.sharepoint.authority import Authority
from infra.sandbox.sharepoint.breaks import BREAKS, Tenant
from infra.sandbox.sharepoint.effective import may_find
from infra.sandbox.sharepoint.finding import asked, row
from infra.sandbox.sharepoint.graph_directory import everybody_in
from infra.sandbox.sharepoint.mishaps import Mishaps
from infra.sandbox.sharepoint.subscriptions import Subscriptions
from infra.sandbox.sharepoint.throttle import Limit, Meter
from infra.sandbox.sharepoint.world import World


def verbs(
    world: World, authority: Authority, settings: Settings, mishaps: Mishaps, meter: Meter, subscriptions: Subscriptions
) -> dict[str, Callable[[dict[str, Any]], Any]]:
    """Verb → function of the request's body. ``advanced`` is what runs after the clock has moved."""
    breakage = Breakage(Tenant(world, authority, mishaps, settings.clock), BREAKS)

    def told(verb: Callable[[dict[str, Any]], Any]) -> Callable[[dict[str, Any]], Any]:
        def locked(body: dict[str, Any]) -> Any:
            life.catch_up(world, settings.clock)
            with world.lock:
                return verb(body)

        return locked

    def truth(body: dict[str, Any]) -> dict[str, Any]:
        site = world.sites[body["site"]]
        counts = {listing.title: sum(1 for entry in listing.living() if entry.kind != "folder") for listing in site.lists}
        found = {"site": site.key, "count": sum(listing.count() for listing in site.lists), "counts": counts, "day": world.day}
        if body.get("count_only"):
            return found
        return {**found, "items": [row(listing, entry) for listing in site.lists for entry in listing.living()]}

    def effective(body: dict[str, Any]) -> dict[str, Any]:
        logins = [person(login).login for login in body.get("logins") or [one.login for one in PEOPLE]]
        rows = []
        for listing, entry in asked(world, body.get("items")):
            readers = [login for login in logins if may_find(world, login, listing, entry)]
            rows.append({**row(listing, entry), "readers": readers})
        return {"items": rows}

    def expire_tokens(_: dict[str, Any]) -> dict[str, Any]:
        world.epoch += 1
        return {"epoch": world.epoch}

    def tokens_given(_: dict[str, Any]) -> dict[str, Any]:
        """How many access tokens the authority has given out so far, how often it was asked, and the last assertion's header."""
        return {"count": authority.given, "asked": authority.asked, "assertion": authority.assertion}

    def sign_in(body: dict[str, Any]) -> dict[str, Any]:
        """{"login", "audience", "scope"?, "groups"?: "all" | "too_many" | "none"}: a person's own access token for an API of the tenant."""
        someone = person(body["login"])
        flat = everybody_in(world)
        inside = [world.group(code).entra_id for code in world.groups if someone.login in flat[code]]
        ways = {"all": inside, "too_many": inside + [stable_id("group", f"far-{n}") for n in range(201)], "none": None}
        token = authority.sign_in(
            someone,
            audience=str(body["audience"]),
            scope=str(body.get("scope", "access_as_user")),
            groups=ways[body.get("groups", "none")],
            graph=settings.https_url,
        )
        return {"token": token}

    def challenge(body: dict[str, Any]) -> dict[str, Any]:
        """{"nonce", "in_vain"?}: every token is taken back, and a 401 asks for one with these claims; without a nonce that is over."""
        authority.challenge(str(body.get("nonce", "")), in_vain=bool(body.get("in_vain")))
        return {"claims": authority.challenged}

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
            members.remove(person(login).login)
        return {"group": body["group"], "members": members}

    def fault(body: dict[str, Any]) -> dict[str, Any]:
        """{"kind", "count"?, "skip"?, "path"?, "retry_after"?}: so many requests meet it."""
        options = {name: int(body[name]) for name in ("count", "skip", "retry_after") if name in body}
        mishaps.add(str(body["kind"]), path=str(body.get("path", "")), **options)
        return {"waiting": len(mishaps)}

    def heal(body: dict[str, Any]) -> dict[str, Any]:
        """Take faults away and undo breaks, the newest first; ``name`` heals that one break only. ``unmet``: faults not fully met."""
        name = body.get("name")
        healed, _ = breakage.heal(name)
        return {"healed": healed, "unmet": mishaps.clear() if name is None else 0, "waiting": len(mishaps)}

    def add_bulk(body: dict[str, Any]) -> dict[str, Any]:
        """{"items": n}: one more site with a library of so many items, two of a hundred with rights of their own. Says how to reach it."""
        listing = bulk.add(world, int(body["items"]), settings.clock.now())
        scopes = sum(key not in ("web", listing.guid) for key in listing.site.grants)
        return {
            "site": listing.site.key,
            "site_url": f"{settings.https_url}/sites/{listing.site.key}",
            "drive_id": listing.drive_id,
            "list_id": listing.guid,
            "items": listing.count(),
            "unique": scopes,
        }

    def throttle(body: dict[str, Any]) -> dict[str, Any]:
        """{"licences"?, "units_per_minute"?, "units_per_day"?}: from now on an app that uses more is refused; an empty body ends that."""
        if body:
            usual = Limit.of(int(body.get("licences", 1)))
            meter.limit = Limit(int(body.get("units_per_minute", usual.minute)), int(body.get("units_per_day", usual.day)))
        else:
            meter.limit = None
        return {"limit": None if meter.limit is None else asdict(meter.limit)}

    def lifecycle(body: dict[str, Any]) -> dict[str, Any]:
        """{"event", "id"?}: reauthorizationRequired (which stops notices until it is renewed), subscriptionRemoved or missed."""
        return {"told": subscriptions.lifecycle(str(body["event"]), str(body.get("id", "")))}

    known = {
        "subscriptions": lambda _: {"subscriptions": subscriptions.told()},
        "lifecycle": lifecycle,
        "truth": truth,
        "effective": effective,
        "expire_tokens": expire_tokens,
        "tokens_given": tokens_given,
        "challenge": challenge,
        "sign_in": sign_in,
        "set_certificate_expired": set_certificate_expired,
        "set_secret_expired": set_secret_expired,
        "inherited_from": inherited_from,
        "membership": membership,
        "advanced": lambda _: None,
        "fault": fault,
        "bulk": add_bulk,
        "throttle": throttle,
        "units": lambda body: meter.told(reset=bool(body.get("reset"))),
        "breaks": lambda _: {"breaks": breakage.listed()},
        "break": breakage.do,
        "heal": heal,
        **control_doings.verbs(world, settings.clock),
        **tenancy.verbs(world, authority, settings.clock),
    }
    return {name: told(verb) for name, verb in known.items()}
