"""Control verbs for what an administrator arranges: sites, groups with owners, deleted principals, consent, what a list or a file is."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from infra.sandbox.clock import SandboxClock
from infra.sandbox.company.people import Group, person
from infra.sandbox.sharepoint import small
from infra.sandbox.sharepoint.authority import Authority
from infra.sandbox.sharepoint.consent import ROLES, SITE_ROLES
from infra.sandbox.sharepoint.finding import found, listing_of, row
from infra.sandbox.sharepoint.world import World

Body = dict[str, Any]


def verbs(world: World, authority: Authority, clock: SandboxClock) -> dict[str, Callable[[Body], Any]]:
    """Verb → function of the request's body. All of this is off until a verb adds it."""

    def site(body: Body) -> Body:
        """``{"key"}``: one more site, a small one, with two libraries, a list and pages."""
        made = small.add(world, str(body["key"]), clock.now())
        return {"site": made.key, "path": f"/sites/{made.key}", "lists": {one.title: one.guid for one in made.lists}}

    def m365_group(body: Body) -> Body:
        """``{"code", "name"?, "members", "owners", "hidden"?}``: a Microsoft 365 group; grants name it by its code, its owners by owners:CODE."""
        code = str(body["code"])
        if code in world.groups:
            raise ValueError(f"there is a group {code} already")
        members, owners = ([person(str(one)).login for one in body.get(side, [])] for side in ("members", "owners"))
        world.made[code] = Group(code, str(body.get("name", code)), code)
        world.groups[code], world.owners[code] = (members, []), owners
        if body.get("hidden"):
            world.hidden.add(code)
        return {"group": code, "id": world.made[code].entra_id}

    def delete_principal(body: Body) -> Body:
        """``{"login"}`` or ``{"group": code}``: gone from the directory. The sites still name it: it is an orphan there."""
        if "group" in body:
            code = str(body["group"])
            world.groups.pop(code)
            for _, nested in world.groups.values():
                nested[:] = [one for one in nested if one != code]
            return {"group": code}
        login = person(str(body["login"])).login
        world.gone.add(login)
        for members in [*(direct for direct, _ in world.groups.values()), *world.owners.values()]:
            members[:] = [one for one in members if one != login]
        return {"login": login}

    def everyone_claim(body: Body) -> Body:
        """``{"guests": bool}``: whether guests hold "Everyone" (ShowEveryoneClaim)."""
        world.guests_hold_everyone = bool(body["guests"])
        return {"guests": world.guests_hold_everyone}

    def token_roles(body: Body) -> Body:
        """``{"roles"?, "at"?: {audience: roles}, "sites"?: {site: read|write|manage|fullcontrol}, "told"?}``: what tokens say from now on.

        An empty body is the usual consent. ``told`` false: an app of selected sites may not ask what it was granted.
        """
        authority.roles = [str(one) for one in body.get("roles", ROLES)]
        authority.roles_at = {str(at).rstrip("/"): [str(one) for one in said] for at, said in body.get("at", {}).items()}
        world.tells_grants = bool(body.get("told", True))
        for site in world.sites.values():
            role = str(body.get("sites", {}).get(site.key, ""))
            if role not in ("", *SITE_ROLES):
                raise ValueError(f"a site grants one of: {', '.join(SITE_ROLES)}")
            site.app_role = role
        return {
            "roles": authority.roles,
            "at": authority.roles_at,
            "sites": {key: site.app_role for key, site in world.sites.items() if site.app_role},
        }

    def read_security(body: Body) -> Body:
        """``{"list", "value": 1|2}``: with 2 everybody sees only the items they made."""
        listing = listing_of(world, str(body["list"]), str(body.get("site", "")))
        if body["value"] not in (1, 2):
            raise ValueError("ReadSecurity is 1 (all items) or 2 (only one's own)")
        listing.read_security = int(body["value"])
        return {"list": listing.title, "value": listing.read_security}

    def draft(body: Body) -> Body:
        """``{"item", "published"?}``: not published yet, seen by those who may edit it; its list keeps minor versions from now on."""
        listing, entry = found(world, body["item"])
        listing.drafts = True
        entry.level = "published" if body.get("published") else "draft"
        world.edit_fields(listing, entry, {}, clock.now(), entry.editor)
        return row(listing, entry)

    def check_out(body: Body) -> Body:
        """``{"item", "login"?, "in"?}``: a file that was never checked in is its author's alone; ``in`` checks it in."""
        listing, entry = found(world, body["item"])
        entry.checked_out = "" if body.get("in") else person(str(body.get("login", entry.author))).login
        world.edit_fields(listing, entry, {}, clock.now(), entry.editor)
        return row(listing, entry)

    def infect(body: Body) -> Body:
        """``{"item", "clean"?}``: the scanner found malware in a file."""
        listing, entry = found(world, body["item"])
        if entry.stored is None:
            raise ValueError("only a file can be infected")
        entry.malware = "" if body.get("clean") else "Win32/EICAR_Test_File"
        world.touch(listing, entry, clock.now())
        return row(listing, entry)

    return {
        "site": site,
        "m365_group": m365_group,
        "delete_principal": delete_principal,
        "everyone_claim": everyone_claim,
        "token_roles": token_roles,
        "read_security": read_security,
        "draft": draft,
        "check_out": check_out,
        "infect": infect,
    }
