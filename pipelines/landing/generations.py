"""The generations of a history: one table for each shape that the next rows could not join, read as one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from connectors.errors import AnswerIsNo
from pipelines.landing.files import Files
from pipelines.landing.shapes import misfit, retyped, shaped

if TYPE_CHECKING:
    import pyarrow as pa
    from deltalake import DeltaTable


def generation(number: int) -> str:
    """The table that holds the history from its ``number``-th shape on. A stream's name has no tilde."""
    return "landing" if number == 1 else f"landing~{number}"


def number_of(table: str) -> int | None:
    """Which generation a table is; None for one that is no history."""
    name, _, number = table.partition("~")
    return None if name != "landing" else int(number or 1)


def in_order(tables: Iterable[str]) -> list[str]:
    """The generations among these tables, oldest first."""
    return sorted((table for table in tables if number_of(table) is not None), key=lambda table: number_of(table) or 0)


def whole(stream: str, opened: Mapping[str, DeltaTable], columns: Sequence[str] | None = None) -> pa.Table:
    """The rows of all generations in the newest shape. Raises AnswerIsNo where an old value has no place in it: it is read by itself then."""
    import pyarrow as pa

    parts: list[pa.Table] = []
    for name in in_order(opened):
        files = Files(opened[name])
        parts += [files.read(file) for file in files.all] or [files.schema.empty_table()]
    shape = parts[0].schema
    for part in parts[1:]:
        shape = retyped(shape, part.schema)
    shape = shape if columns is None else pa.schema([shape.field(name) for name in columns])
    try:
        return pa.concat_tables([shaped(part, shape) for part in parts])
    except pa.ArrowInvalid as error:
        reason = next((said for part in parts if (said := misfit(part, shape)) != "?"), "?")
        raise AnswerIsNo("landing.cannot_read_together", stream=stream, reason=reason) from error
