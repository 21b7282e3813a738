"""What the verbs of ``tables`` print."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Literal

from pydantic import Field

from pipelines.cli.payloads.parts import Part, Payload


class CompactedTable(Part):
    table: str
    files_before: int
    files: int


class CompactedStream(Part):
    stream: str
    published: int | None
    tables: tuple[CompactedTable, ...]


class TablesCompact(Payload):
    """``fortnight tables compact``: the tables that were written anew; ``published`` is null where none was."""

    schema_: Literal["fortnight.tables_compact/1"] = Field(alias="schema")
    streams: tuple[CompactedStream, ...]


class VacuumedTable(Part):
    table: str
    deleted: int
    kept: tuple[int, ...]


class VacuumedStream(Part):
    stream: str
    tables: tuple[VacuumedTable, ...]


class TablesVacuum(Payload):
    """``fortnight tables vacuum``: data files deleted of each table, and the versions of it that were kept whole."""

    schema_: Literal["fortnight.tables_vacuum/1"] = Field(alias="schema")
    days: int
    streams: tuple[VacuumedStream, ...]


class Some(Part):
    """The first of these ids, and how many there are."""

    count: int
    ids: tuple[str, ...]


class IndexBooks(Part):
    """``foreign`` rows are in the candidate and were not in what it was made of; ``textless`` ones gave it nothing to show."""

    index: str
    candidate: int
    rows: int
    textless: int
    foreign: Some


class TablesBooks(Payload):
    """``fortnight tables books``. ``lost``: ids of the source that are neither with us nor held back; ``left``: ours that the source has no more.
    ``source`` is null where it can't list its rows (``verified`` is false then); ``wrong`` is what nothing of ours vouches for."""

    schema_: Literal["fortnight.tables_books/1"] = Field(alias="schema")
    stream: str
    published: int
    verified: bool
    balanced: bool
    source: int | None
    ours: int
    quarantined: int
    lost: Some
    left: Some
    indexes: tuple[IndexBooks, ...]
    wrong: tuple[str, ...]


class TablesRestore(Payload):
    """``fortnight tables restore``: the record that holds now; ``restored`` is the earlier one gone back to, null where tables were put back."""

    schema_: Literal["fortnight.tables_restore/1"] = Field(alias="schema")
    stream: str
    published: int
    restored: int | None
    tables: Mapping[str, int]
