"""What the source no longer has, and what it has that we have not: found by counting id ranges and halving those that differ.

Ids are never reused, so a range whose counts agree holds the same records, unless one came late for one that went; the weekly
listing of all keys finds that. A range small enough to list in one call is listed: that settles it both ways.
"""

from __future__ import annotations

import math
from bisect import bisect_right
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass

import pyarrow as pa
import pyarrow.compute as pc

from connectors.kintone.client import PAGE
from connectors.kintone.seek import Range


@dataclass(frozen=True)
class Difference:
    """Ids ascending: ``gone`` we hold and the source has not, ``missing`` it has and we have not, ``stale`` it has in another revision."""

    gone: list[int]
    missing: list[int]
    stale: list[int]


class Held:
    """The ids we hold, ascending, eight bytes each, and the revision we hold them at where it is known."""

    def __init__(self, ids: pa.Array, versions: pa.Array) -> None:
        """``ids`` int64 and ``versions`` (string, nullable) in any order; of an id that stands twice, either."""
        order = pc.array_sort_indices(ids)
        ids, versions = ids.take(order), versions.take(order)
        if len(ids) > 1:
            once = pa.concat_arrays([pa.array([True]), pc.not_equal(ids[1:], ids[:-1])])
            ids, versions = ids.filter(once), versions.filter(once)
        self._versions = versions
        # A view of Arrow's own buffer: bisect works on it without a Python integer for each row.
        buffer = ids.buffers()[1]
        self.ids = memoryview(b"").cast("q") if buffer is None else memoryview(buffer).cast("B")[: len(ids) * 8].cast("q")
        self._keep = ids

    def __len__(self) -> int:
        return len(self.ids)

    def places(self, range: Range) -> tuple[int, int]:
        """Where the range begins and ends in ``ids``."""
        low = bisect_right(self.ids, range.after)
        return low, len(self.ids) if range.upto is None else bisect_right(self.ids, range.upto)

    def version(self, place: int) -> str | None:
        return self._versions[place].as_py()

    def below(self, upto: int) -> Held:
        """Those up to ``upto``."""
        keep = pc.less_equal(self._keep, upto)
        return Held(self._keep.filter(keep), self._versions.filter(keep))

    def changed(self, gone: list[int], found: list[int]) -> Held:
        """Without ``gone``, with ``found``."""
        mask = pc.invert(pc.is_in(self._keep, value_set=pa.array(gone, pa.int64())))
        return Held(
            pa.concat_arrays([self._keep.filter(mask), pa.array(found, pa.int64())]),
            pa.concat_arrays([self._versions.filter(mask), pa.nulls(len(found), pa.string())]),
        )


def held_ids(known: pa.Table, key: str, version: str, came: Sequence[pa.Array]) -> Held:
    """What we hold once this pull is landed: the rows known before and those that came with it, whose revision is new.

    A key that is null (held, and its text no number) stands for a row of which nothing is known. Raises pa.ArrowInvalid when a key is
    no number.
    """
    before = known.column(key).cast(pa.int64()).combine_chunks()
    versions = known.column(version).cast(pa.string()).combine_chunks()
    fresh = joined_ids(came)
    ours = pc.and_(pc.is_valid(before), pc.invert(pc.is_in(before, value_set=fresh)))
    return Held(
        pa.concat_arrays([before.filter(ours), fresh]),
        pa.concat_arrays([versions.filter(ours), pa.nulls(len(fresh), pa.string())]),
    )


def joined_ids(came: Sequence[pa.Array]) -> pa.Array:
    """Arrays of ids as one."""
    return pa.concat_arrays([pa.array([], pa.int64()), *came])


def differences(
    held: Held,
    span: Range,
    there: int,
    count: Callable[[Range], int],
    listing: Callable[[Range], Iterator[tuple[list[int], list[str | None]]]],
) -> Iterator[Difference]:
    """Where ``held`` and the source differ within ``span``, of which the source counts ``there``.

    ``count`` and ``listing`` ask the source, one call a count and one a page. Halving costs a call a level for each difference; where that
    would cost more than listing the range, the range is listed. So it never takes more calls than about twice the listing of all.
    """
    left = [(span, there)]
    while left:
        range, there = left.pop()
        low, high = held.places(range)
        here = high - low
        if here == there:
            continue
        if there == 0:
            yield Difference(list(held.ids[low:high]), [], [])
            continue
        pages = there // PAGE + 1
        halving = abs(here - there) * (math.log2(max(1.0, there / PAGE)) + 1)
        # A negative rest means that the source moved between two counts; listing tells what is there now.
        if there < 0 or here < 2 or pages == 1 or halving >= pages:
            yield from _listed(held, range, listing)
            continue
        middle = held.ids[low + here // 2 - 1]
        lower = count(Range(range.after, middle))
        left.append((Range(middle, range.upto), there - lower))
        left.append((Range(range.after, middle), lower))


def _listed(held: Held, range: Range, listing: Callable[[Range], Iterator[tuple[list[int], list[str | None]]]]) -> Iterator[Difference]:
    """The range compared id by id, a page at a time."""
    after = range.after
    for ids, revisions in listing(range):
        if not ids:
            continue
        yield _compared(held, Range(after, ids[-1]), ids, revisions)
        after = ids[-1]
    low, high = held.places(Range(after, range.upto))
    if high > low:
        yield Difference(list(held.ids[low:high]), [], [])


def _compared(held: Held, range: Range, ids: list[int], revisions: list[str | None]) -> Difference:
    low, high = held.places(range)
    ours = {one: low + offset for offset, one in enumerate(held.ids[low:high])}
    there = set(ids)
    stale: list[int] = []
    for one, revision in zip(ids, revisions, strict=True):
        place = ours.get(one)
        version = None if place is None or revision is None else held.version(place)
        if version is not None and version != revision:
            stale.append(one)
    return Difference([one for one in ours if one not in there], [one for one in ids if one not in ours], stale)
