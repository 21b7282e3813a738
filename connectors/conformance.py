"""The suite every connector inherits: what the rest of the house relies on, as tests a connector's author gets for free.

Subclass ``ConnectorSuite`` in a test module, give it ``open`` and ``stream``, and run it against a real socket.
"""

from __future__ import annotations

from collections.abc import Collection, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from connectors.access import unknown_scope
from connectors.errors import SourceError
from connectors.keys import key_text
from connectors.protocol import OP, SCOPE, SOURCE_VERSION, Connector, Cursor, Page, Stream, Window

if TYPE_CHECKING:
    import pyarrow as pa


class Holding:
    """What a pipeline holds of a stream after some pages, in memory. Satisfies ``protocol.Known``; what was rejected is not counted."""

    def __init__(self, stream: Stream, pages: Sequence[Page] = ()) -> None:
        self._stream = stream
        self._rows: dict[str, dict[str, Any]] = {}
        self._kept: dict[str, dict[str, Any]] | None = None
        self._kept_schema: pa.Schema | None = None
        for page in pages:
            self.take(page)

    def take(self, page: Page) -> None:
        """One page more."""
        for row in page.rows.to_pylist():
            key = key_text([row[name] for name in self._stream.key])
            self._rows.pop(key, None)
            if row[OP] == "upsert":
                self._rows[key] = row
        if page.kept is not None:
            self._kept = {} if self._kept is None or page.kept.anew else self._kept
            self._kept_schema = page.kept.rows.schema
            for row in page.kept.rows.to_pylist():
                self._kept.pop(row["_key"], None)
                if row[OP] == "upsert":
                    self._kept[row["_key"]] = row

    @property
    def count(self) -> int:
        return len(self._rows)

    def rows(self) -> pa.Table:
        return self._table(list(self._rows), (*self._stream.key, SOURCE_VERSION))

    def kept(self) -> pa.Table | None:
        import pyarrow as pa

        if self._kept is None or self._kept_schema is None:
            return None
        return pa.Table.from_pylist(list(self._kept.values()), schema=self._kept_schema).drop_columns([OP])

    def whole(self, keys: Collection[str]) -> pa.Table:
        import pyarrow as pa

        there = [key for key in keys if key in self._rows]
        table = self._table(there, (*(column.name for column in self._stream.columns), SOURCE_VERSION))
        return table.add_column(0, "_key", pa.array(there, pa.string()))

    def _table(self, keys: Sequence[str], names: Sequence[str]) -> pa.Table:
        import pyarrow as pa

        types = {column.name: column.type for column in self._stream.columns}
        schema = pa.schema([(name, types.get(name, pa.string())) for name in names])
        return pa.Table.from_pylist([self._rows[key] for key in keys], schema=schema)


class ConnectorSuite:
    """Promises of the protocol. ``secrets`` are texts that must never show in an error or a repr."""

    secrets: Sequence[str] = ()

    def open(self) -> Connector:
        """A fresh connector to the source under test."""
        raise TypeError("a conformance suite names its connector: override open()")

    def stream(self) -> Stream:
        """A stream of that source with at least two pages of rows."""
        raise TypeError("a conformance suite names its stream: override stream()")

    def broken_address(self) -> Stream:
        """The same stream at an address the source does not have."""
        raise TypeError("a conformance suite names a wrong address: override broken_address()")

    def test_the_connector_satisfies_the_protocol(self) -> None:
        connector = self.open()
        try:
            assert isinstance(connector, Connector)
        finally:
            connector.close()

    def test_check_proves_something_and_says_what(self) -> None:
        connector = self.open()
        try:
            health = connector.check()
        finally:
            connector.close()
        assert health.ok, health.probes
        assert health.probes
        assert "://" in health.endpoint

    def test_the_schema_described_twice_has_one_fingerprint(self) -> None:
        connector = self.open()
        try:
            first, second = connector.describe(self.stream()), connector.describe(self.stream())
        finally:
            connector.close()
        assert first.fingerprint == second.fingerprint
        assert first.fingerprint.startswith("sha256:")
        assert first.fields

    def test_every_page_has_the_streams_columns_in_order_and_the_three_of_ours(self) -> None:
        stream = self.stream()
        for page in self._pages(stream):
            assert page.rows.schema.names == [*[column.name for column in stream.columns], OP, SOURCE_VERSION, SCOPE]
            for column in stream.columns:
                assert page.rows.schema.field(column.name).type == column.type, column.name
            assert set(page.rows.column(OP).to_pylist()) <= {"upsert", "delete"}
            assert None not in page.rows.column(SCOPE).to_pylist()

    def test_the_sources_count_is_the_number_of_keys_pulled(self) -> None:
        stream = self.stream()
        pulled = _keys([page.rows for page in self._pages(stream)], stream)
        connector = self.open()
        try:
            assert connector.count(stream) == len(set(pulled))
        finally:
            connector.close()
        assert len(pulled) == len(set(pulled)), "a full pull without changes gives each row once"

    def test_listing_the_keys_gives_the_keys_that_a_pull_gives(self) -> None:
        stream = self.stream()
        connector = self.open()
        try:
            listed = _keys(list(connector.keys(stream)), stream)
        finally:
            connector.close()
        assert sorted(listed) == sorted(_keys([page.rows for page in self._pages(stream)], stream))

    def test_a_pull_killed_after_any_page_and_resumed_gives_the_same_rows(self) -> None:
        stream = self.stream()
        pages = self._pages(stream)
        whole = _rows(pages)
        assert len(pages) >= 2, "the suite needs a stream of at least two pages"
        for cut in {0, len(pages) // 2, len(pages) - 1}:
            # In the middle of a pull the connector's memory is what it was before; with the last page it is what this pull kept.
            held = Holding(stream, pages if cut == len(pages) - 1 else ())
            rest = self._pages(stream, pages[cut].cursor, held)
            assert _rows(pages[: cut + 1]) | _rows(rest) == whole

    def test_every_scope_a_row_points_at_is_one_that_access_names(self) -> None:
        stream = self.stream()
        pointed = {scope for page in self._pages(stream) for scope in page.rows.column(SCOPE).to_pylist()}
        connector = self.open()
        try:
            access = connector.access(stream)
            # Scopes that rows make by their own values are named on request.
            derived = connector.scopes(stream, pointed - {scope.id for scope in access.scopes})
        finally:
            connector.close()
        scopes = (*access.scopes, *derived)
        assert pointed <= {scope.id for scope in scopes}
        assert not [scope.id for scope in derived if scope == unknown_scope(scope.id)], "a row points at a scope that is nothing"
        for scope in scopes:
            assert scope.resolved or not scope.principals, "an unresolved scope has no principals"
            assert scope.resolved or scope.reason, "an unresolved scope says why"

    def test_an_address_the_source_does_not_have_is_a_source_error_that_names_the_remedy(self) -> None:
        connector = self.open()
        try:
            connector.describe(self.broken_address())
        except SourceError as error:
            text = error.say("en")
            assert error.code in text or len(text) > 20
            assert not any(secret in text for secret in self.secrets)
        else:
            raise AssertionError("a wrong address was described as if it were there")
        finally:
            connector.close()

    def test_no_secret_shows_in_the_repr_of_the_connector(self) -> None:
        connector = self.open()
        try:
            shown = repr(connector) + repr(vars(connector))
        finally:
            connector.close()
        assert not any(secret in shown for secret in self.secrets)

    def _pages(self, stream: Stream, cursor: Cursor | None = None, known: Holding | None = None) -> list[Page]:
        connector = self.open()
        try:
            pages = list(connector.pull(stream, Window(), cursor, known))
        finally:
            connector.close()
        assert pages, "a pull yields at least one page, even when empty"
        return pages


def narrowed(stream: Stream, **source: Any) -> Stream:
    """The same stream with some of its address changed."""
    return replace(stream, source={**stream.source, **source})


def _keys(batches: Sequence[pa.RecordBatch], stream: Stream) -> list[tuple[Any, ...]]:
    return [key for batch in batches for key in zip(*[batch.column(name).to_pylist() for name in stream.key], strict=True)]


def _rows(pages: Sequence[Page]) -> set[str]:
    return {repr(sorted(row.items(), key=lambda item: item[0])) for page in pages for row in page.rows.to_pylist()}
