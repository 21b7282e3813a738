"""What an app may do here, as far as its tokens and the sites prove it; what they do not prove is said, never assumed.

Roles stand in the token that is held anyway, those for Graph in one and those for SharePoint in the other. Only what Sites.Selected means
for a site is asked of it: sites are those that are configured, they are never looked for.
https://learn.microsoft.com/onedrive/developer/rest-api/concepts/scan-guidance
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import quote

from connectors.errors import AccessRefused, AddressUnknown, SourceError
from connectors.messages import Said, told
from connectors.sharepoint.client import Api, Json, Tenant, parsed
from connectors.sharepoint.places import Site, find_site

FULL_CONTROL, SELECTED = "Sites.FullControl.All", "Sites.Selected"
HIDDEN = "Member.Read.Hidden"
#: Roles each of which lets an app read people, and the members of groups.
_PEOPLE = ("User.Read.All", "User.ReadWrite.All", "Directory.Read.All", "Directory.ReadWrite.All")
_MEMBERS = (
    "GroupMember.Read.All",
    "GroupMember.ReadWrite.All",
    "Group.Read.All",
    "Group.ReadWrite.All",
    "Directory.Read.All",
    "Directory.ReadWrite.All",
)
#: What a site calls full control that it granted to an app.
_WHOLE = frozenset({"fullcontrol", "owner"})
#: BasePermissions of full control, its high and low word.
_FULL_MASK = (0x7FFFFFFF, 0xFFFFFFFF)
#: What access rests on without proof, as ``Access.unproven`` names it.
FRESHNESS = "sharepoint.access.freshness_unverified"


@dataclass(frozen=True)
class Proof:
    """``what`` an app should be able to do, whether that is ``proven``, and ``why`` or why not. Without a ``needed`` one access is not whole."""

    what: Said
    proven: bool
    why: Said
    needed: bool = True


def proofs(tenant: Tenant) -> Iterator[Proof]:
    """Every proof for this tenant and its configured sites. Raises what asking for a token raises."""
    roles = _roles(tenant, tenant.graph)
    if SELECTED in roles and FULL_CONTROL not in roles:
        for path in tenant.config.sites:
            yield _of_site(tenant, path)
    else:
        why = _by_role(FULL_CONTROL) if FULL_CONTROL in roles else told(FRESHNESS)
        yield Proof(told("sharepoint.proof.freshness"), FULL_CONTROL in roles, why)
    yield _any_of(told("sharepoint.proof.people"), _PEOPLE, roles)
    yield _any_of(told("sharepoint.proof.members"), _MEMBERS, roles)
    hidden = _by_role(HIDDEN) if HIDDEN in roles else told("sharepoint.proof.hidden_unread", role=HIDDEN)
    yield Proof(told("sharepoint.proof.hidden"), HIDDEN in roles, hidden, needed=False)


def reads_rights(tenant: Tenant) -> Proof:
    """Whether role assignments can be read at all, through REST. Raises what asking for a token raises."""
    what = told("sharepoint.probe.permissions")
    if tenant.rest is None:
        return Proof(what, False, told("sharepoint.probe.no_certificate"))
    roles = _roles(tenant, tenant.rest)
    if not roles & {FULL_CONTROL, SELECTED}:
        return Proof(what, False, told("sharepoint.probe.lacks", role=FULL_CONTROL))
    return Proof(what, True, told("sharepoint.probe.assignments"))


def unproven(tenant: Tenant, site: Site) -> tuple[str, ...]:
    """What the access of this site's streams rests on without proof, as codes of sentences.

    The feed passes over changes of rights in silence where the app has less than full control, so nothing shows that one was missed.
    """
    roles = _roles(tenant, tenant.graph)
    proven = FULL_CONTROL in roles or (SELECTED in roles and _controls(tenant, site))
    return () if proven else (FRESHNESS,)


def _of_site(tenant: Tenant, path: str) -> Proof:
    what = told("sharepoint.proof.freshness_at", path=path or "/")
    try:
        proven = _controls(tenant, find_site(tenant.graph, tenant.config.host, path))
    except (AccessRefused, AddressUnknown) as error:
        return Proof(what, False, Said(error.say, error.code, error.exit_code))
    return Proof(what, proven, told("sharepoint.proof.granted", role=SELECTED) if proven else told(FRESHNESS))


def _controls(tenant: Tenant, site: Site) -> bool:
    """Whether the site granted this app full control, as the run shares it."""
    return tenant.readings.once(("controlled", site.id), lambda: _granted_by_graph(tenant, site) or _granted_by_rest(tenant, site))


def _granted_by_graph(tenant: Tenant, site: Site) -> bool:
    """By the site's list of grants, which Graph lets some apps read and others not. Roles may be told with a single grant only."""
    grants = f"sites/{site.id}/permissions"
    response = tenant.graph.response(grants, also={403, 404})
    if response.status_code >= 400:
        return False
    claims = tenant.tokens.claims(tenant.graph.resource)
    app = str(claims.get("appid") or claims.get("azp") or tenant.config.client_id).lower()
    for grant in tenant.graph.listed(parsed(response)):
        if app not in _apps(grant):
            continue
        whole = grant if "roles" in grant else tenant.graph.json(f"{grants}/{quote(str(grant['id']), safe='')}")
        if _WHOLE & {str(role).lower() for role in whole.get("roles") or ()}:
            return True
    return False


def _granted_by_rest(tenant: Tenant, site: Site) -> bool:
    """By the app's own mask at the site. It proves the grant only where nothing but the grant could have given it."""
    if tenant.rest is None or _roles(tenant, tenant.rest) & {FULL_CONTROL, "Sites.Manage.All"}:
        return False
    try:
        mask = tenant.rest.json(f"{site.path.lstrip('/')}/_api/web/EffectiveBasePermissions".lstrip("/"))
    except SourceError as error:
        if not isinstance(error, AccessRefused | AddressUnknown):
            raise
        return False
    return (_word(mask, "High"), _word(mask, "Low")) == _FULL_MASK


def _word(mask: Json, name: str) -> int:
    found = str(mask.get(name, ""))
    return int(found) if found.isdigit() else 0


def _apps(grant: Json) -> set[str]:
    """The ids of the apps that a grant is for."""
    identities = [*(grant.get("grantedToIdentitiesV2") or ()), *(grant.get("grantedToIdentities") or ())]
    return {str((one.get("application") or {}).get("id", "")).lower() for one in identities}


def _roles(tenant: Tenant, api: Api) -> set[str]:
    return {str(role) for role in tenant.tokens.claims(api.resource).get("roles") or ()}


def _any_of(what: Said, wanted: tuple[str, ...], roles: set[str]) -> Proof:
    held = next((role for role in wanted if role in roles), None)
    return Proof(what, held is not None, _by_role(held) if held else told("sharepoint.proof.lacks", role=wanted[0]))


def _by_role(role: str) -> Said:
    return told("sharepoint.proof.by_role", role=role)
