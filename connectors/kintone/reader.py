"""One app opened for reading: pages of any condition fetched, decoded and scoped. Knows no windows; the order of a pull is in ``pull``."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

import pyarrow as pa

from connectors.access import UNRESOLVED
from connectors.errors import BrokenReply, FixConfiguration
from connectors.kintone.client import Client, seek
from connectors.kintone.config import SourceSpec
from connectors.kintone.decode import Decoded, PageDecoder
from connectors.kintone.narrow import narrow_columns
from connectors.kintone.rights import FieldOf
from connectors.kintone.rules import RowScopes, Rules, moving, read_rules, searches
from connectors.kintone.run import Run
from connectors.kintone.schema import revision_now
from connectors.kintone.seek import Fetched, Range, ahead, bracketed, joined, listing
from connectors.pages import key_columns, schema_for
from connectors.protocol import SOURCE_VERSION, Stream


class Reader:
    """Reads one stream of one run. Rules of access are read once, with the first rows."""

    def __init__(self, client: Client, stream: Stream, run: Run, *, only: Sequence[int] = ()) -> None:
        """``only``: these records and no others.

        Raises FixConfiguration or BrokenReply when the app's form can't fill the stream's columns.
        """
        self.client, self.stream, self.app, self.form = client, stream, run.app, run.form
        chosen = f"$id in ({', '.join(map(str, only))})" if only else ""
        self.condition = joined(own_condition(stream, run.spec), chosen)
        # Of a few records that are asked for because they are odd, a field that all of them lack says nothing of the app.
        self._chosen = bool(only)
        self._decoder = PageDecoder(run.form, stream.columns, host=client.host, app=run.app.label, key=stream.key, chosen=self._chosen)
        self._rules: Rules | None = None
        self._columns: tuple[tuple[str, FieldOf], ...] = ()

    def newest(self) -> tuple[int, int]:
        """The highest id of the stream's live records, 0 where there are none, and how many they are: one call."""
        query = f"{self.condition} order by $id desc limit 1".strip()
        ids, total = self.client.counted(self.app.id, query, self.app.guest_space)
        return (ids[0] if ids else 0), total

    def count(self, span: Range) -> int:
        """How many records of the stream the source has within ``span``."""
        bounds = [f"$id > {span.after}"] if span.after else []
        bounds += [f"$id <= {span.upto}"] if span.upto is not None else []
        return self.client.total(self.app.id, joined(self.condition, *bounds), self.app.guest_space)

    @property
    def conditional(self) -> bool:
        """Whether rules that the source evaluates decide who reads the records that were read so far."""
        return self._rules is not None and any(rule.condition and not rule.blocked for rule in self._rules.records)

    def listing(self, span: Range, bounds: str = "") -> Iterator[tuple[list[int], list[str | None]]]:
        """Ids and revisions of the stream's records within ``span`` and ``bounds``, a page at a time."""
        return listing(self.client, self.app.id, joined(self.condition, bounds), span, self.app.guest_space)

    def pages(self, bounds: str, ranges: list[Range], workers: int) -> Iterator[tuple[Fetched, Decoded, list[str]]]:
        """Decoded pages of the ranges under ``bounds``, with the scope of each row."""
        both = joined(self.condition, bounds)

        def fetch(one: Range) -> bytes:
            return self.client.records(self.app.id, {"query": seek(both, one.after, upto=one.upto)}, self.app.guest_space)

        scopes: dict[int, RowScopes] = {}
        for page in ahead(fetch, ranges, workers, host=self.client.host, app=self.app.label):
            if page.last is not None and self._rules is None:
                self._read_rules()
            decoded = self._decoder.decode(page.body, page.range.after)
            must_agree(page, decoded, host=self.client.host, app=self.app.label)
            yield page, decoded, self._scopes(scopes, page.at, ranges[page.at], bounds, decoded)

    def keys(self) -> Iterator[pa.RecordBatch]:
        """The key columns and ``_source_version`` of every live row, ascending by ``$id``; only those fields travel. At least one batch.

        Raises BrokenReply when the settings change meanwhile, or when a key does not fit its type: a short list would look like deletes.
        """
        for first, (_, decoded) in enumerate(self.key_pages()):
            if decoded.source_rows or not first:
                arrays = [*decoded.columns, pa.array(decoded.revisions, pa.string())]
                schema = pa.schema([*schema_for(key_columns(self.stream)), (SOURCE_VERSION, pa.string())])
                yield pa.RecordBatch.from_arrays(arrays, schema=schema)
        self.unmoved()

    def key_pages(self) -> Iterator[tuple[list[int], Decoded]]:
        """Pages of all live rows with nothing but id, revision and key columns. Raises BrokenReply for a key that does not fit its type."""
        columns = key_columns(self.stream)
        decoder = PageDecoder(self.form, columns, host=self.client.host, app=self.app.label)
        fields = list(dict.fromkeys(["$id", "$revision", *(column.source for column in columns)]))

        def fetch(one: Range) -> bytes:
            params = {"query": seek(self.condition, one.after, upto=one.upto), "fields": fields}
            return self.client.records(self.app.id, params, self.app.guest_space)

        for page in ahead(fetch, [Range(0)], 1, host=self.client.host, app=self.app.label):
            decoded = decoder.decode(page.body, page.range.after)
            must_agree(page, decoded, host=self.client.host, app=self.app.label)
            if decoded.rejects:
                record, reason = decoded.rejected[0], decoded.rejects[0].reason
                raise BrokenReply("kintone.key_unfit", host=self.client.host, app=self.app.label, record=record, reason=reason)
            yield decoded.ids, decoded

    def unmoved(self) -> None:
        """Raises BrokenReply when the app's settings changed since the form was read: nothing of that read is to be kept."""
        now = revision_now(self.client, self.app)
        if now != self.form.revision:
            raise BrokenReply("kintone.schema_moved", host=self.client.host, app=self.app.label, before=self.form.revision, after=now)

    def _read_rules(self) -> None:
        self._rules = read_rules(self.client, self.app, self.form)
        narrow = narrow_columns(self._rules, self.form, self.stream.columns)
        self._columns = tuple(dict.fromkeys(field for one in narrow.values() for field in one.people))
        if self._rules.people or self._columns:
            self._decoder = PageDecoder(
                self.form,
                self.stream.columns,
                host=self.client.host,
                app=self.app.label,
                people=self._rules.people,
                some_people=[code for code, _ in self._columns],
                key=self.stream.key,
                chosen=self._chosen,
            )

    def _scopes(self, held: dict[int, RowScopes], at: int, range: Range, bounds: str, decoded: Decoded) -> list[str]:
        if not decoded.ids or self._rules is None or self._rules.unreadable:
            return [UNRESOLVED] * len(decoded.ids)
        if at not in held:
            narrowed = joined(bounds, *([f"$id <= {range.upto}"] if range.upto is not None else []))
            held[at] = RowScopes(self.client, self.app, self._rules, condition=narrowed, after=range.after, columns=self._columns)
        return held[at].of(decoded.ids, decoded.people)


def own_condition(stream: Stream, spec: SourceSpec) -> str:
    """The contract's condition, in parentheses, or nothing.

    Raises FixConfiguration for one whose answer moves with time or person, or that is a word search.
    """
    condition = spec.condition.strip()
    if moving(condition) or searches(condition):
        raise FixConfiguration("kintone.condition_unsafe", stream=stream.id)
    return bracketed(condition)


def must_agree(page: Fetched, decoded: Decoded, *, host: str, app: str) -> None:
    """Raises BrokenReply when the look ahead saw another page than was decoded: the next page was asked for by what it saw."""
    if decoded.last != page.last or page.rows not in (None, decoded.source_rows):
        got = f"{decoded.source_rows} records to {decoded.last}, not {page.rows} to {page.last}"
        raise BrokenReply("kintone.seek_broken", host=host, app=app, after=page.range.after, got=got)
