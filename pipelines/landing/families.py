"""Parents and the streams of their parts: which rows belong to a document of which something is held back, so that no half of one is shown."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any, cast

from connectors.keys import key_text
from expectations.contract import Contract
from pipelines.landing.quarantine import held_now
from pipelines.landing.rows import KEY
from pipelines.landing.warehouse import Warehouse

if TYPE_CHECKING:
    import pyarrow as pa


@dataclass(frozen=True)
class Families:
    """The contracts of a project, and the tables their streams were published in.

    A parent and its parts are streams of their own and are published one by one, so what is whole is decided where they are read: by what
    is held in any of them as last published.
    """

    contracts: Mapping[str, Contract]
    warehouse: Warehouse

    def whole(self, stream: str, rows: pa.Table) -> pa.Table:
        """Those of the stream's live rows whose document is whole: its parent is not held, nor is any part of it."""
        import pyarrow as pa
        import pyarrow.compute as pc

        told = self._family_keys(stream, rows)
        torn = self._torn(self._parent(stream)) if told is not None else frozenset[str]()
        if told is None or not torn:
            return rows
        return rows.filter(pc.invert(pc.is_in(told, value_set=pa.array(sorted(torn), pa.string()))))

    def _parent(self, stream: str) -> str:
        """The stream that a family has its name from: the parent's, which may be this one."""
        parent = self.contracts[stream].parent
        return stream if parent is None else parent.stream

    def _parts(self, parent: str) -> tuple[Contract, ...]:
        return tuple(one for one in self.contracts.values() if one.parent is not None and one.parent.stream == parent)

    def _family_keys(self, stream: str, rows: pa.Table) -> pa.Array | None:
        """The parent's key of each row; None for a stream without a family."""
        import pyarrow as pa

        parent = self.contracts[stream].parent
        if parent is None:
            return rows[KEY].combine_chunks() if self._parts(stream) else None
        columns = (rows[name].to_pylist() for name in parent.key)
        return pa.array([key_text(values) for values in zip(*columns, strict=True)], pa.string())

    def _torn(self, parent: str) -> frozenset[str]:
        """Keys of the parents that are held, and of those of which a part is."""
        torn = {row.key for row in held_now(self.warehouse, parent)}
        for part in self._parts(parent):
            held = (parent_key(part, row.key) for row in held_now(self.warehouse, part.stream))
            torn.update(key for key in held if key is not None)
        return frozenset(torn)


def torn(rows: pa.Table, whole: pa.Table) -> tuple[str, ...]:
    """The keys of those rows that are not among the ``whole`` ones."""
    kept = set(whole[KEY].to_pylist())
    return tuple(key for key in rows[KEY].to_pylist() if key not in kept)


def parent_key(part: Contract, key: str) -> str | None:
    """The key of the parent that a row with this key is a part of; None where the held row's own key could not be read.

    Parts whose record can't be told apart are held by one row whose own part of the key is null.
    """
    assert part.parent is not None
    try:
        told: Any = json.loads(key)
    except ValueError:
        return None
    if not isinstance(told, list) or len(cast("list[Any]", told)) != len(part.key):
        return None
    by_name = dict(zip(part.key, cast("list[Any]", told), strict=True))
    found = [by_name[name] for name in part.parent.key]
    return None if None in found else key_text(found)
