"""Where the streams of one tenant live, asked once: their sites, the libraries and lists behind them, and the scopes that lie there.

One per connector. ``describe`` opens a pull and has a stream's place looked up anew unless that was done not long ago, so that a connector
that lives long sees it renamed.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from zoneinfo import ZoneInfo

from connectors.access import UNRESOLVED
from connectors.errors import AddressUnknown
from connectors.protocol import LiveField
from connectors.sharepoint.client import Tenant
from connectors.sharepoint.config import SourceSpec
from connectors.sharepoint.places import Place, Site, find_library, find_list, find_site
from connectors.sharepoint.scopes import NO_CERTIFICATE, ScopeMap, Securable, Standing, read_scopes, read_standing

_PAGES_LIBRARY = 119
#: A scope map older than this is of another pull, one that failed before it read its feed.
_FRESH = timedelta(minutes=15)
#: How long a place found by its name is taken to be the same, in real time: until then a feed by its id is all that is asked.
_FOUND_FOR = timedelta(hours=1)


def _wall() -> datetime:
    # How long ago we looked is a matter of real time, whatever the source's clock says.
    return datetime.now(UTC)  # noqa: TID251


class Addresses:
    def __init__(self, tenant: Tenant) -> None:
        self.tenant = tenant
        self._sites: dict[str, Site] = {}
        self._places: dict[SourceSpec, Place] = {}
        self._scopes: dict[SourceSpec, tuple[ScopeMap, datetime]] = {}
        self._found_at: dict[SourceSpec, datetime] = {}
        self._securables: dict[str, Securable] = {}
        self._fields: dict[SourceSpec, tuple[LiveField, ...]] = {}
        self._zones: dict[str, ZoneInfo] = {}

    def site(self, spec: SourceSpec) -> Site:
        """The site of a stream. Raises as ``site_at`` does."""
        return self.site_at(spec.site)

    def site_at(self, path: str) -> Site:
        """Raises what ``find_site`` raises, and remembers nothing of that."""
        if path not in self._sites:
            self._sites[path] = find_site(self.tenant.graph, self.tenant.config.host, path)
        return self._sites[path]

    def place(self, spec: SourceSpec, *, anew: bool = False) -> Place:
        """The library or list of a stream, or the Site Pages library behind its pages (through REST; needs the certificate)."""
        if anew or spec not in self._places:
            self._places.pop(spec, None)
            self._places[spec] = self._find(self.site(spec), spec)
            self._found_at[spec] = _wall()
        return self._places[spec]

    def note(self, spec: SourceSpec) -> dict[str, str]:
        """Where a stream was found and when, for the cursor of its pull."""
        place = self._places[spec]
        at = self._found_at.get(spec) or _wall()
        site = place.site
        return {
            "site": site.id,
            "collection": site.collection,
            "id": place.id,
            "list": place.list_id,
            "name": place.name,
            "at": at.isoformat(),
        }

    def recall(self, spec: SourceSpec, note: Mapping[str, str] | None) -> bool:
        """Take a stream to be where an earlier pull found it, if that is what the contract still names and was not long ago."""
        if note is None or not 0 <= (_wall() - datetime.fromisoformat(note["at"])).total_seconds() < _FOUND_FOR.total_seconds():
            return False
        if (note["id"].lower() != spec.id.lower()) if spec.id else (note["name"] != spec.name):
            return False
        site = self._sites.setdefault(spec.site, Site(spec.site, note["site"], note["collection"], ""))
        self._places[spec] = Place(site, note["id"], note["list"], note["name"])
        self._found_at[spec] = datetime.fromisoformat(note["at"])
        return True

    def described(self, spec: SourceSpec, fields: tuple[LiveField, ...]) -> tuple[LiveField, ...]:
        """Fields that were just read, kept for ``just_described``."""
        self._fields[spec] = fields
        return fields

    def just_described(self, spec: SourceSpec) -> tuple[LiveField, ...] | None:
        """The fields that this pull was described by, once."""
        return self._fields.pop(spec, None)

    def zone(self, site: Site, ask: Callable[[Tenant, Site], ZoneInfo]) -> ZoneInfo:
        """The time zone of a site, asked for once: nobody moves a site between two pulls."""
        if site.id not in self._zones:
            self._zones[site.id] = ask(self.tenant, site)
        return self._zones[site.id]

    def scopes(self, spec: SourceSpec) -> ScopeMap:
        """The scope map of a stream, read now; empty with its reason where there is no certificate. It is kept for ``just_read``."""
        rest = self.tenant.rest
        if rest is None:
            return ScopeMap(reason=NO_CERTIFICATE)
        found = read_scopes(rest, self.site(spec), self.place(spec).list_id, self.tenant.readings)
        self._securables.update(found.objects)
        self._scopes[spec] = found, _wall()
        return found

    def just_read(self, spec: SourceSpec) -> ScopeMap | None:
        """The scope map that was read for the rights of this pull, once. What a feed read after it names is to be asked for again."""
        found, at = self._scopes.pop(spec, (None, _wall()))
        return found if _wall() - at < _FRESH else None

    def standing(self, spec: SourceSpec, item: str) -> Standing | None:
        """One list item as it stands now; None where it is not there, or nobody may ask."""
        if self.tenant.rest is None:
            return None
        found = read_standing(self.tenant.rest, self.site(spec), self.place(spec).list_id, item, file=spec.kind == "library")
        if found is not None and found.own and found.own != UNRESOLVED:
            self._securables[found.own] = found.securable
        return found

    def securable(self, scope: str) -> Securable | None:
        """The object behind a scope that this connector came upon."""
        return self._securables.get(scope)

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


@dataclass(frozen=True)
class StreamScopes:
    """The scopes of one stream's items, for its pull (``library.Scopes``)."""

    at: Addresses
    spec: SourceSpec

    def just_read(self) -> ScopeMap | None:
        return self.at.just_read(self.spec)

    def whole(self) -> ScopeMap:
        found = self.at.scopes(self.spec)
        self.at.just_read(self.spec)
        return found

    def standing(self, item: str) -> Standing | None:
        return self.at.standing(self.spec, item)
