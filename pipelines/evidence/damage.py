"""Files of a ledger that cannot be read: which one it is, and the one error that says so."""

from __future__ import annotations

import re
from collections.abc import Callable, Generator
from contextlib import contextmanager

import pyarrow as pa
from deltalake import DeltaTable
from deltalake.exceptions import DeltaError

from pipelines.evidence.errors import LedgerBroken

#: What a table that was damaged is answered with.
UNREADABLE = (DeltaError, pa.ArrowException, OSError)


@contextmanager
def legible(location: str, search: Callable[[], LedgerBroken | None] = lambda: None) -> Generator[None]:
    """Turns what reading the table at ``location`` meets into LedgerBroken (``broken_by``)."""
    try:
        yield
    except UNREADABLE as problem:
        raise broken_by(problem, location, search) from problem


def broken_by(problem: Exception, location: str, search: Callable[[], LedgerBroken | None] = lambda: None) -> LedgerBroken:
    """The error for a ``problem`` met in the table at ``location``. What a library says of it seldom names the file, so that ``search`` looks for
    it; where it finds none, it was the table's log.
    """
    return search() or illegible(f"{location.rstrip('/')}/_delta_log", problem)


def damaged(table: DeltaTable) -> LedgerBroken | None:
    """The error for the first file of ``table`` that cannot be read to its end; None where all can."""
    for fragment in table.to_pyarrow_dataset().get_fragments():
        try:
            fragment.to_table()
        except UNREADABLE as problem:
            return illegible(f"{table.table_uri.rstrip('/')}/{fragment.path}", problem)
    return None


def illegible(file: str, problem: Exception) -> LedgerBroken:
    """The error for ``file``, in the words of who could not read it."""
    said = problem.strerror if isinstance(problem, OSError) and problem.strerror else str(problem)
    # The libraries tell causes beneath one another, in colours, and name the file again: the last is what happened.
    told = [line.strip() for line in re.sub(r"\x1b\[[\d;]*m|↳", "", said).splitlines() if line.strip()]
    last = told[-1].rpartition("': ")[2].rstrip(".") if told else type(problem).__name__
    return LedgerBroken("ledger.file_unreadable", file=file.removeprefix("file://"), reason=last)
