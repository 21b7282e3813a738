"""The contract as a server serves it now: every document anew, or the one document that says all of it, where the server has such a one.

A WSDL in many documents takes one request for each, for nothing that HTTP or SOAP offers says of all of them at once that none changed.
WCF serves the same interface as one document, too, under ``?singleWsdl`` (since .NET 4.5; Microsoft, "What's new in WCF 4.5: Flat WSDL
support"). After every whole reading that form is asked for once; where it declares exactly what the many declare, it stands for them for a
day: while it is the same to the byte, the interface is, and anything else lets every document be read anew.
"""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from datetime import UTC, datetime, timedelta
from urllib.parse import urlsplit

from connectors.errors import FixConfiguration, SourceError
from connectors.soap import catalog
from connectors.soap.bundle import Bundle, Fetch, fetch
from connectors.soap.components import Contract
from connectors.soap.config import Config
from connectors.soap.store import Flat, Store
from connectors.soap.wsdl import read

#: How long one document stands for the many that were compared with it, by the server's own clock.
BELIEVED = timedelta(days=1)


class Served:
    """The contract of one WSDL. ``get`` fetches a document; ``now`` is what time the server last said it is, None where it says none."""

    def __init__(self, config: Config, store: Store | None, get: Fetch, now: Callable[[], datetime | None]) -> None:
        self._config, self._store, self._get, self._now = config, store, get, now
        self._held: tuple[Bundle, Contract] | None = None
        self._fetched = False

    def contract(self, *, refresh: bool = False) -> Contract:
        """The contract as served now (``refresh``), else the one in use, else the one that was kept, else as served.

        With ``offline`` nothing is ever fetched; FixConfiguration then says that none was kept.
        """
        return self.both(refresh=refresh)[1]

    def latest(self) -> Contract:
        """The contract as this client fetched it, which it does now if it did not yet: for what no drift is looked for beforehand."""
        return self.contract(refresh=not self._fetched)

    def both(self, *, refresh: bool = False) -> tuple[Bundle, Contract]:
        """The documents, and the contract they make."""
        wsdl, offline = self._config.wsdl, self._config.offline
        if self._held is None and self._store is not None and (offline or not refresh):
            self._held = self._store.find(wsdl)
            if self._held is None and offline:
                raise FixConfiguration("soap.bundle_missing", wsdl=wsdl, folder=self._store.folder.name)
        if (refresh and not offline) or self._held is None:
            self._held = self._unchanged() or self._read()
            self._fetched = True
        return self._held

    def _read(self) -> tuple[Bundle, Contract]:
        """Every document, asked for now."""
        bundle = fetch(self._config.wsdl, self._get, self._config.hosts)
        same = self._held is not None and self._held[0].digest == bundle.digest
        contract = self._held[1] if same and self._held is not None else read(bundle)
        if self._store is not None:
            self._store.keep(bundle, contract)
            self._compare(self._store, bundle, contract)
        return bundle, contract

    def _unchanged(self) -> tuple[Bundle, Contract] | None:
        """What was kept, where the one document is as it was when it was compared; None where that can't be said, for whatever reason."""
        url = flat_of(self._config.wsdl)
        if self._store is None or url is None:
            return None
        note = self._store.flat(self._config.wsdl)
        if note is None or not note.sha256:
            return None
        try:
            kept = self._held or self._store.find(self._config.wsdl)
            if kept is None or kept[0].digest != note.digest:
                return None
            content, _ = self._get(url)
        except (SourceError, FixConfiguration):
            # Reading the documents themselves says what is wrong, if anything is.
            return None
        return kept if self._young(note) and hashlib.sha256(content).hexdigest() == note.sha256 else None

    def _compare(self, store: Store, bundle: Bundle, contract: Contract) -> None:
        """Look whether one document says what these say, and remember it; that there is none, too, so that it is not asked for every time."""
        url, now = flat_of(bundle.entry), self._now()
        if url is None or now is None or not _many(bundle):
            return
        note = store.flat(bundle.entry)
        if note is not None and note.digest == bundle.digest and not note.sha256 and self._young(note):
            return
        try:
            found = fetch(url, self._get, self._config.hosts)
            alike = not _many(found) and read(found) == contract
        except (SourceError, FixConfiguration):
            found, alike = None, False
        sha256 = found.documents[0].sha256 if found is not None and alike else ""
        store.note(bundle.entry, Flat(bundle.digest, sha256, now.astimezone(UTC).isoformat()))

    def _young(self, note: Flat) -> bool:
        now = self._now()
        return now is not None and timedelta(0) <= now - datetime.fromisoformat(note.at) < BELIEVED


def flat_of(wsdl: str) -> str | None:
    """Where WCF has the one-document form of what it serves at ``wsdl``; None for an address that is not of that shape."""
    parts = urlsplit(wsdl)
    return parts._replace(query="singleWsdl").geturl() if parts.query.lower() == "wsdl" else None


def _many(bundle: Bundle) -> bool:
    """Whether the server gave more than one document."""
    return sum(not one.url.startswith(catalog.CATALOG) for one in bundle.documents) > 1
