"""The narrow waist: what a connector can do, and the few frozen things that cross it. No implementation lives here."""

from __future__ import annotations

import unicodedata
from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import TYPE_CHECKING, Any, Literal, Protocol, runtime_checkable
from urllib.parse import quote

if TYPE_CHECKING:
    import pyarrow as pa

#: Columns a connector adds to the contract's columns in every page it yields.
OP, SOURCE_VERSION, SCOPE = "_op", "_source_version", "_scope"
#: A scope nobody can resolve: rows that carry it are served to nobody.
UNRESOLVED = "unresolved"


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
    """A source row that cannot be typed: kept raw for quarantine, never dropped. ``key`` as text, ``raw`` the row as JSON text."""

    key: str
    column: str
    reason: str
    raw: str


@dataclass(frozen=True)
class Note:
    """What a connector met in rows that it gives all the same: no reason to hold one back, and nothing to pass over in silence.

    ``column`` is a column of the contract or a path at the source, ``what`` a code with its facts (``element.unknown Stok``), never a value
    of the data; ``count`` how often it came. A ``fact`` is only told; of the others the contract should know, so the pull warns.
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
class Scope:
    """An object whose rule decides who may read. Unresolved scopes have no principals and a reason.

    ``parent`` is the scope that would hold if this one had no rule of its own, empty at the top and where the source has no such order;
    ``level`` what the object is to its source (``web``, ``list``, ``folder``, ``item``). Both are for people, as ``title`` is.
    """

    id: str
    title: str
    principals: tuple[str, ...]
    resolved: bool = True
    reason: str = ""
    parent: str = ""
    level: str = ""


@dataclass(frozen=True)
class Link:
    """A sharing link as far as the source tells of it; nothing of its address.

    ``scope`` is ``anonymous``, ``organization`` or ``users``, ``type`` ``view`` or ``edit``, both empty where unknown. Where ``password`` is
    None nothing is known but that it is there, ``expires`` neither; else ``expires`` None means never. ``digest`` tells one from another.
    """

    scope: str
    type: str
    digest: str
    expires: datetime | None = None
    password: bool | None = None


GrantKind = Literal["user", "group", "owners", "sitegroup", "members", "everyone", "link", "orphan", "nobody", "unknown"]


@dataclass(frozen=True)
class Grant:
    """One role that somebody holds, as the source shows it: for people to read, never to decide by (``Scope.principals`` decide).

    ``at`` is the scope, or the principal of a group of the source's own whose direct member this is, or what stands above all scopes of a
    place (its administrators). ``principal`` is empty for who stands for nobody. ``reads`` says whether it opens content in the index;
    ``via`` how it is held; ``link`` is there for ``via="link"``.
    """

    at: str
    principal: str
    kind: GrantKind
    role: str
    via: Literal["direct", "group", "admin", "link"]
    reads: bool
    login: str = ""
    title: str = ""
    link: Link | None = None


def unknown_scope(id: str) -> Scope:
    """A scope nothing is known of: nobody's."""
    return Scope(id, id, (), resolved=False, reason="no rule of the source stands behind this scope any more")


def column_scope(restricted: str, row: str) -> str:
    """The scope of a restricted column in one row: ``restricted`` as ``Access`` gives it, ``row`` the row's own scope.

    An id that ends with ``?`` stands for one scope a row. What the row's values say of it stands behind ``#`` in the row's own scope; of a
    row that says nothing, nobody reads the column.

    >>> column_scope("kintone:ORDERS:field:cost", "kintone:ORDERS:1@ab")
    'kintone:ORDERS:field:cost'
    >>> column_scope("kintone:ORDERS:field:cost?", "kintone:ORDERS:1@ab#owner.user=sato")
    'kintone:ORDERS:field:cost?owner.user=sato'
    """
    return restricted + row.partition("#")[2] if restricted.endswith("?") else restricted


@dataclass(frozen=True)
class Member:
    """``member`` (a principal) belongs to ``group`` (a principal). One edge; closure is taken when somebody asks."""

    group: str
    member: str


@dataclass(frozen=True)
class Account:
    """A person as one system knows them: their principal there, and the mail and login by which identities are linked."""

    principal: str
    login: str
    mail: str
    name: str
    active: bool = True


@dataclass(frozen=True)
class Access:
    """Who may read what in one stream: the scopes its rows point at, membership edges, accounts.

    ``restricted`` maps a column name to the scope that may see it, where that is narrower than the row's own scope; where it differs from
    row to row, ``column_scope`` says which it is, and it is not among ``scopes``. ``view`` is a
    fingerprint of what decides which rows these credentials see at all (rules, the login's name): while it moves, absent is not deleted.
    ``unproven`` are codes of sentences that say what all this rests on without proof; none where the source lets everything be proven.
    ``grants`` say why ``scopes`` let in whom they do, and ``names`` what people call a principal that is no account; a source may give none.
    """

    scopes: tuple[Scope, ...]
    members: tuple[Member, ...]
    accounts: tuple[Account, ...]
    restricted: Mapping[str, str] = field(default_factory=dict[str, str])
    view: str = ""
    grants: tuple[Grant, ...] = ()
    names: Mapping[str, str] = field(default_factory=dict[str, str])
    unproven: tuple[str, ...] = ()


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
        """How many live rows the source itself says there are."""
        ...

    def pull(self, stream: Stream, window: Window, cursor: Cursor | None = None, known: Known | None = None) -> Iterator[Page]:
        """Typed pages of the window; with ``cursor``, from where that page ended. At least one page comes, even when empty.

        The generator fails rather than end early: a normal end means the window was read whole. Given ``known``, a connector that can
        tell cheaply what is gone yields those keys as ``delete`` rows too, and rows it finds that we should have and have not.
        """
        ...

    def keys(self, stream: Stream) -> Iterator[pa.RecordBatch]:
        """The key columns of every live row and, where the source gives it, ``_source_version``: to find what was deleted or missed."""
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


PrincipalKind = Literal["user", "group", "org", "spgroup", "members", "everyone", "role"]
#: Vendors whose ids do not tell upper from lower case.
_CASELESS = frozenset({"entra"})


def principal(kind: PrincipalKind, authority: str, id: str = "") -> str:
    """A normalised identity, ``kind:authority:id``: NFC, percent-encoded, lower case where the vendor ignores case.

    >>> principal("user", "kintone", "佐藤@Sakura")
    'user:kintone:%E4%BD%90%E8%97%A4%40Sakura'
    >>> principal("members", "5A4B")
    'members:5a4b'
    """

    def clean(text: str) -> str:
        normal = unicodedata.normalize("NFC", text)
        return quote(normal.lower() if authority in _CASELESS or kind in ("members", "spgroup") else normal, safe="/-_.~")

    parts: Sequence[str] = [kind, clean(authority), *([clean(id)] if id else [])]
    return ":".join(parts)
