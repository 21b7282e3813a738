"""The control verbs that act as people do: bodies into ``doings`` and ``sharing``. An item is named by id, unique id, or path from its list on."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from datetime import datetime
from typing import Any

from infra.sandbox.clock import SandboxClock
from infra.sandbox.company.people import person
from infra.sandbox.sharepoint import doings, sharing
from infra.sandbox.sharepoint.finding import found, listing_of, row
from infra.sandbox.sharepoint.founding import EDITORS, QUALITY
from infra.sandbox.sharepoint.principals import named, site_group, user
from infra.sandbox.sharepoint.sharing import Place, at_entry
from infra.sandbox.sharepoint.world import ROLES, Entry, Link, Listing, World

Body = dict[str, Any]
_ROLE_KINDS = {"read": 2, "contribute": 3, "edit": 6, "full": 5, "limited": 1, "listing": 0}


def verbs(world: World, clock: SandboxClock) -> dict[str, Callable[[Body], Any]]:
    """Verb → function of the request's body; ValueError and KeyError carry the sentence for the caller."""
    acts = _Acts(world, clock)
    names = (
        "create", "edit", "move", "rename", "delete", "restore", "recycle_bin", "share", "unshare", "redeem", "grant", "revoke",
        "break_inheritance", "restore_inheritance", "site_group", "remove_user",
    )  # fmt: skip
    return {name: getattr(acts, name) for name in names}


class _Acts:
    def __init__(self, world: World, clock: SandboxClock) -> None:
        self._world, self._clock = world, clock

    # -- content ----------------------------------------------------------------------------------------------------------------

    def create(self, body: Body) -> Body:
        """``{"path": "list/folder/name", "kind"?, "text"?, "fields"?, "login"?, "empty"?}``: a file, folder, page or row; ``empty``: a file of no bytes."""
        listing, parent, name = self._target(str(body["path"]), str(body.get("site", "")))
        default = {"genericList": "row", "webPageLibrary": "page"}.get(listing.template, "file")
        made = doings.create(
            self._world,
            listing,
            parent,
            name,
            str(body.get("kind", default)),
            self._now,
            self._who(listing, body),
            text=str(body.get("text", "")),
            fields=dict(body.get("fields", {})),
            empty=bool(body.get("empty")),
        )
        return row(listing, made)

    def edit(self, body: Body) -> Body:
        """``{"item", "text"?, "fields"?, "login"?}``: new content, or values by internal column name; null empties a cell."""
        listing, entry = found(self._world, body["item"])
        fields = dict(body.get("fields", {}))
        doings.edit(self._world, listing, entry, self._now, self._who(listing, body), text=str(body.get("text", "")), fields=fields)
        return row(listing, entry)

    def move(self, body: Body) -> Body:
        """``{"item", "to": "list/folder", "login"?}``: into another folder; in another library it is a new item."""
        listing, entry = found(self._world, body["item"])
        title, *names = str(body["to"]).split("/")
        there = listing_of(self._world, title)
        parent = there.find(names)
        if parent is None:
            raise KeyError(f"no folder {body['to']}")
        return row(there, doings.move(self._world, listing, entry, there, parent, self._now, self._who(listing, body)))

    def rename(self, body: Body) -> Body:
        """``{"item", "name", "login"?}``."""
        listing, entry = found(self._world, body["item"])
        doings.rename(self._world, listing, entry, str(body["name"]), self._now, self._who(listing, body))
        return row(listing, entry)

    def delete(self, body: Body) -> Body:
        """``{"item", "alone"?}``: into the recycle bin, with all that is below; ``alone``: the feed names the item and nothing in it."""
        listing, entry = found(self._world, body["item"])
        told = row(listing, entry)
        with self._told(body):
            doings.delete(self._world, listing, entry, self._now)
        return told

    def restore(self, body: Body) -> Body:
        """``{"item", "alone"?}``: out of the recycle bin, by id, unique id or the path it had; ``alone`` as with ``delete``."""
        listing, entry = doings.binned(self._world, str(body["item"]))
        with self._told(body):
            doings.restore(self._world, listing, entry, self._now)
        return row(listing, entry)

    def recycle_bin(self, body: Body) -> Body:
        """``{"site"}``: what was deleted by itself and can be restored."""
        lists = self._world.sites[body["site"]].lists
        items = [(one, entry) for one in lists for entry in one.entries.values() if entry.deleted and entry.deleted_with == entry.id]
        return {"items": [{"id": entry.id, "path": "/".join([one.title, *one.path(entry)])} for one, entry in items]}

    # -- rights -----------------------------------------------------------------------------------------------------------------

    def share(self, body: Body) -> Body:
        """``{"item", "scope", "type"?, "logins"?, "expires"?: ISO instant}``: a sharing link."""
        place = self._place(body)
        logins = [person(one).login for one in body.get("logins", [])]
        expires = datetime.fromisoformat(body["expires"]) if body.get("expires") else None
        link = sharing.share(self._world, place, self._now, str(body["scope"]), str(body.get("type", "view")), logins, expires)
        return self._state(place) | {"share_id": link.share_id, "group": link.group}

    def unshare(self, body: Body) -> Body:
        """``{"item", "share_id"?}``: a link is taken away; without an id, all links of the item."""
        place = self._place(body)
        assert place.entry is not None
        for link in [self._link(place, body)] if "share_id" in body else list(place.entry.links):
            sharing.unshare(self._world, place, link, self._now)
        return self._state(place)

    def redeem(self, body: Body) -> Body:
        """``{"item", "share_id"?, "login"}``: a person opens the link, and is in its hidden group from then on."""
        place = self._place(body)
        sharing.redeem(place, self._link(place, body), person(str(body["login"])).login, self._now)
        return self._state(place)

    def grant(self, body: Body) -> Body:
        """``{"item"|"list"|"site", "login"|"who", "role"?}``: a role (read by default), inheritance broken first if need be."""
        place = self._place(body)
        kind = str(body.get("role", "read"))
        if kind not in _ROLE_KINDS:
            raise ValueError(f"roles are: {', '.join(_ROLE_KINDS)}")
        role = next(number for number, (role_kind, *_) in ROLES.items() if role_kind == _ROLE_KINDS[kind])
        who = named(self._world, place.site, str(body.get("who") or body["login"]))
        sharing.grant(self._world, place, who, self._now, role)
        return self._state(place)

    def revoke(self, body: Body) -> Body:
        """``{"item"|"list"|"site", "login"|"who"}``: their own grant there goes; what reaches them by another way stays."""
        place = self._place(body)
        sharing.revoke(self._world, place, named(self._world, place.site, str(body.get("who") or body["login"])), self._now)
        return self._state(place)

    def break_inheritance(self, body: Body) -> Body:
        """``{"item"|"list", "copy"?}``: rights of its own, those it inherited or (``copy`` false) only the owners'."""
        place = self._place(body)
        sharing.break_inheritance(self._world, place, self._now, copy=bool(body.get("copy", True)))
        return self._state(place)

    def restore_inheritance(self, body: Body) -> Body:
        """``{"item"|"list"}``: it inherits again; its links are gone."""
        place = self._place(body)
        sharing.restore_inheritance(self._world, place, self._now)
        return self._state(place)

    def site_group(self, body: Body) -> Body:
        """``{"site", "group": number or title, "add"?, "remove"?}``: members by login, Entra group code, everyone or eeeu."""
        site = self._world.sites[body["site"]]
        group = site_group(site, str(body["group"]))
        add, remove = ([named(self._world, site, str(one)) for one in body.get(side, [])] for side in ("add", "remove"))
        sharing.site_group(site, group, self._now, add=add, remove=remove)
        return {"group": group.number, "title": group.title, "members": [site.principals[number].title for number in group.members]}

    def remove_user(self, body: Body) -> Body:
        """``{"site", "login"}``: somebody is taken off the site, and out of all its groups with that."""
        login = person(str(body["login"])).login
        sharing.remove_user(self._world.sites[body["site"]], login, self._now)
        return {"login": login}

    # -- what bodies name ---------------------------------------------------------------------------------------------------------

    @property
    def _now(self) -> datetime:
        return self._clock.now()

    def _told(self, body: Body) -> AbstractContextManager[None]:
        return self._world.told_alone() if body.get("alone") else nullcontext()

    def _who(self, listing: Listing, body: Body) -> str:
        login = person(str(body["login"])).login if "login" in body else person(EDITORS.get(listing.site.key, EDITORS[QUALITY])[0]).login
        user(listing.site, login)
        return login

    def _target(self, path: str, site: str) -> tuple[Listing, Entry, str]:
        title, *folders = path.split("/")
        if not folders:
            raise ValueError("a path is list/folder/name")
        listing = listing_of(self._world, title, site)
        parent = listing.find(folders[:-1])
        if parent is None:
            raise KeyError(f"no folder {path.rpartition('/')[0]}")
        return listing, parent, folders[-1]

    def _place(self, body: Body) -> Place:
        if "item" in body:
            return at_entry(*found(self._world, body["item"]))
        if "list" in body:
            listing = listing_of(self._world, str(body["list"]), str(body.get("site", "")))
            return Place(listing.site, listing)
        return Place(self._world.sites[body["site"]])

    def _link(self, place: Place, body: Body) -> Link:
        links = place.entry.links if place.entry else []
        if "share_id" not in body and len(links) == 1:
            return links[0]
        link = next((one for one in links if one.share_id == body.get("share_id")), None)
        if link is None:
            raise ValueError(f"the item has {len(links)} links, and none of that id")
        return link

    def _state(self, place: Place) -> Body:
        if place.listing is not None and place.entry is not None:
            return row(place.listing, place.entry)
        return {"site": place.site.key, "list": place.listing.title if place.listing else "", "unique": place.unique}
