"""What some connectors can do beyond the protocol, each asked for by ``isinstance``. Nothing here is needed for a pull."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Protocol, runtime_checkable

from connectors.access import Account, Member
from connectors.protocol import Cursor, Page, Reject, Schema, Stream
from connectors.readings import Readings


@dataclass(frozen=True)
class OperationShape:
    """One operation of a source whose interface is made of operations, as it looks.

    ``service`` is the system's further service that has it, empty for its own. ``rows`` is the path to the repeated element of its answer,
    empty where it lists nothing; ``paging`` the kind it looks like, ``none`` for a list without any sign of one. ``inputs`` and ``outputs``
    are the names of what it takes and gives, ``form`` how it is called. ``dropped`` says why no request can be made of it at all.
    """

    operation: str
    rows: str
    paging: str
    inputs: tuple[str, ...]
    outputs: tuple[str, ...]
    form: str = ""
    dropped: str = ""
    service: str = ""

    @property
    def readable(self) -> bool:
        """Whether it lists rows that a stream could be made of."""
        return bool(self.rows) and not self.dropped


@runtime_checkable
class Examines(Protocol):
    """A connector that can say of one stream, in a sentence, what a pull would meet: address, rights, size, and what reading costs."""

    def examine(self, stream: Stream) -> str:
        """Raises what a pull would raise."""
        ...


@dataclass(frozen=True)
class Preview:
    """A stream as its source shows it now, and as it will be once prepared settings are in force: equal schemas where nothing waits.

    ``live_rights`` and ``coming_rights`` are fingerprints of the access rules of each, ``""`` where they may not be read.
    """

    live: Schema
    coming: Schema
    live_rights: str
    coming_rights: str


@runtime_checkable
class Previews(Protocol):
    """A connector whose source keeps changed settings aside until somebody puts them in force, and lets them be read before."""

    def preview(self, stream: Stream) -> Preview:
        """Both states, read now. Raises AccessRefused where these credentials may not see what is prepared."""
        ...


@runtime_checkable
class Rereads(Protocol):
    """A connector that can read chosen rows of some of its streams anew, and no others."""

    def reread(self, stream: Stream, rows: Sequence[Reject]) -> Iterator[Page] | None:
        """These rows as the source has them now: typed, or rejected anew; what is not there any more does not come. Cursors of the pages
        mean nothing. None where rows of this stream can't be asked for one by one: then only a whole reading brings them.
        """
        ...


@runtime_checkable
class Identifies(Protocol):
    """A connector that can say what an address resolves to even where the stream can't be described, so that a change is named first."""

    def identify(self, stream: Stream) -> Schema:
        """Identity and parts as ``describe`` gives them, without fields. Nothing is sent where credentials must not go."""
        ...


@dataclass(frozen=True)
class Deployed:
    """The last change of what a stream is, as its source tells it: who made it (a name, else a login) and when (aware UTC)."""

    by: str
    at: datetime


@runtime_checkable
class Attributes(Protocol):
    """A connector whose source keeps who last changed the settings of what a stream is read from."""

    def deployed(self, stream: Stream) -> Deployed | None:
        """None where the source says nothing of it."""
        ...


@runtime_checkable
class Glimpses(Protocol):
    """A connector that can tell cheaply whether a stream has probably changed."""

    def glimpse(self, stream: Stream) -> str:
        """A text that is another one after almost every change, and the same while nothing changed. A few calls, whatever the size."""
        ...


@runtime_checkable
class Stirs(Protocol):
    """A connector that can tell cheaply whether a stream changed since its last pull, from what that pull left behind."""

    def stirred(self, stream: Stream, since: datetime | None, cursor: Cursor | None) -> str | None:
        """``""`` while nothing changed, else a text that is the same until more does. One or two calls, whatever the size.

        ``since`` is the last pull's watermark (aware UTC), ``cursor`` what its last page left; both None where nothing was ever pulled.
        None as the answer: this stream can't be asked so, and only its slots see its changes.
        """
        ...


@dataclass(frozen=True)
class Receiver:
    """Where a source shall send its notices, and the secret that it repeats in each, by which the receiver knows them."""

    url: str
    secret: str = field(repr=False)


@dataclass(frozen=True)
class Subscription:
    """Until when (aware UTC) the source tells the receiver of a stream's changes; None where it does not."""

    stream: str
    until: datetime | None


@dataclass(frozen=True)
class Subscribed:
    """What was done so that the source tells of its changes: subscriptions made, renewed, and taken away; ``until`` is the first end of any."""

    made: int
    renewed: int
    ended: int
    until: datetime | None


@runtime_checkable
class Subscribes(Protocol):
    """A connector whose source tells a receiver of changes for as long as it is asked to, time and again."""

    def subscriptions(self, streams: Sequence[Stream], receiver: Receiver) -> Sequence[Subscription]:
        """How it stands now, for those of these streams whose source can tell. Changes nothing."""
        ...

    def subscribe(self, streams: Sequence[Stream], receiver: Receiver, *, renew: bool) -> Subscribed:
        """Sees to it that there is one subscription for each place behind these streams and none else to this receiver. ``renew``: also those
        that would last. Does what it can before it raises SourceError or FixConfiguration for what it can't."""
        ...


@runtime_checkable
class Operates(Protocol):
    """A connector whose source is called by operations that it can list, those included that no stream can be made of."""

    def operations(self) -> Sequence[OperationShape]:
        """Every operation, service by service, each service's by name."""
        ...


@dataclass(frozen=True)
class Roster:
    """Who is in what in one system, whatever the stream.

    ``groups`` are all groups (principals) whose members this reading knows: one that is among them and has no edge is empty. ``unread`` are
    those that could not be read whole, with the reason; what is known of them is among ``members``. ``cursor`` is where the source's change
    feeds are gone on with, and ``asked`` how many of the wanted groups were read anew.
    """

    members: tuple[Member, ...]
    accounts: tuple[Account, ...]
    groups: frozenset[str]
    unread: Mapping[str, str]
    cursor: Cursor
    asked: int = 0


@runtime_checkable
class KeepsRoster(Protocol):
    """A connector that can read memberships and accounts of its whole system apart from any stream, and oftener."""

    def roster(self, groups: Collection[str], before: Roster | None) -> Roster:
        """Members of these groups and of all groups inside them, and everybody's account. ``before`` is what the last reading gave."""
        ...


@runtime_checkable
class FetchesAtOnce(Protocol):
    """A connector whose ``blob`` may be called, and its bytes read, from several threads at a time."""

    @property
    def file_workers(self) -> int:
        """From how many: what the source bears, and no more than are of use."""
        ...


@runtime_checkable
class Confirms(Protocol):
    """A connector whose source can be asked outright whether a person may read a row."""

    def may_read(self, stream: Stream, pairs: Sequence[tuple[str, str]]) -> Iterator[bool | None]:
        """The source's answer for each (person's principal, row key), in order; None where it cannot say."""
        ...


@runtime_checkable
class TellsContent(Protocol):
    """A connector whose rows say whether the file behind them has other bytes than before."""

    def content_version(self, stream: Stream) -> Sequence[str]:
        """The source codes of the columns that say so together; none where nothing does."""
        ...


@dataclass(frozen=True)
class Weight:
    """What one file takes with all its versions: how many there are and how many bytes they hold together."""

    key: str
    versions: int
    bytes: int


@runtime_checkable
class WeighsVersions(Protocol):
    """A connector whose source keeps old versions of files and tells their sizes."""

    def weigh(self, stream: Stream, keys: Sequence[str]) -> Iterator[Weight]:
        """The files of these rows, in no order; one that is gone is left out, and a stream without files gives none."""
        ...


@runtime_checkable
class KnowsMemberships(Protocol):
    """A connector that can be asked now, of one person, which groups they are in, through whatever groups."""

    def memberships(self, id: str) -> frozenset[str]:
        """The principals of all groups of the person with this id in the directory. Raises SourceError where it does not say."""
        ...


@runtime_checkable
class Shares(Protocol):
    """A connector that reads what belongs to the whole system through its ``readings``: once for several streams, where they share it."""

    @property
    def readings(self) -> Readings:
        """What it was handed with its options; it shares nothing by default."""
        ...


@runtime_checkable
class TellsView(Protocol):
    """A connector that can say what decides which rows its credentials see without reading all of access."""

    def view_now(self, stream: Stream) -> str:
        """``Access.view`` as ``access`` would give it now. Raises what that raises."""
        ...
