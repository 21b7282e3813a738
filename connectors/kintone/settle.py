"""The end of a pull: what went or came unseen is looked for, until our rows and the source's count agree."""

from __future__ import annotations

from collections.abc import Generator, Iterator

import pyarrow as pa
import pyarrow.compute as pc

from connectors.kintone.client import PAGE
from connectors.kintone.gone import Held, differences, held_ids, joined_ids
from connectors.kintone.pages import page_of
from connectors.kintone.reader import Reader
from connectors.kintone.seek import Range
from connectors.pages import empty, gone, key_columns
from connectors.protocol import SOURCE_VERSION, Cursor, Known, Page

#: A source that keeps moving is looked at this often; then the pipeline's own books decide.
_LOOKS = 3


class Settling:
    """Finds what differs after the legs of one pull. ``found`` says whether anything did."""

    def __init__(self, reader: Reader, cursor: Cursor, came: list[pa.Array], rows: int) -> None:
        """``came`` are the ids read by this process, ``rows`` how many."""
        self._reader, self._cursor, self._came, self._rows = reader, cursor, came, rows
        self.found = False
        columns = key_columns(reader.stream)
        self._by_id = columns[0].name if len(columns) == 1 and columns[0].source == "$id" else ""

    def pages(
        self, known: Known | None, *, full: bool, replaced: bool, resumed: bool, start: int, newest: int, came: int, total: int | None
    ) -> Iterator[Page]:
        """Delete rows and missed rows, if any; then the last page has the source's count. Nothing is asked when the counts agree.

        ``start`` and ``newest`` are the highest ids known before the pull and there at its beginning, ``total`` the count of then.
        ``came`` counts the rows of the leg over all processes that read it; of those that another process read before a resume the ids
        are not known here, so only what was known before the pull is compared then.
        """
        span = Range(0, newest)
        if full:
            yield from self._whole(known, span, replaced=replaced, resumed=resumed, came=came, total=total)
        elif known is not None and resumed:
            yield from self._part(known, start)
        elif known is not None and total is not None and (self._rows or total != known.count):
            yield from self._since(known, start, newest, total)

    def _whole(self, known: Known | None, span: Range, *, replaced: bool, resumed: bool, came: int, total: int | None) -> Iterator[Page]:
        if span.upto:
            # Counted once more: what went or came while the pages were read is in neither the probe nor the rows.
            after = self._reader.count(span)
            if came != after and not resumed:
                after = yield from self._level(self._read(), span, after)
            elif after != total:
                yield empty(self._reader.stream.columns, self._cursor, after)
            total = after
        if replaced and known is not None and not resumed:
            yield from self._others(known, total)

    def _others(self, known: Known, total: int | None) -> Iterator[Page]:
        """Rows of the app that stood here before: everything known that the new one did not bring."""
        rows = known.rows()
        if self._by_id:
            fresh = joined_ids(self._came)
            ids = rows.column(self._by_id).cast(pa.int64())
            left = rows.filter(pc.and_(pc.is_valid(ids), pc.invert(pc.is_in(ids, value_set=fresh))))
            self.found = self.found or left.num_rows > 0
            yield from gone(self._reader.stream.columns, left.select([self._by_id]), self._cursor, total)
        else:
            yield from self._by_keys(known)

    def _since(self, known: Known, start: int, newest: int, total: int) -> Iterator[Page]:
        if not self._by_id:
            new: int = pc.sum(pc.greater(joined_ids(self._came), start)).as_py() or 0
            if total != known.count + new:
                yield from self._by_keys(known)
            return
        held = held_ids(known.rows(), self._by_id, SOURCE_VERSION, self._came)
        # Ids above the newest are held only where the newest records themselves were deleted.
        upto = max(newest, held.ids[-1] if len(held) else 0)
        yield from self._level(held, Range(0, upto), total)

    def _part(self, known: Known, start: int) -> Iterator[Page]:
        if not self._by_id or not start:
            return
        held = held_ids(known.rows(), self._by_id, SOURCE_VERSION, self._came).below(start)
        yield from self._level(held, Range(0, start), self._reader.count(Range(0, start)), whole=False)

    def _read(self) -> Held:
        ids = joined_ids(self._came)
        return Held(ids, pa.nulls(len(ids), pa.string()))

    def _level(self, held: Held, span: Range, total: int, *, whole: bool = True) -> Generator[Page, None, int]:
        """Look until ``held`` has as many ids as the source counts within ``span``, and return that number.

        ``whole``: the span is all there is, so that is the stream's total.
        """
        reader = self._reader
        for _ in range(_LOOKS):
            if len(held) == total:
                break
            self.found = True
            # All is looked at before anything is said: a source that fails half-way must not have had rows declared gone.
            seen = list(differences(held, span, total, reader.count, reader.listing))
            missing = {one for difference in seen for one in difference.missing}
            fetched: list[int] = []
            for page, ids in self._again([*missing, *(one for difference in seen for one in difference.stale)]):
                fetched += missing.intersection(ids)
                yield page
            went = [one for difference in seen for one in difference.gone]
            yield from self._gone(went)
            held = held.changed(went, fetched)
            if len(held) != total:
                total = reader.count(span)
        if self.found:
            yield empty(reader.stream.columns, self._cursor, total if whole else None)
        return total

    def _gone(self, ids: list[int]) -> Iterator[Page]:
        if self._by_id and ids:
            yield from gone(self._reader.stream.columns, pa.table({self._by_id: pa.array(ids, pa.int64())}), self._cursor, None)

    def _again(self, ids: list[int]) -> Iterator[tuple[Page, list[int]]]:
        """These records as they are now, with the ids that were still there."""
        reader = self._reader
        for at in range(0, len(ids), PAGE):
            wanted = ", ".join(str(one) for one in sorted(ids[at : at + PAGE]))
            for _, decoded, scopes in reader.pages(f"$id in ({wanted})", [Range(0)], 1):
                there = [*decoded.ids, *decoded.rejected]
                yield page_of(reader.stream.columns, decoded, scopes, self._cursor, None), there

    def _by_keys(self, known: Known) -> Iterator[Page]:
        """Where the key is not the record's id no range can be counted: all keys are listed and compared.

        Rows in quarantine are not compared here; only the pipeline can tell whether those are gone.
        """
        reader = self._reader
        rows = known.rows()
        names = [column.name for column in key_columns(reader.stream)]
        live = rows.filter(rows.column(SOURCE_VERSION).is_valid())
        ours = set(zip(*[live.column(name).to_pylist() for name in names], strict=True))
        brought = set(joined_ids(self._came).to_pylist())
        missing: list[int] = []
        for ids, decoded in reader.key_pages():
            for one, key in zip(ids, zip(*[column.to_pylist() for column in decoded.columns], strict=True), strict=True):
                if key in ours:
                    ours.discard(key)
                elif one not in brought:
                    missing.append(one)
        if ours:
            self.found = True
            left = pa.table({name: [key[at] for key in ours] for at, name in enumerate(names)}, schema=rows.select(names).schema)
            yield from gone(reader.stream.columns, left, self._cursor, None)
        for page, _ in self._again(missing):
            self.found = True
            yield page
        yield empty(reader.stream.columns, self._cursor, reader.count(Range(0)))
