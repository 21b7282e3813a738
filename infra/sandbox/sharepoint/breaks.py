"""What can go wrong with a SharePoint tenant, by name: feeds, columns, folders, whole sites, rights, credentials and the wire."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from datetime import datetime

from infra.sandbox.breaks import Break, Facts, OverError, Undo
from infra.sandbox.clock import SandboxClock
from infra.sandbox.company.people import person
from infra.sandbox.sharepoint import columns, doings, sharing
from infra.sandbox.sharepoint.authority import Authority
from infra.sandbox.sharepoint.finding import found, listing_of
from infra.sandbox.sharepoint.founding import EDITORS, GUEST, QUALITY
from infra.sandbox.sharepoint.mishaps import Mishaps
from infra.sandbox.sharepoint.principals import site_group, user
from infra.sandbox.sharepoint.sharing import Place, at_entry
from infra.sandbox.sharepoint.world import Entry, Listing, Site, World

ACTIONS, COLUMN = "是正処置一覧", "期限"
FOLDER, ELSEWHERE = "品質規程/検査", "品質規程/監査結果"
#: The one file that the guest reads, by a grant of their own.
SHARED = "製品マニュアル/共通/製品共通_安全上の注意.pdf"
VISITORS = "閲覧者"


@dataclass(frozen=True)
class Tenant:
    """All of one server that can be broken."""

    world: World
    authority: Authority
    mishaps: Mishaps
    clock: SandboxClock

    @property
    def now(self) -> datetime:
        return self.clock.now()

    def item(self, body: Facts, default: str) -> tuple[Listing, Entry]:
        """The item a body names; ValueError when there is none."""
        try:
            return found(self.world, str(body.get("item") or default))
        except KeyError as error:
            raise ValueError(error.args[0]) from None

    def site(self, body: Facts) -> Site:
        key = str(body.get("site") or QUALITY)
        if key not in self.world.sites:
            raise ValueError(f"there is no site {key}; there are: {', '.join(self.world.sites)}")
        return self.world.sites[key]

    def path(self, listing: Listing, entry: Entry) -> str:
        return "/".join([listing.title, *listing.path(entry)])


def _expire_delta(tenant: Tenant, body: Facts) -> tuple[Facts, None]:
    tenant.world.epoch += 1
    tenant.world.gone_again = int(body.get("count") or 1) - 1
    return {"answers": 1 + tenant.world.gone_again}, None


def _lose_permission_change(tenant: Tenant, body: Facts) -> tuple[Facts, Undo]:
    """A person's own grant on an item goes (or comes, where they had none), and Graph's feed never tells."""
    listing, entry = tenant.item(body, SHARED)
    place, who = at_entry(listing, entry), user(listing.site, person(str(body.get("login") or GUEST)).login)
    had, unique = who.number in listing.site.grants.get(entry.guid, {}), place.unique
    (sharing.revoke if had else sharing.grant)(tenant.world, place, who, tenant.now, told=False)

    def undo() -> None:
        if unique:
            (sharing.grant if had else sharing.revoke)(tenant.world, place, who, tenant.now)
        elif place.unique:
            sharing.restore_inheritance(tenant.world, place, tenant.now)

    return {"item": tenant.path(listing, entry), "login": who.key, "right": "revoked" if had else "granted"}, undo


def _column(tenant: Tenant, body: Facts) -> tuple[Listing, Facts]:
    try:
        listing = listing_of(tenant.world, str(body.get("list") or ACTIONS))
    except KeyError as error:
        raise ValueError(error.args[0]) from None
    return listing, columns.column_of(listing, str(body.get("field") or COLUMN))


def _rename_column(tenant: Tenant, body: Facts) -> tuple[Facts, Undo]:
    listing, column = _column(tenant, body)
    before = str(column["displayName"])
    columns.rename(listing, column, str(body.get("to") or f"{before}（予定）"), tenant.now)
    told = {"list": listing.title, "column": before, "to": column["displayName"], "internal": column["name"]}
    return told, lambda: columns.rename(listing, column, before, tenant.now)


def _recreate_column(tenant: Tenant, body: Facts) -> tuple[Facts, Undo]:
    listing, column = _column(tenant, body)
    if column["name"] == "Title":
        raise ValueError("the title cannot be deleted")
    undo = columns.recreate(listing, column, tenant.now)
    return {"list": listing.title, "column": column["displayName"], "internal": column["name"]}, undo


def _move_folder(tenant: Tenant, body: Facts) -> tuple[Facts, Undo]:
    listing, entry = tenant.item(body, FOLDER)
    there, parent = tenant.item({"item": body.get("to")}, ELSEWHERE)
    before, path = listing.entries[entry.parent], tenant.path(listing, entry)
    if entry.kind != "folder" or there is not listing:
        raise ValueError("a folder is moved within its library")
    editor = person(EDITORS[listing.site.key][0]).login
    doings.move(tenant.world, listing, entry, listing, parent, tenant.now, editor)

    def undo() -> None:
        doings.move(tenant.world, listing, entry, listing, before, tenant.now, editor)

    return {"folder": path, "to": tenant.path(listing, entry)}, undo


def _closed(status: str) -> Callable[[Tenant, Facts], tuple[Facts, Undo]]:
    def act(tenant: Tenant, body: Facts) -> tuple[Facts, Undo]:
        site = tenant.site(body)
        before, site.status = site.status, status
        return {"site": site.key, "status": status}, lambda: setattr(site, "status", before)

    return act


def _throttle_storm(tenant: Tenant, body: Facts) -> tuple[Facts, Undo]:
    mishap = tenant.mishaps.add(
        "429", count=int(body.get("count") or 20), skip=int(body.get("skip") or 0), path=str(body.get("path") or ""), retry_after=1
    )

    def undo() -> None:
        if not tenant.mishaps.lift(mishap):
            raise OverError

    return {"count": mishap.count, "skip": mishap.skip, "path": mishap.path, "retry_after": mishap.retry_after}, undo


def _expire_certificate(tenant: Tenant, _: Facts) -> tuple[Facts, Undo]:
    before, tenant.authority.certificate_expired = tenant.authority.certificate_expired, True
    return {}, lambda: setattr(tenant.authority, "certificate_expired", before)


def _empty_group(tenant: Tenant, body: Facts) -> tuple[Facts, Undo]:
    """A site's group, or an Entra group by its code."""
    name = str(body.get("group") or VISITORS)
    if name in tenant.world.groups:
        before = tenant.world.groups[name]
        tenant.world.groups[name] = ([], [])
        return {"group": name, "members": len(before[0]) + len(before[1])}, lambda: tenant.world.groups.update({name: before})
    site = tenant.site(body)
    group = site_group(site, name)
    members = [site.principals[number] for number in group.members]
    sharing.site_group(site, group, tenant.now, remove=members)

    def undo() -> None:
        sharing.site_group(site, group, tenant.now, add=members)

    return {"site": site.key, "group": group.title, "members": len(members)}, undo


def _folder_restore(tenant: Tenant, body: Facts) -> tuple[Facts, Undo]:
    """Into the recycle bin and, when healed, out of it; the feed names the folder alone, both times."""
    listing, entry = tenant.item(body, FOLDER)
    if entry.kind != "folder":
        raise ValueError("that is no folder")
    path = tenant.path(listing, entry)

    def undo() -> None:
        with tenant.world.told_alone():
            doings.restore(tenant.world, listing, entry, tenant.now)

    with tenant.world.told_alone():
        doings.delete(tenant.world, listing, entry, tenant.now)
    inside = sum(one.deleted_with == entry.id for one in listing.entries.values()) - 1
    return {"folder": path, "inside": inside}, undo


def _break_inheritance(tenant: Tenant, body: Facts) -> tuple[Facts, Undo]:
    listing, entry = tenant.item(body, FOLDER)
    place: Place = at_entry(listing, entry)
    sharing.break_inheritance(tenant.world, place, tenant.now, copy=False)
    return {"item": tenant.path(listing, entry)}, lambda: sharing.restore_inheritance(tenant.world, place, tenant.now)


BREAKS: dict[str, Break[Tenant]] = {
    "expire-delta": Break(
        "差分トークンを失効させる（410 と Location、count 回続く）", "Expire every delta token (410 with a Location, so many times)", _expire_delta
    ),
    "lose-permission-change": Break(
        "権限だけの変更を差分フィードが伝えない", "Change a right on an item, and let the delta feed not tell of it", _lose_permission_change
    ),
    "rename-column": Break("列の表示名を変える（内部名と ID は同じ）", "Rename a column (shown name only; id and internal name stay)", _rename_column),
    "recreate-column": Break(
        "列を同じ名前で作り直す（ID が変わり、値は消える）", "Delete a column and make it again (same names, new id, values are gone)", _recreate_column
    ),
    "move-folder": Break(
        "フォルダーを移す（中のファイルの権限も変わる）", "Move a folder, and with it who may read what is in it", _move_folder
    ),
    "archive-site": Break("サイトをアーカイブする（423）", "Archive a site (423)", _closed("archived")),
    "refuse-site": Break("サイトへのアクセスを拒否する（403）", "Refuse the app a site (403)", _closed("refused")),
    "throttle-storm": Break("429（要求が多すぎる）を返し続ける", "Answer 429, too many requests", _throttle_storm),
    "expire-certificate": Break("アプリの証明書を期限切れにする", "Let the app's certificate expire", _expire_certificate),
    "empty-group": Break(
        "グループのメンバーを全員外す（フィードには現れない）", "Take everybody out of a group (no feed of documents tells)", _empty_group
    ),
    "folder-restore": Break(
        "フォルダーをごみ箱に入れる（heal で復元、フィードはフォルダーだけを伝える）",
        "Put a folder into the recycle bin, and restore it when healed (the feed names the folder alone)",
        _folder_restore,
    ),
    "break-inheritance": Break(
        "権限の継承を切り、所有者だけにする", "Break inheritance on an item, leaving only the site's owners", _break_inheritance
    ),
}  # fmt: skip
