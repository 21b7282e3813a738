"""Whether a stream changed between its slots: one cheap look at each source, and a memory that no failed launch can make forget a change."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Literal

from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.capabilities import Glimpses, Stirs
from connectors.errors import SourceError
from connectors.messages import Said
from connectors.protocol import Connector, Cursor
from pipelines.landing.published import Published
from pipelines.project import Project

#: How a pull that a look asked for went on: it never came to be, it runs, it ended well, it ended otherwise.
Fate = Literal["lost", "running", "done", "failed"]
#: A pull that failed is not asked for again sooner: what ails it (drift, credentials) is rarely over after five minutes.
PATIENCE = timedelta(hours=1)


class _Frozen(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Remembered(_Frozen):
    """Of one stream: what it looked like when it was last pulled for it (``seen``), and the pull that is asked for and not yet known to have
    ended well: the look it is for, the mark its run carries, when (aware UTC)."""

    seen: str | None = None
    asked: str | None = None
    mark: str = ""
    at: datetime | None = None


class Watched(_Frozen):
    """A sensor's memory. ``note`` is the version of the webhook receiver's note last acted upon, ``looked`` when the source was last asked."""

    note: str = ""
    looked: datetime | None = None
    streams: dict[str, Remembered] = {}

    @classmethod
    def read(cls, text: str | None) -> Watched:
        """From a cursor. One that can't be read (an operator may edit it) remembers nothing: every stream is then pulled once more."""
        if not text:
            return cls()
        try:
            return cls.model_validate_json(text)
        except ValidationError:
            return cls()

    def write(self) -> str:
        return self.model_dump_json(exclude_defaults=True)


@dataclass(frozen=True)
class Looked:
    """What sources say of their streams: ``texts`` of those that could be asked cheaply, ``silent`` those that can't be asked so, and the
    failures (a sentence each) of those that did not answer."""

    texts: Mapping[str, str]
    silent: tuple[str, ...] = ()
    failures: tuple[Said, ...] = ()


def look(project: Project, connector: Connector, streams: Sequence[str], published: Callable[[str], Published | None]) -> Looked:
    """Ask each stream's source once. A stream that does not answer hides no other's change."""
    texts: dict[str, str] = {}
    silent: list[str] = []
    failures: list[Said] = []
    for stream in streams:
        try:
            text = _of(connector, project, stream, published)
        except SourceError as error:
            failures.append(Said(error.say, error.code))
            continue
        if text is None:
            silent.append(stream)
        else:
            texts[stream] = text
    return Looked(texts, tuple(silent), tuple(failures))


def _of(connector: Connector, project: Project, stream: str, published: Callable[[str], Published | None]) -> str | None:
    told = project.contract(stream).told()
    if isinstance(connector, Stirs):
        before = published(stream)
        since = datetime.fromisoformat(before.watermark).astimezone(UTC) if before and before.watermark else None
        return connector.stirred(told, since, Cursor(before.cursor) if before and before.cursor else None)
    return connector.glimpse(told) if isinstance(connector, Glimpses) else None


def decide(
    memory: Watched, looked: Looked, fate: Callable[[str, str, datetime], Fate], mark: str, now: datetime
) -> tuple[tuple[str, ...], Watched]:
    """The streams to pull now, by runs that carry ``mark``, and the memory afterwards.

    ``fate(stream, mark, at)`` is asked only of streams with a pull under way: a quiet look costs nothing more. A change is forgotten only
    when a pull that was asked for after it ended well, so it outlives a launch that failed, a run that was deleted and a daemon that died.
    """
    ask: list[str] = []
    after = dict(memory.streams)
    for stream, text in looked.texts.items():
        known = memory.streams.get(stream, Remembered())
        if known.asked is not None and known.at is not None:
            went = fate(stream, known.mark, known.at)
            if went == "done":
                known = Remembered(seen=known.asked)
            elif went == "running" or (went == "failed" and now - known.at < PATIENCE):
                after[stream] = known
                continue
            else:
                known = Remembered(seen=known.seen)
        # An empty text is the source's own word that its last pull saw everything.
        if text and text != known.seen:
            ask.append(stream)
            known = Remembered(seen=known.seen, asked=text, mark=mark, at=now)
        elif not text:
            known = Remembered(seen=text)
        after[stream] = known
    return tuple(ask), memory.model_copy(update={"streams": after, "looked": now})
