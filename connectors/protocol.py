"""The narrow waist: what a connector can do, and the few frozen things that cross it. No implementation lives here."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Protocol, runtime_checkable

from connectors.access import Access, Scope

if TYPE_CHECKING:
    import pyarrow as pa

#: Columns a connector adds to the contract's columns in every page it yields.
OP, SOURCE_VERSION, SCOPE = "_op", "_source_version", "_scope"


@dataclass(frozen=True)
class Column:
    """One column as the contract wants it: ``name`` in our tables, ``source`` the vendor's code for it, ``type`` its Arrow type.

    For nested types ``children`` gives the inner columns, again by name and source.
    """

    name: str
    source: str
    type: pa.DataType
    required: bool = False
    children: tuple[Column, ...] = ()


@dataclass(frozen=True)
class Stream:
    """One typed flow out of a system, as a connector is told to read it.

    ``source`` is the contract's ``source:`` block (vendor-specific address: app code, operation, library …); ``key`` names columns.
    ``cursor`` names the column that holds the source's update time, where there is one.
    """

    system: str
    name: str
    source: Mapping[str, Any]
    key: tuple[str, ...]
    columns: tuple[Column, ...]
    cursor: str | None = None
    options: Mapping[str, Any] = field(default_factory=dict[str, Any])

    @property
    def id(self) -> str:
        return f"{self.system}/{self.name}"


@dataclass(frozen=True)
class LiveField:
    """One field as the source describes it today. ``facets`` hold what else may drift: options, precision, lookups, lengths.

    ``type`` is the Arrow type the connector proposes; ``vendor_type`` the vendor's word (``NUMBER``, ``xsd:decimal``, ``choice``).
    """

    source: str
    label: str
    type: pa.DataType
    vendor_type: str
    required: bool = False
    facets: Mapping[str, str | int | bool | tuple[str, ...]] = field(default_factory=dict[str, Any])
    children: tuple[LiveField, ...] = ()
    id: str = ""


@dataclass(frozen=True)
class Part:
    """What reading a stream rests on beside its columns: where a reply says that all is well, which element of a request carries a position.

    ``use`` is where the contract names it (``ok.path``), ``path`` where it lies at the source, ``type`` the vendor's word for what lies
    there, empty where nothing does. ``place`` are its neighbours' names, by which a renamed one is known again, and ``beside`` what stands
    there now, given only where the part itself is gone. ``sent``: it goes into a request. ``demanded``: the source insists on that and the
    contract does not name it.
    """

    use: str
    path: str
    type: str
    required: bool = False
    options: tuple[str, ...] = ()
    place: str = ""
    sent: bool = False
    demanded: bool = False
    beside: tuple[Part, ...] = ()


@dataclass(frozen=True)
class Schema:
    """The live schema of a stream.

    ``fingerprint`` (``sha256:…``) covers names, types and facets that readers depend on, and leaves out app number and revision.
    ``identity`` is the resolved address (app id, app code, space, list id …) and ``revision`` the source's own version of its settings.
    ``decisive``: the fingerprint moves with every change that may stop a pull, so a contract that names it has accepted the interface as it is.
    """

    fields: tuple[LiveField, ...]
    fingerprint: str
    revision: str
    identity: Mapping[str, str]
    parts: tuple[Part, ...] = ()
    decisive: bool = False


@dataclass(frozen=True)
class Window:
    """What to pull. ``None`` bounds are open; ``since`` is inclusive, ``until`` exclusive; instants are aware UTC, by the source's update time."""

    since: datetime | None = None
    until: datetime | None = None

    @property
    def full(self) -> bool:
        return self.since is None and self.until is None


@dataclass(frozen=True)
class Cursor:
    """Where to go on: opaque to all but the connector that made it; ``state`` holds JSON values only and never a secret."""

    state: Mapping[str, Any]


@dataclass(frozen=True)
class Reject:
    """A source row that cannot be typed: kept raw for quarantine, never dropped. ``key`` as text, ``raw`` the row as JSON text.

    ``more`` are its further faults after the first, each a column and a reason; ``version`` is the source's own of the row, None where it
    tells none.
    """

    key: str
    column: str
    reason: str
    raw: str
    more: tuple[tuple[str, str], ...] = ()
    version: str | None = None

    @property
    def reasons(self) -> tuple[tuple[str, str], ...]:
        """Every fault that was found, the first one first."""
        return ((self.column, self.reason), *self.more)


@dataclass(frozen=True)
class Note:
    """What a connector met in rows that it gives all the same: no reason to hold one back, and nothing to pass over in silence.

    ``column`` is a column of the contract or a path at the source, ``what`` a code with its facts (``element.unknown Stok``), never a value
    of the data but one that a list of allowed values lacks (``value.enumeration 'C'``); ``count`` how often it came. A ``fact`` is only told; of the others the contract should know, so the pull warns.
    """

    column: str
    what: str
    count: int = 1
    fact: bool = False


@dataclass(frozen=True)
class Kept:
    """What a connector wants to remember of a stream until its next pull: published with the rows of this one, and gone with a pull that
    fails.

    ``rows`` has ``_key`` (string), ``_op`` (``upsert`` or ``delete``) and whatever else the connector needs, in one schema for all pages of
    a pull; never a secret. With ``anew`` all that was kept before is forgotten first.
    """

    rows: pa.RecordBatch
    anew: bool = False


@dataclass(frozen=True)
class Page:
    """One page of rows.

    ``rows`` has the contract's columns in contract order and types, then ``_op`` (string: ``upsert`` or ``delete``), ``_source_version``
    (string) and ``_scope`` (string: a scope id of this system, or ``unresolved``). Delete rows have nulls outside the key.
    ``cursor`` resumes after this page. ``source_rows`` is how many rows the source sent for this page, rejects included. ``total`` is the
    source's own count of the stream's live rows, where reading this page told it for nothing. ``notes`` tell of what was odd in this page.
    ``restated`` are scopes whose rules the source says may have moved: where rights are carried on, they are asked for anew.
    ``kept`` is the connector's own memory; a cursor in the middle of a pull goes with the memory as it was before that pull.
    """

    rows: pa.RecordBatch
    cursor: Cursor
    source_rows: int
    rejects: tuple[Reject, ...] = ()
    total: int | None = None
    notes: tuple[Note, ...] = ()
    kept: Kept | None = None
    restated: frozenset[str] = frozenset()


class Known(Protocol):
    """What we hold of a stream already, for a connector that finds out by itself what is gone. Read lazily: a quiet pull never asks for rows."""

    @property
    def count(self) -> int:
        """Rows the source should have as far as we know: live ones and those held in quarantine."""
        ...

    def rows(self) -> pa.Table:
        """The key columns of those rows, in the contract's types, and ``_source_version`` (string, null where a row is held); in no order."""
        ...

    def kept(self) -> pa.Table | None:
        """What the connector kept (``Kept``), without ``_op``; None where no pull kept anything."""
        ...

    def whole(self, keys: Collection[str]) -> pa.Table:
        """Of the live rows, those with these keys (as ``key_text`` writes them): ``_key``, the contract's columns in its order and types,
        ``_source_version``; in no order. Rows in quarantine are not among them.
        """
        ...


@dataclass(frozen=True)
class Offer:
    """A stream a system could give, as ``map`` proposes it. ``source`` is ready for a contract; ``key`` and ``cursor`` are source codes."""

    name: str
    title: str
    source: Mapping[str, Any]
    schema: Schema
    key: tuple[str, ...]
    cursor: str | None
    rows: int | None
    notes: tuple[str, ...] = ()


@dataclass(frozen=True)
class Health:
    """What ``check`` proved: each probe with what it found. ``endpoint`` is scheme, host and port; ``sandbox`` by CA and response header."""

    ok: bool
    endpoint: str
    sandbox: bool
    probes: tuple[tuple[str, bool, str], ...]


@dataclass(frozen=True)
class Blob:
    """A file behind a row. ``ref`` is what the connector needs to fetch it; sizes in bytes."""

    ref: str
    name: str
    media_type: str
    size: int | None


@runtime_checkable
class Connector(Protocol):
    """What every connector does. All calls may raise the errors of ``connectors.errors``; none returns half an answer."""

    kind: str

    @property
    def endpoint(self) -> str:
        """Scheme, host and port of the source, without credentials; known before anything is sent. Evidence counts per endpoint."""
        ...

    @property
    def sandbox(self) -> bool:
        """Whether any answer so far carried the sandbox header: what such a source gives never counts in production."""
        ...

    def check(self) -> Health:
        """Prove credentials, reachability and rights without reading data."""
        ...

    def discover(self) -> Iterator[Offer]:
        """Every stream this system could give to these credentials."""
        ...

    def describe(self, stream: Stream) -> Schema:
        """The live schema now, its address resolved. Raises AddressUnknown with the candidates when it is not there."""
        ...

    def count(self, stream: Stream) -> int:
        """How many live rows the source itself says there are. Raises CannotSay where it has no way to say."""
        ...

    def pull(self, stream: Stream, window: Window, cursor: Cursor | None = None, known: Known | None = None) -> Iterator[Page]:
        """Typed pages of the window; with ``cursor``, from where that page ended. At least one page comes, even when empty.

        The generator fails rather than end early: a normal end means the window was read whole. Given ``known``, a connector that can
        tell cheaply what is gone yields those keys as ``delete`` rows too, and rows it finds that we should have and have not.
        """
        ...

    def keys(self, stream: Stream) -> Iterator[pa.RecordBatch]:
        """The key columns of every live row and, where the source gives it, ``_source_version``: to find what was deleted or missed.

        Raises CannotSay where the source has no way to list its rows."""
        ...

    def access(self, stream: Stream) -> Access:
        """Scopes, members and accounts of the stream as they are now."""
        ...

    def scopes(self, stream: Stream, ids: Collection[str]) -> tuple[Scope, ...]:
        """Scopes that rows made by their own values (a record whose field names its readers), resolved anew: one for each id.

        Asked only for ids that ``access`` did not name, or that a page ``restated``. An id that means nothing any more comes back unresolved.
        """
        ...

    def blob(self, stream: Stream, blob: Blob) -> Iterator[bytes]:
        """The bytes of a file, streamed."""
        ...

    def watermark(self) -> datetime:
        """The source's own clock now (its ``Date`` header), aware UTC: what the next window starts from."""
        ...

    def close(self) -> None:
        """Give back connections and anything held open at the source."""
        ...
