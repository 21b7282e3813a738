"""Who is in what in a tenant, apart from any stream: the members of the groups that hold a right somewhere, and everybody's account.

People and Entra groups are read whole. Of a site's groups only those its change log names are, once they have been read.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator
from urllib.parse import unquote

from connectors.access import Member
from connectors.capabilities import Roster
from connectors.errors import AccessRefused, AddressUnknown
from connectors.protocol import Cursor
from connectors.sharepoint.addresses import Addresses
from connectors.sharepoint.assignments import Assignments
from connectors.sharepoint.change_log import changed_since, current_token
from connectors.sharepoint.client import Api
from connectors.sharepoint.closed import is_closed, reason
from connectors.sharepoint.directory import Directory
from connectors.sharepoint.places import Site
from connectors.sharepoint.scopes import NO_CERTIFICATE

_ENTRA, _SITE = "group:entra:", "spgroup:"
_OWNERS = "_o"


def read_roster(at: Addresses, wanted: Collection[str], before: Roster | None) -> Roster:
    """See ``KeepsRoster.roster``. A site that is closed to us leaves its groups unread; nobody reads what lies there anyway."""
    tenant = at.tenant
    directory = Directory(tenant)
    unread: dict[str, str] = {}
    tokens: dict[str, str] = {}
    carried: set[Member] = set()
    entra = {token for token in wanted if token.startswith(_ENTRA)}
    _read_entra(directory, entra, unread)
    asked = len(entra)
    by_site = _by_collection(wanted)
    for site in _sites(at, by_site.keys(), unread, wanted):
        groups = by_site.pop(site.collection)
        if tenant.rest is None:
            unread |= dict.fromkeys(groups, NO_CERTIFICATE)
            continue
        try:
            again, tokens[site.collection] = _to_read(tenant.rest, site, groups, before)
            reading = Assignments(tenant.system, tenant.rest, site, directory, tenant.readings)
            unread |= {token: trouble for token in sorted(again) if (trouble := reading.group(token.rpartition(":")[2]))}
        except (AccessRefused, AddressUnknown) as error:
            if not is_closed(error):
                raise
            tokens.pop(site.collection, None)
            unread |= dict.fromkeys(groups, reason(error))
            continue
        asked += len(again)
        kept = {edge for edge in before.members if edge.group in groups - again} if before is not None else set[Member]()
        # Whoever is in an Entra group that is in a site group no change log of the site tells.
        _read_entra(directory, {edge.member for edge in kept}, unread)
        carried |= kept
    for groups in by_site.values():
        unread.update((token, unread.get(token, "its site is not among the project's")) for token in groups)
    directory.stand_for_all(tenant.system)
    members = directory.edges | carried
    return Roster(
        members=tuple(sorted(members, key=lambda edge: (edge.group, edge.member))),
        accounts=tuple(sorted((person.account for person in directory.people), key=lambda one: one.principal)),
        groups=frozenset(wanted) | {edge.group for edge in members} | directory.read,
        unread=unread,
        cursor=Cursor(tokens),
        asked=asked,
    )


def _sites(at: Addresses, collections: Collection[str], unread: dict[str, str], wanted: Collection[str]) -> Iterator[Site]:
    """Those of the project's sites that these collections are of. Which one a closed site is, it does not say."""
    left = set(collections)
    shut: list[str] = []
    for path in at.tenant.config.sites:
        if not left:
            return
        try:
            site = at.site_at(path)
        except (AccessRefused, AddressUnknown) as error:
            if not is_closed(error):
                raise
            shut.append(f"{path or '/'}: {reason(error)}")
            continue
        if site.collection in left:
            left.discard(site.collection)
            yield site
    if shut:
        why = "; ".join(shut)
        unread.update((token, why) for token in wanted if token.startswith(_SITE) and _collection(token) in left)


def _to_read(rest: Api, site: Site, groups: Collection[str], before: Roster | None) -> tuple[set[str], str]:
    """Which of a site's groups are to be read, and the token for next time: taken before they are, so that nothing falls between."""
    last = before.cursor.state.get(site.collection) if before is not None else None
    changed = changed_since(rest, site, last) if last else None
    if changed is None or before is None:
        return set(groups), current_token(rest, site)
    if changed.everywhere:
        return set(groups), changed.token
    new = {token for token in groups if token not in before.groups or token in before.unread}
    return new | {token for token in groups if token.rpartition(":")[2] in changed.groups}, changed.token


def _read_entra(directory: Directory, tokens: Collection[str], unread: dict[str, str]) -> None:
    for token in sorted(one for one in tokens if one.startswith(_ENTRA)):
        id = unquote(token.rpartition("/")[2])
        _, trouble = directory.owners(id.removesuffix(_OWNERS)) if id.endswith(_OWNERS) else directory.group(id)
        if trouble:
            unread[token] = trouble


def _by_collection(wanted: Collection[str]) -> dict[str, set[str]]:
    found: dict[str, set[str]] = {}
    for token in sorted(one for one in wanted if one.startswith(_SITE)):
        found.setdefault(_collection(token), set()).add(token)
    return found


def _collection(token: str) -> str:
    return token.removeprefix(_SITE).rpartition(":")[0]
