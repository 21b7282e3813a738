"""A small site, as a new team is given one: two libraries with a folder or two, a list, pages, and the three groups every site has."""

from __future__ import annotations

from datetime import datetime

from infra.sandbox.company.people import PEOPLE, stable_id
from infra.sandbox.sharepoint import doings
from infra.sandbox.sharepoint.content.rows import column
from infra.sandbox.sharepoint.principals import MEMBERS, OWNERS, VISITORS, entra, user
from infra.sandbox.sharepoint.world import EDIT, FULL_CONTROL, READ, Listing, Principal, Site, World

LIBRARIES, LIST, PAGES = ("文書", "控え"), "記録", "サイトのページ"
_TEXT = {"text": {"allowMultipleLines": False, "appendChangesToExistingText": False, "linesForEditing": 0, "maxLength": 255}}
_FILES = ("手順.html", "月次/一月.html", "月次/二月.html", "月次/集計/年間.html")


def add(world: World, key: str, at: datetime) -> Site:
    """The site ``/sites/<key>``. ValueError where there is one already."""
    if key in world.sites:
        raise ValueError(f"there is a site {key} already")
    site = Site(key, f"{key} サイト", stable_id("site collection", key), stable_id("web", key), at)
    for number, name in ((OWNERS, "所有者"), (VISITORS, "閲覧者"), (MEMBERS, "メンバー")):
        site.principals[number] = Principal(number, "site", name, f"{site.title} {name}")
    owner = PEOPLE[1].login
    site.principals[OWNERS].members = [user(site, owner).number]
    site.principals[MEMBERS].members = [entra(site, "quality-members").number]
    site.principals[VISITORS].members = [entra(site, "managers").number]
    site.grants["web"] = {OWNERS: {FULL_CONTROL}, VISITORS: {READ}, MEMBERS: {EDIT}}
    world.sites[key] = site
    libraries = [_listing(world, site, title, "documentLibrary", at) for title in LIBRARIES]
    rows, pages = _listing(world, site, LIST, "genericList", at), _listing(world, site, PAGES, "webPageLibrary", at)
    rows.columns = [
        {**column(f"{key}:{LIST}", "Title", _TEXT, required=True), "displayName": "タイトル"},
        column(f"{key}:{LIST}", "備考", _TEXT),
    ]
    for path in _FILES:
        _file(world, libraries[0], path, at, owner)
    for number in range(1, 4):
        doings.create(world, rows, rows.root, f"記録{number}", "row", at, owner, fields={})
    for name in ("案内.aspx", "予定.aspx"):
        doings.create(world, pages, pages.root, name, "page", at, owner, fields={})
    return site


def _listing(world: World, site: Site, title: str, template: str, at: datetime) -> Listing:
    listing = Listing(stable_id("list", f"{site.key}:{title}"), title, f"L{len(site.lists)}", template, site)
    site.lists.append(listing)
    world.add(listing, None, "root", "root", at, PEOPLE[1].login)
    return listing


def _file(world: World, listing: Listing, path: str, at: datetime, who: str) -> None:
    here = listing.root
    *folders, name = path.split("/")
    for folder in folders:
        below = listing.find([*listing.path(here), folder])
        here = below or doings.create(world, listing, here, folder, "folder", at, who, fields={})
    doings.create(world, listing, here, name, "file", at, who, fields={})
