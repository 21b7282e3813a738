"""The SharePoint connector: every verb of the protocol, each handed to the module that knows it."""

from __future__ import annotations

import time
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import replace
from datetime import datetime
from typing import Any

import pyarrow as pa

from connectors.access import Access, Scope, unknown_scope
from connectors.capabilities import Receiver, Roster, Subscribed, Subscription, Weight
from connectors.errors import AccessRefused, BrokenReply, SourceError
from connectors.messages import Said, told
from connectors.protocol import Blob, Cursor, Health, Known, Offer, Page, Reject, Schema, Stream, Window
from connectors.readings import Readings
from connectors.sharepoint import pull as pulling
from connectors.sharepoint.access import read_access, view_of
from connectors.sharepoint.addresses import Addresses
from connectors.sharepoint.client import connect_tenant
from connectors.sharepoint.closed import closing
from connectors.sharepoint.config import Config
from connectors.sharepoint.directory import Directory, memberships
from connectors.sharepoint.discover import discover, identity, reachable
from connectors.sharepoint.download import WORKERS, Hosts, download
from connectors.sharepoint.effective import may_read
from connectors.sharepoint.proofs import proofs, reads_rights
from connectors.sharepoint.roster import read_roster
from connectors.sharepoint.schema import schema
from connectors.sharepoint.scopes import ScopeMap
from connectors.sharepoint.stirred import stirred
from connectors.sharepoint.subscriptions import keep_subscribed, standing
from connectors.sharepoint.versions import weigh
from connectors.transport import TransportOptions

#: The last answer's clock is the clock now for so many seconds.
_JUST_NOW = 5.0


class SharePoint:
    """One tenant. Satisfies ``connectors.protocol.Connector``."""

    kind = "sharepoint"
    file_workers = WORKERS

    def __init__(self, system: str, config: Config, options: TransportOptions) -> None:
        self._options = replace(options, user_agent=config.limits.user_agent)
        self._tenant = connect_tenant(system, config, self._options)
        self._at = Addresses(self._tenant)
        self._hosts = Hosts(self._options, self._tenant.governor)

    @property
    def readings(self) -> Readings:
        return self._tenant.readings

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
            probes.append((told("sharepoint.probe.token"), True, ", ".join(sorted(map(str, roles))) or told("sharepoint.probe.no_roles")))
            probes += [(told("sharepoint.probe.site", path=path or "/"), *reachable(tenant, path)) for path in tenant.config.sites]
            probes.append(self._permissions())
            probes += [(proof.what, proof.proven or not proof.needed, proof.why) for proof in proofs(tenant)]
            next(tenant.graph.values("users", params={"$select": "id", "$top": "1"}), None)
            probes.append((told("sharepoint.probe.directory"), True, told("sharepoint.probe.people")))
            probes += self._units()
        except AccessRefused as error:
            name = told("sharepoint.probe.directory" if probes else "sharepoint.probe.token")
            probes.append((name, False, Said(error.say, error.code, error.exit_code)))
        transport = tenant.graph.transport
        return Health(all(good for _, good, _ in probes), transport.endpoint, transport.sandbox, tuple(probes))

    def discover(self) -> Iterator[Offer]:
        return discover(self._tenant)

    def describe(self, stream: Stream) -> Schema:
        spec = pulling.spec_of(stream)
        last: Mapping[str, Any] = stream.options.get("last_cursor") or {}
        with closing():
            recalled = spec.kind != "pages" and self._at.recall(spec, last.get("place"))
            site = self._at.site(spec)
            if spec.kind == "pages":
                return schema(pulling.live_fields(self._tenant, None, spec), {"site": site.path, "site_id": site.id})
            place = self._at.place(spec, anew=not recalled)
            return schema(self._at.described(spec, pulling.live_fields(self._tenant, place, spec)), identity(place))

    def count(self, stream: Stream) -> int:
        return pulling.count(self._at, stream)

    def stirred(self, stream: Stream, since: datetime | None, cursor: Cursor | None) -> str | None:
        kind = pulling.spec_of(stream).kind
        if kind == "pages" or cursor is None:
            return None
        return stirred(self._tenant.graph, cursor.state, library=kind == "library")

    def subscriptions(self, streams: Sequence[Stream], receiver: Receiver) -> Sequence[Subscription]:
        return standing(self._at, streams, receiver, self.watermark)

    def subscribe(self, streams: Sequence[Stream], receiver: Receiver, *, renew: bool) -> Subscribed:
        return keep_subscribed(self._at, streams, receiver, self.watermark, renew=renew)

    def pull(self, stream: Stream, window: Window, cursor: Cursor | None = None, known: Known | None = None) -> Iterator[Page]:
        with closing():
            yield from pulling.pull(self._at, stream, window, cursor, known)

    def reread(self, stream: Stream, rows: Sequence[Reject]) -> Iterator[Page] | None:
        """Items of a list, one request each. A library's rows hang on its tree of folders, and pages are read by comparison: None."""
        if pulling.spec_of(stream).kind != "list":
            return None
        return self._reread(stream, rows)

    def _reread(self, stream: Stream, rows: Sequence[Reject]) -> Iterator[Page]:
        with closing():
            yield from pulling.reread(self._at, stream, [row.key for row in rows])

    def keys(self, stream: Stream) -> Iterator[pa.RecordBatch]:
        return pulling.keys(self._at, stream)

    def memberships(self, id: str) -> frozenset[str]:
        return memberships(self._tenant, id)

    def access(self, stream: Stream) -> Access:
        spec = pulling.spec_of(stream)
        with closing():
            site, scopes = self._at.site(spec), self._at.scopes(spec)
        # Beyond here the directory is asked, too, and what it refuses says nothing about the site.
        return read_access(self._tenant, site, scopes, library=spec.kind == "library")

    def view_now(self, stream: Stream) -> str:
        return view_of(self._tenant)

    def scopes(self, stream: Stream, ids: Collection[str]) -> tuple[Scope, ...]:
        """Scopes that came up since ``access`` was last read: those of items that the feed named and that have role assignments of their own.

        The members of a group that nothing named before are read with the next ``access``: till then such a group lets nobody in.
        """
        found = {id: securable for id in ids if (securable := self._at.securable(id)) is not None}
        named = (
            {scope.id: scope for scope in read_access(self._tenant, self._at.site(pulling.spec_of(stream)), ScopeMap(objects=found)).scopes}
            if found
            else {}
        )
        return tuple(named.get(id, unknown_scope(id)) for id in ids)

    def roster(self, groups: Collection[str], before: Roster | None) -> Roster:
        return read_roster(self._at, groups, before)

    def may_read(self, stream: Stream, pairs: Sequence[tuple[str, str]]) -> Iterator[bool | None]:
        spec = pulling.spec_of(stream)
        if self._tenant.rest is None or not pairs:
            return iter([None] * len(pairs))
        with closing():
            place = self._at.place(spec)
        return may_read(self._tenant, Directory(self._tenant), place, pairs, spec.kind)

    def weigh(self, stream: Stream, keys: Sequence[str]) -> Iterator[Weight]:
        spec = pulling.spec_of(stream)
        if spec.kind != "library":
            return iter(())
        with closing():
            return weigh(self._tenant.graph, self._at.place(spec), keys)

    def blob(self, stream: Stream, blob: Blob) -> Iterator[bytes]:
        """``blob.ref`` is a library row's ``item_id``."""
        return download(self._tenant, self._at.place(pulling.spec_of(stream)), blob.ref, self._options, self._hosts)

    def content_version(self, stream: Stream) -> tuple[str, ...]:
        # An eTag moves with a name, too; of bytes Graph says no more than these two.
        return ("quick_xor_hash", "size") if pulling.spec_of(stream).kind == "library" else ()

    def watermark(self) -> datetime:
        transport = self._tenant.graph.transport
        if transport.server_time is None or time.monotonic() - transport.heard_at > _JUST_NOW:
            self._tenant.graph.response("sites/root", params={"$select": "id"}, also={403, 404})
        if transport.server_time is None:
            raise BrokenReply("sharepoint.no_clock", host=transport.endpoint)
        return transport.server_time

    def close(self) -> None:
        self._hosts.close()
        self._tenant.graph.close()
        if self._tenant.rest is not None:
            self._tenant.rest.close()
        self._tenant.tokens.close()

    def _units(self) -> list[tuple[str, bool, str]]:
        governor = self._tenant.governor
        if governor is None:
            return []
        day, minute = governor.limits.day, int(governor.limits.minute)
        return [(told("sharepoint.probe.units"), True, told("sharepoint.probe.units_used", used=governor.used(), day=day, minute=minute))]

    def _permissions(self) -> tuple[str, bool, str]:
        rest = self._tenant.rest
        try:
            if rest is not None:
                for path in self._tenant.config.sites:
                    rest.json(f"{path.lstrip('/')}/_api/web".lstrip("/"), params={"$select": "Id,HasUniqueRoleAssignments"})
            proof = reads_rights(self._tenant)
        except SourceError as error:
            return told("sharepoint.probe.permissions"), False, Said(error.say, error.code, error.exit_code)
        return proof.what, proof.proven, proof.why
