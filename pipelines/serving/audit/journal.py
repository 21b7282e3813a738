"""The audit's journal: what was decided, put down whole before an answer leaves, one small object a batch, until the tables take many at once."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from contextlib import suppress
from functools import cached_property
from itertools import groupby
from typing import TYPE_CHECKING, Any

from connectors.errors import CannotSay
from pipelines.landing.published import open_store
from pipelines.serving.audit.tables import ANSWERS, batch_schema

if TYPE_CHECKING:
    import pyarrow as pa
    from obstore.store import ObjectStore

FOLDER = "journal"


class Journal:
    """Batches under ``uri`` that no table has taken yet, by name. A name is the segment and the number of the first row in it, so that names in
    order are rows in order. What this process put there is also held in memory."""

    def __init__(self, uri: str) -> None:
        self._uri = uri
        self._held: dict[str, pa.Table] = {}

    @cached_property
    def _store(self) -> ObjectStore:
        return open_store(self._uri)

    def put(self, rows: Sequence[Mapping[str, Mapping[str, Any]]]) -> None:
        """Store one batch, as one object for each segment in it; all are there, whole, when this returns. Each row gives by table what that
        table gets of it.

        Raises OSError or obstore's own where storage fails, ValueError for what the tables could not hold.
        """
        import obstore
        import pyarrow as pa

        # Where a day ends within a batch, the rows of the next are of another segment: under one name they would be taken for the first one's.
        for segment, part in groupby(rows, lambda row: row[ANSWERS]["segment"]):
            batch = pa.Table.from_pylist([dict(row) for row in part], schema=batch_schema())
            sink = io.BytesIO()
            with pa.ipc.new_file(sink, batch.schema) as writer:
                writer.write_table(batch)
            name = _name(segment, batch[ANSWERS][0].as_py()["seq"])
            obstore.put(self._store, name, sink.getvalue(), mode="create")
            self._held[name] = batch

    @property
    def own(self) -> dict[str, pa.Table]:
        """What this process put down."""
        return dict(self._held)

    def read(self) -> dict[str, pa.Table]:
        """What every process put down, as of now. Raises CannotSay for what no writer put there as it is."""
        import obstore
        import pyarrow as pa

        found, held = dict[str, pa.Table](), self.own
        names = (str(meta["path"]) for chunk in obstore.list(self._store, prefix=FOLDER) for meta in chunk)
        for name in sorted(names):
            if name in held:
                found[name] = held[name]
                continue
            # Taken into the tables since it was listed.
            with suppress(FileNotFoundError):
                data = bytes(obstore.get(self._store, name).bytes())
                found[name] = self._proven(name, data)
        return found

    def _proven(self, name: str, data: bytes) -> pa.Table:
        """A batch that is whole and is the one that its name says. What it says of its rows is proven with the chain."""
        import pyarrow as pa

        try:
            batch = pa.ipc.open_file(data).read_all()
            batch.validate(full=True)
        # OSError: what Arrow says of a file that ends too early.
        except (pa.ArrowException, OSError) as error:
            raise CannotSay("audit.journal_batch", where=f"{self._uri}/{name}") from error
        if batch.schema != batch_schema() or not batch.num_rows or not _in_place(name, batch):
            raise CannotSay("audit.journal_batch", where=f"{self._uri}/{name}")
        return batch

    def drop(self, names: Sequence[str]) -> None:
        """Take away what the tables hold now."""
        import obstore

        try:
            obstore.delete(self._store, list(names))
        except FileNotFoundError:
            # Somebody else took some of them in, too.
            for name in names:
                with suppress(FileNotFoundError):
                    obstore.delete(self._store, name)
        for name in names:
            self._held.pop(name, None)


def _in_place(name: str, batch: pa.Table) -> bool:
    """Whether its rows are those of one segment, one after the other, from where its name says."""
    import pyarrow.compute as pc

    segments, places = (pc.struct_field(batch[ANSWERS], column).to_pylist() for column in ("segment", "seq"))
    if None in places or set(segments) != {segments[0]}:
        return False
    return name == _name(segments[0], places[0]) and places == list(range(places[0], places[0] + len(places)))


def _name(segment: str, seq: int) -> str:
    return f"{FOLDER}/{segment}/{seq:010d}.arrow"
