"""The suite every connector inherits: what the rest of the house relies on, as tests a connector's author gets for free.

Subclass ``ConnectorSuite`` in a test module, give it ``open`` and ``stream``, and run it against a real socket.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from connectors.errors import SourceError
from connectors.protocol import OP, SCOPE, SOURCE_VERSION, Connector, Cursor, Page, Stream, Window, unknown_scope

if TYPE_CHECKING:
    import pyarrow as pa


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
            rest = self._pages(stream, pages[cut].cursor)
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

    def _pages(self, stream: Stream, cursor: Cursor | None = None) -> list[Page]:
        connector = self.open()
        try:
            pages = list(connector.pull(stream, Window(), cursor))
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
