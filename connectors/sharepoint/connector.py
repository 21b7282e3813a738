"""The SharePoint connector: every verb of the protocol, each handed to the module that knows it."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime

import pyarrow as pa

from connectors.errors import AccessRefused, BrokenReply, SourceError
from connectors.protocol import Access, Blob, Cursor, Health, Offer, Page, Schema, Stream, Window
from connectors.sharepoint import pull as pulling
from connectors.sharepoint.access import read_access
from connectors.sharepoint.client import connect_tenant
from connectors.sharepoint.config import Config
from connectors.sharepoint.discover import discover, identity, reachable
from connectors.sharepoint.download import download
from connectors.sharepoint.schema import schema
from connectors.sharepoint.scopes import NO_CERTIFICATE
from connectors.transport import TransportOptions

#: Without it permission changes arrive incompletely or not at all (Microsoft's scan guidance).
_FULL_CONTROL = "Sites.FullControl.All"


class SharePoint:
    """One tenant. Satisfies ``connectors.protocol.Connector``."""

    kind = "sharepoint"

    def __init__(self, system: str, config: Config, options: TransportOptions) -> None:
        self._options = options
        self._tenant = connect_tenant(system, config, options)

    @property
    def endpoint(self) -> str:
        """Where the sites live: every tenant shares the address of Graph, so that would tell none from another."""
        return self._tenant.config.host.rstrip("/")

    @property
    def sandbox(self) -> bool:
        return self._tenant.graph.transport.sandbox

    def check(self) -> Health:
        """Probes: token and its roles, each site, permissions through REST, the directory. Raises SourceUnavailable and FixConfiguration."""
        tenant = self._tenant
        probes: list[tuple[str, bool, str]] = []
        try:
            roles = tenant.tokens.claims(tenant.graph.resource).get("roles") or []
            probes.append(("token", True, ", ".join(sorted(map(str, roles))) or "no roles in the token"))
            probes += [(f"site {path or '/'}", *reachable(tenant, path)) for path in tenant.config.sites]
            probes.append(self._permissions())
            next(tenant.graph.values("users", params={"$select": "id", "$top": "1"}), None)
            probes.append(("directory", True, "people and groups can be read"))
        except AccessRefused as error:
            probes.append(("directory" if probes else "token", False, error.say()))
        transport = tenant.graph.transport
        return Health(all(good for _, good, _ in probes), transport.endpoint, transport.sandbox, tuple(probes))

    def discover(self) -> Iterator[Offer]:
        return discover(self._tenant)

    def describe(self, stream: Stream) -> Schema:
        spec = pulling.spec_of(stream)
        site = pulling.site_of(self._tenant, spec)
        if spec.kind == "pages":
            return schema(pulling.live_fields(self._tenant, None, spec), {"site": site.path, "site_id": site.id})
        place = pulling.place_of(self._tenant, site, spec)
        return schema(pulling.live_fields(self._tenant, place, spec), identity(place))

    def count(self, stream: Stream) -> int:
        return pulling.count(self._tenant, stream)

    def pull(self, stream: Stream, window: Window, cursor: Cursor | None = None) -> Iterator[Page]:
        return pulling.pull(self._tenant, stream, window, cursor)

    def keys(self, stream: Stream) -> Iterator[pa.RecordBatch]:
        return pulling.keys(self._tenant, stream)

    def access(self, stream: Stream) -> Access:
        spec = pulling.spec_of(stream)
        site = pulling.site_of(self._tenant, spec)
        return read_access(self._tenant, site, pulling.scopes_of(self._tenant, site, spec))

    def blob(self, stream: Stream, blob: Blob) -> Iterator[bytes]:
        """``blob.ref`` is a library row's ``item_id``."""
        spec = pulling.spec_of(stream)
        site = pulling.site_of(self._tenant, spec)
        return download(self._tenant, pulling.place_of(self._tenant, site, spec), blob.ref, self._options)

    def watermark(self) -> datetime:
        transport = self._tenant.graph.transport
        self._tenant.graph.response("sites/root", params={"$select": "id"}, also={403, 404})
        if transport.server_time is None:
            raise BrokenReply("sharepoint.no_clock", host=transport.endpoint)
        return transport.server_time

    def close(self) -> None:
        self._tenant.graph.close()
        if self._tenant.rest is not None:
            self._tenant.rest.close()
        self._tenant.tokens.close()

    def _permissions(self) -> tuple[str, bool, str]:
        tenant = self._tenant
        if tenant.rest is None:
            return "permissions", False, NO_CERTIFICATE
        try:
            for path in tenant.config.sites:
                tenant.rest.json(f"{path.lstrip('/')}/_api/web".lstrip("/"), params={"$select": "Id,HasUniqueRoleAssignments"})
            roles = tenant.tokens.claims(tenant.rest.resource).get("roles") or []
        except SourceError as error:
            return "permissions", False, error.say()
        if _FULL_CONTROL not in roles and "Sites.Selected" not in roles:
            return "permissions", False, f"the token lacks {_FULL_CONTROL}: permission changes may go unseen"
        return "permissions", True, "role assignments can be read"
