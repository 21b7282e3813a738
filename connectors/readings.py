"""What belongs to a whole system and is read for each of its streams: who is who in it, what its service offers. Read once, for a while.

A connector is handed one of these for the length of a run. Each reading keeps the instant before it was asked for, and never gets a later one.
"""

from __future__ import annotations

from collections.abc import Callable, Generator, Hashable, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any, TypeVar, cast

K = TypeVar("K", bound=Hashable)
T = TypeVar("T")
#: How long a reading stands for the other streams of its run. A run that takes longer reads again.
SPAN = timedelta(minutes=5)


@dataclass
class Used:
    """``oldest`` is the oldest reading that was there already when it was asked for; None where none was. One that is not later than
    ``after`` is not taken."""

    after: datetime | None = None
    oldest: datetime | None = None


class Readings:
    """Of one connector, so that neither systems nor credentials mix; for one thread. Without a clock every reading is a new one.

    ``now`` gives aware UTC, by the clock of the run.
    """

    def __init__(self, now: Callable[[], datetime] | None = None) -> None:
        self._now = now
        self._kept: dict[tuple[Hashable, Hashable], tuple[datetime, Any]] = {}
        self._used = Used()

    def once(self, what: Hashable, read: Callable[[], T]) -> T:
        """What ``read`` gives, or gave within the span. What it raises is not remembered."""
        return self.each(what, ("",), lambda _: {"": read()})[""]

    def each(self, what: Hashable, keys: Sequence[K], read: Callable[[Sequence[K]], Mapping[K, T]]) -> dict[K, T]:
        """The same for several things of one kind: ``read`` is asked for those that are not there."""
        if self._now is None:
            return dict(read(keys)) if keys else {}
        now, found, missing = self._now(), dict[K, T](), list[K]()
        for key in keys:
            at, kept = self._kept.get((what, key), (None, None))
            if at is None or not timedelta() <= now - at < SPAN or (self._used.after is not None and at <= self._used.after):
                missing.append(key)
                continue
            found[key] = cast("T", kept)
            self._used.oldest = min(at, self._used.oldest or at)
        fresh = read(missing) if missing else {}
        self._kept.update(((what, key), (now, one)) for key, one in fresh.items())
        return {**found, **fresh}

    def anew(self) -> AbstractContextManager[Used]:
        """Whatever is asked for in the block is read now."""
        return self.watched(None if self._now is None else self._now())

    @contextmanager
    def watched(self, after: datetime | None = None) -> Generator[Used]:
        """What is asked for in the block, by its age."""
        used = self._used = Used(after)
        try:
            yield used
        finally:
            self._used = Used()
