"""The first day: both sites with libraries, pages, lists and the permissions that have piled up since 2015."""

from __future__ import annotations

import random
from datetime import UTC, date, datetime, time, timedelta
from pathlib import Path
from typing import Any

from infra.sandbox.clock import JST
from infra.sandbox.company.people import GROUPS, PEOPLE, person, stable_id
from infra.sandbox.sharepoint.content import catalogue, rows
from infra.sandbox.sharepoint.content.document import Document
from infra.sandbox.sharepoint.content.shelf import Shelf
from infra.sandbox.sharepoint.principals import MEMBERS, OWNERS, SIXTH, VISITORS, eeeu, ensured, entra, user
from infra.sandbox.sharepoint.world import EDIT, FULL_CONTROL, LIMITED_ACCESS, READ, Entry, Link, Listing, Principal, Site, World

QUALITY, HR = "quality", "jinji"
EDITORS = {
    QUALITY: ["misaki.sato", "ren.nakamura", "aoi.kobayashi", "kaito.sasaki", "emma.wilson"],
    HR: ["nanami.shimizu", "yuma.saito"],
}
GUEST = next(someone.login for someone in PEOPLE if someone.guest)
INSTRUMENT_COUNT, ACTION_COUNT = 40, 30
_FORGOTTEN = datetime(2015, 4, 10, 1, 0, tzinfo=UTC)


def found(origin: datetime, seed: int, state: Path) -> World:
    """The world as it stood at ``origin``. Items' dates lie 30 to 900 days before it; the forgotten folder's are of 2015."""
    world = World(Shelf(state / f"files-{seed}"), seed)
    for one in GROUPS:
        world.groups[one.code] = (list(one.members), list(one.nested))
    quality = _site(world, QUALITY, "品質ポータル", datetime(2014, 9, 1, tzinfo=UTC))
    hr = _site(world, HR, "人事ポータル", datetime(2014, 10, 1, tzinfo=UTC))
    for site, titles in ((quality, ("製品マニュアル", "品質規程")), (hr, ("規程と通知",))):
        for title in titles:
            _listing(world, site, title, title, "documentLibrary")
        _listing(world, site, "サイトのページ", "SitePages", "webPageLibrary")
    _documents(world, origin)
    _pages(world, origin)
    _rows(world, quality, origin)
    _quality_permissions(quality)
    _hr_permissions(hr)
    for site in world.sites.values():
        site.log.forget()
    return world


def _site(world: World, key: str, title: str, created: datetime) -> Site:
    site = Site(key, title, stable_id("site collection", key), stable_id("web", key), created)
    world.sites[key] = site
    for number, name in ((OWNERS, "所有者"), (VISITORS, "閲覧者"), (MEMBERS, "メンバー")):
        site.principals[number] = Principal(number, "site", name, f"{title} {name}")
    return site


def _listing(world: World, site: Site, title: str, url_name: str, template: str) -> Listing:
    listing = Listing(stable_id("list", f"{site.key}:{title}"), title, url_name, template, site)
    site.lists.append(listing)
    world.add(listing, None, "root", "root", site.created, person(EDITORS[site.key][0]).login)
    return listing


def folder(world: World, listing: Listing, names: list[str], at: datetime, who: str) -> Entry:
    """The folder at a path, made on the way where it is missing."""
    here = listing.root
    for name in names:
        below = next((child for child in listing.children(here) if child.name == name), None)
        here = below or world.add(listing, here, name, "folder", at, who)
    return here


def place(world: World, document: Document, at: datetime, who: str) -> tuple[Listing, Entry]:
    """A new file where its document's path says."""
    library, *folders, name = document.path.split("/")
    listing = next(one for one in world.listings() if one.title == library)
    (stored,) = world.shelf.store([document])
    return listing, world.add(listing, folder(world, listing, folders, at, who), name, "file", at, who, document=document, stored=stored)


def _dated(rng: random.Random, origin: datetime) -> tuple[datetime, datetime]:
    modified = origin - timedelta(days=rng.randrange(30, 500), minutes=rng.randrange(1440))
    return modified - timedelta(days=rng.randrange(0, 400)), modified


def _documents(world: World, origin: datetime) -> None:
    documents = catalogue.documents(world.seed)
    kept = world.shelf.store(documents)
    for document, stored in zip(documents, kept, strict=True):
        rng = random.Random(f"{world.seed}:dates:{document.path}")
        library, *folders, name = document.path.split("/")
        listing = next(one for one in world.listings() if one.title == library)
        who = person(rng.choice(EDITORS[listing.site.key])).login
        forgotten = "2015年度共有" in folders
        created, modified = (_FORGOTTEN, _FORGOTTEN + timedelta(days=rng.randrange(90))) if forgotten else _dated(rng, origin)
        parent = folder(world, listing, folders, _FORGOTTEN if forgotten else origin - timedelta(days=1000), who)
        entry = world.add(listing, parent, name, "file", created, who, document=document, stored=stored)
        entry.modified = modified


def _pages(world: World, origin: datetime) -> None:
    pages = catalogue.pages(world.seed)
    for page, stored in zip(pages, world.shelf.store(pages), strict=True):
        rng = random.Random(f"{world.seed}:dates:{page.path}")
        site = world.sites[page.path.split("/")[0]]
        listing = site.listing("サイトのページ")
        who = person(rng.choice(EDITORS[site.key])).login
        created, modified = _dated(rng, origin)
        entry = world.add(
            listing, listing.root, page.name, "page", created, who, document=page, stored=stored, fields={"Title": page.title}
        )
        entry.modified = modified


def _rows(world: World, site: Site, origin: datetime) -> None:
    instruments = _listing(world, site, rows.INSTRUMENTS, "Instruments", "genericList")
    actions = _listing(world, site, rows.ACTIONS, "CorrectiveActions", "genericList")
    for listing in (instruments, actions):
        listing.columns = rows.columns(listing.title, instruments.guid)
    for number in range(1, INSTRUMENT_COUNT + 1):
        add_row(world, instruments, rows.instrument(world.seed, number), origin - timedelta(days=400 - number))
    for number in range(1, ACTION_COUNT + 1):
        add_row(world, actions, rows.action(world.seed, number, INSTRUMENT_COUNT), origin - timedelta(days=200 - number))


def add_row(world: World, listing: Listing, row: rows.Row, at: datetime) -> Entry:
    """A list row, its values in the shapes Graph gives them."""
    responsible = row.values.get("担当者") or row.values["管理者"]
    fields = field_values(listing.site, listing.columns, row)
    return world.add(listing, listing.root, str(row.values["Title"]), "row", at, responsible, fields=fields)


def field_values(site: Site, columns: list[dict[str, Any]], row: rows.Row) -> dict[str, Any]:
    """Values by internal name; an empty cell is an absent key. A day is midnight in Japan, told in UTC, as SharePoint does."""
    by_display = {column["displayName"]: column for column in columns} | {"Title": columns[0]}
    fields: dict[str, Any] = {}
    for display, value in row.values.items():
        column = by_display[display]
        name = column["name"]
        if "personOrGroup" in column:
            if column["personOrGroup"]["allowMultipleSelection"]:
                people = [(user(site, login), person(login)) for login in value]
                fields[name] = [{"LookupId": p.number, "LookupValue": who.name, "Email": who.mail} for p, who in people]
            else:
                fields[f"{name}LookupId"] = str(user(site, value).number)
        elif "lookup" in column:
            fields[f"{name}LookupId"] = str(value)
        elif isinstance(value, date):
            fields[name] = datetime.combine(value, time(), JST).astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        elif "hyperlinkOrPicture" in column:
            fields[name] = {"Description": value[0], "Url": f"https://docs.sakura-seiki.example/{value[1]}"}
        elif isinstance(value, list):
            fields[f"{name}@odata.type"] = "Collection(Edm.String)"
            fields[name] = value
        else:
            fields[name] = value
    return fields


def _fill(site: Site, number: int, *members: Principal) -> None:
    site.principals[number].members = [member.number for member in members]


def _base(site: Site) -> dict[int, set[int]]:
    return {OWNERS: {FULL_CONTROL}, VISITORS: {READ}, MEMBERS: {EDIT}}


def _limit(site: Site, listing: Listing, *principals: Principal) -> None:
    """What SharePoint adds above a lone grant so that people can reach it: a binding that opens no content."""
    for key in (listing.guid, "web"):
        if key in site.grants:
            for principal in principals:
                site.grants[key].setdefault(principal.number, set()).add(LIMITED_ACCESS)


def _entry(listing: Listing, path: str) -> Entry:
    entry = listing.find(path.split("/"))
    if entry is None:
        raise KeyError(f"the founding texts hold no {listing.title}/{path}")
    return entry


def _quality_permissions(site: Site) -> None:
    manuals, rules = site.listing("製品マニュアル"), site.listing("品質規程")
    site.principals[SIXTH] = Principal(SIXTH, "site", "監査チーム", "監査チーム")
    board, engineering, desk = entra(site, "quality-board"), entra(site, "engineering-all"), entra(site, "support-desk")
    _fill(site, OWNERS, user(site, person("misaki.sato").login))
    _fill(site, MEMBERS, entra(site, "quality-members"))
    visitors = ("sales-all", "manufacturing-all", "managers")
    _fill(site, VISITORS, engineering, desk, *(entra(site, code) for code in visitors))
    _fill(site, SIXTH, board)
    guest, head = user(site, GUEST), user(site, person("misaki.sato").login)
    administrator = user(site, person("akari.mori").login)
    administrator.site_admin = True
    site.grants["web"] = _base(site)
    site.grants[rules.guid] = _base(site)

    secret = _entry(rules, "監査結果")
    site.grants[secret.guid] = {SIXTH: {READ}, OWNERS: {FULL_CONTROL}}
    site.grants[_entry(rules, "監査結果/製品安全会議_議事要旨.pdf").guid] = {
        head.number: {FULL_CONTROL},
        entra(site, "managers").number: {READ},
    }
    site.grants[_entry(rules, "客先クレーム").guid] = {desk.number: {READ}, MEMBERS: {EDIT}, OWNERS: {FULL_CONTROL}}
    site.grants[_entry(manuals, "開発中").guid] = {engineering.number: {EDIT}, board.number: {READ}}
    shared = _entry(manuals, "共通/製品共通_安全上の注意.pdf")
    site.grants[shared.guid] = {**_base(site), guest.number: {READ}}
    site.grants[_entry(site.listing("サイトのページ"), "品質会議メンバー専用.aspx").guid] = {board.number: {READ}, OWNERS: {FULL_CONTROL}}
    for number in (3, 11):
        row = site.listing(rows.ACTIONS).by_number(number)
        assert row is not None
        site.grants[row.guid] = {board.number: {EDIT}, OWNERS: {FULL_CONTROL}}
    _limit(site, rules, head, entra(site, "managers"), desk, site.principals[SIXTH])
    _limit(site, manuals, guest, engineering, board)
    share_organization(site, _entry(manuals, "共通/Spare_Parts_Ordering_Guide.html"))


def _hr_permissions(site: Site) -> None:
    library = site.listing("規程と通知")
    site.principals[SIXTH] = Principal(SIXTH, "site", "2015年度プロジェクト共有", "2015年度プロジェクト共有")
    confidential, managers = entra(site, "hr-confidential"), entra(site, "managers")
    everyone = eeeu(site)
    _fill(site, OWNERS, user(site, person("nanami.shimizu").login))
    _fill(site, MEMBERS, confidential)
    staff = ("sales-all", "engineering-all", "manufacturing-all", "quality-members", "it-admins")
    _fill(site, VISITORS, managers, *(entra(site, code) for code in staff), user(site, person("hiroto.hayashi").login))
    # The grant nobody remembers: not on the folder itself but inside a group with a harmless name.
    _fill(site, SIXTH, user(site, person("yuma.saito").login), everyone)
    user(site, person("riku.ikeda").login).site_admin = True
    site.grants["web"] = _base(site)
    site.grants[_entry(library, "評価").guid] = {confidential.number: {EDIT}, OWNERS: {FULL_CONTROL}}
    site.grants[_entry(library, "2015年度共有").guid] = {SIXTH: {READ}, OWNERS: {FULL_CONTROL}}
    site.grants[_entry(library, "役員").guid] = {managers.number: {READ}, MEMBERS: {EDIT}, OWNERS: {FULL_CONTROL}}
    _limit(site, library, site.principals[SIXTH], confidential, managers)


def share_organization(site: Site, entry: Entry) -> None:
    """An organization link that nobody has used yet: it breaks inheritance, and its hidden group has no members."""
    link = stable_id("link", entry.guid)
    hidden = ensured(
        site, "site", f"SharingLinks.{entry.guid}.OrganizationView.{link}", f"SharingLinks.{entry.guid}.OrganizationView.{link}"
    )
    entry.links = [Link(f"u!{link.replace('-', '')}", "organization", "view", hidden.number)]
    site.grants[entry.guid] = {**_base(site), hidden.number: {READ}}
