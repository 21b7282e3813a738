"""Who may read what in one stream: its scopes resolved, membership edges, everybody's account, and the grants behind it."""

from __future__ import annotations

from connectors.access import UNRESOLVED, Access, Scope
from connectors.sharepoint.assignments import Assignments
from connectors.sharepoint.client import Tenant
from connectors.sharepoint.directory import Directory
from connectors.sharepoint.links import read_links
from connectors.sharepoint.places import Site
from connectors.sharepoint.proofs import unproven
from connectors.sharepoint.scopes import NO_CERTIFICATE, ScopeMap


def read_access(tenant: Tenant, site: Site, scopes: ScopeMap, *, library: bool = False) -> Access:
    """The access of one stream whose scope map was just read. In a ``library`` its sharing links are looked into, too.

    Without a certificate: accounts only, and one unresolved scope.
    """
    directory = Directory(tenant)
    accounts = tuple(sorted((person.account for person in directory.people), key=lambda one: one.principal))
    if tenant.rest is None:
        return Access((Scope(UNRESOLVED, "", (), False, NO_CERTIFICATE),), (), accounts)
    reading = Assignments(tenant.system, tenant.rest, site, directory, tenant.readings)
    found = [reading.scope(id, securable) for id, securable in sorted(scopes.objects.items())]
    if UNRESOLVED in scopes.items.values():
        found.append(Scope(UNRESOLVED, "", (), False, "files that were never checked in: SharePoint shows them to one person only"))
    directory.stand_for_all(tenant.system)
    grants = tuple(read_links(tenant.graph, site, scopes.objects, reading.grants, directory) if library else reading.grants)
    edges = tuple(sorted(directory.edges, key=lambda edge: (edge.group, edge.member)))
    return Access(
        tuple(found),
        edges,
        accounts,
        view=view_of(tenant),
        grants=grants,
        names={**directory.names, **reading.names},
        unproven=unproven(tenant, site),
    )


def view_of(tenant: Tenant) -> str:
    """An app sees everything or nothing of a site: which rows come hangs on which app asks."""
    return "" if tenant.rest is None else f"app:{tenant.config.app}"
