"""The rows of a site's user information list: found, or made at first use, as SharePoint's EnsureUser does."""

from __future__ import annotations

from infra.sandbox.company.people import PEOPLE, TENANT_ID, Group, group, person
from infra.sandbox.sharepoint.world import Principal, Site, World

#: Site groups 3 to 5 exist in every site collection under the same numbers; 6 means something else in each.
OWNERS, VISITORS, MEMBERS, SIXTH = 3, 4, 5, 6


def ensured(site: Site, kind: str, key: str, title: str) -> Principal:
    """The site's row for a principal."""
    for one in site.principals.values():
        if (one.kind, one.key) == (kind, key):
            return one
    number = max(site.principals, default=SIXTH) + 1
    site.principals[number] = Principal(number, kind, key, title)
    return site.principals[number]


def user(site: Site, login: str) -> Principal:
    return ensured(site, "user", login, person(login).name)


def entra(site: Site, code: str) -> Principal:
    return ensured(site, "entra", code, group(code).name)


def m365(site: Site, group: Group, *, owners: bool = False) -> Principal:
    """The members, or the owners, of a Microsoft 365 group."""
    if owners:
        return ensured(site, "m365-owners", group.code, f"{group.name} 所有者")
    return ensured(site, "m365", group.code, f"{group.name} メンバー")


def eeeu(site: Site) -> Principal:
    return ensured(site, "eeeu", f"spo-grid-all-users/{TENANT_ID}", "外部ユーザー以外のすべてのユーザー")


def everyone(site: Site) -> Principal:
    return ensured(site, "everyone", "", "全員")


def site_group(site: Site, name: str) -> Principal:
    """A SharePoint group by its number or title, or the end of its title (``閲覧者``). ValueError when there is none."""
    groups = [one for one in site.principals.values() if one.kind == "site"]
    for one in groups:
        if name in (str(one.number), one.title):
            return one
    for one in groups:
        if one.title.endswith(f" {name}"):
            return one
    raise ValueError(f"the site {site.key} has no group {name!r}; there are: {', '.join(one.title for one in groups)}")


def named(world: World, site: Site, name: str) -> Principal:
    """Whom a verb means: a login, the code of an Entra group, ``everyone``, ``eeeu``, or a group of the site. ValueError for nobody.

    A Microsoft 365 group's code means its members, ``owners:CODE`` its owners.
    """
    code = name.removeprefix("owners:")
    if code in world.owners:
        return m365(site, world.group(code), owners=name != code)
    if name in ("everyone", "eeeu"):
        return everyone(site) if name == "everyone" else eeeu(site)
    for one in PEOPLE:
        if name in (one.key, one.login):
            return user(site, one.login)
    return entra(site, name) if name in world.groups else site_group(site, name)
