"""Where the streams of one tenant live, asked once: their sites, the libraries and lists behind them, and the scopes that lie there.

One per connector. ``describe`` opens a pull and has a stream's place looked up anew, so that a connector that lives long sees it renamed.
"""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime, timedelta

from connectors.errors import AddressUnknown
from connectors.sharepoint.client import Tenant
from connectors.sharepoint.config import SourceSpec
from connectors.sharepoint.places import Place, Site, find_library, find_list, find_site
from connectors.sharepoint.scopes import NO_CERTIFICATE, ScopeMap, read_scopes

_PAGES_LIBRARY = 119
#: A scope map older than this is of another pull, whatever the feed says.
_FRESH = timedelta(minutes=15)


@dataclass(frozen=True)
class _Kept:
    scopes: ScopeMap
    read_at: datetime | None


class Addresses:
    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self._sites: dict[str, Site] = {}
        self._places: dict[SourceSpec, Place] = {}
        self._scopes: dict[SourceSpec, _Kept] = {}

    def site(self, spec: SourceSpec) -> Site:
        """Raises what ``find_site`` raises, and remembers nothing of that."""
        if spec.site not in self._sites:
            self._sites[spec.site] = find_site(self.tenant.graph, self.tenant.config.host, spec.site)
        return self._sites[spec.site]

    def place(self, spec: SourceSpec, *, anew: bool = False) -> Place:
        """The library or list of a stream, or the Site Pages library behind its pages (through REST; needs the certificate)."""
        if anew or spec not in self._places:
            self._places.pop(spec, None)
            self._places[spec] = self._find(self.site(spec), spec)
        return self._places[spec]

    def scopes(self, spec: SourceSpec) -> ScopeMap:
        """The scope map of a stream, read now; empty with its reason where there is no certificate. It is kept for ``scopes_behind``."""
        rest = self.tenant.rest
        if rest is None:
            return ScopeMap(reason=NO_CERTIFICATE)
        found = read_scopes(rest, self.site(spec), self.place(spec).list_id)
        self._scopes[spec] = _Kept(found, self.tenant.graph.transport.server_time)
        return found

    def scopes_behind(self, spec: SourceSpec, *, quiet: bool) -> ScopeMap:
        """The scope map for a feed that has just been read, once.

        It has to know every item the feed named, in the place where it is now. So what was read for the rights of this pull serves only
        where the feed, read after it, brought nothing (``quiet``).
        """
        kept, now = self._scopes.pop(spec, None), self.tenant.graph.transport.server_time
        if quiet and kept is not None and kept.read_at is not None and now is not None and now - kept.read_at < _FRESH:
            return kept.scopes
        found = self.scopes(spec)
        self._scopes.pop(spec, None)
        return found

    def _find(self, site: Site, spec: SourceSpec) -> Place:
        if spec.kind == "library":
            return find_library(self.tenant.graph, site, spec)
        if spec.kind == "list":
            return find_list(self.tenant.graph, site, spec)
        assert self.tenant.rest is not None  # callers ask for the scopes of pages only with a certificate
        api = f"{site.path.lstrip('/')}/_api".lstrip("/")
        for one in self.tenant.rest.values(f"{api}/web/lists", params={"$select": "Id,Title,BaseTemplate"}):
            if one.get("BaseTemplate") == _PAGES_LIBRARY:
                return Place(site, str(one["Id"]), str(one["Id"]).strip("{}"), str(one.get("Title", "")))
        raise AddressUnknown("sharepoint.list_unknown", kind="pages", name="Site Pages", site=spec.site, candidates="none")
