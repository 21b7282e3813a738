"""Who may see which rows of a version, in memory: exactly what ``filters.access_filter`` lets through, and nobody where nothing is said."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Any

from pipelines.index.store.filters import SAME
from pipelines.index.store.postings import Gathered, Postings

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Mask = NDArray[np.bool_]


@dataclass(frozen=True)
class Readers:
    """By principal, the rows whose ``acl`` names it and those whose ``field_acl`` does."""

    acl: Postings
    field_acl: Postings

    @cached_property
    def principals(self) -> frozenset[str]:
        """All that any row names. Who holds others besides sees no more by them."""
        return frozenset(self.acl.names.keys() | self.field_acl.names.keys()) - {SAME}

    @cached_property
    def _plain(self) -> bool:
        """Whether the fields of every row that anybody reads have the row's own readers: then the second list lets pass whom the first does."""
        return bool((self._rows(self.field_acl, {SAME}) | (self.acl.sizes == 0)).all())

    def mask(self, principals: Iterable[str]) -> Mask:
        """By row, whether one of ``principals`` stands in its ``acl`` and one in its ``field_acl``, or both are one list. Nobody sees nothing."""
        names = set(principals) - {"", SAME}
        seen = self._rows(self.acl, names)
        return seen if self._plain or not names else seen & self._rows(self.field_acl, names | {SAME})

    def _rows(self, held: Postings, names: set[str]) -> Mask:
        import numpy as np

        rows = np.zeros(len(self.acl.sizes), np.bool_)
        for name in names & held.names.keys():
            first, last = held.names[name]
            rows[held.at[first:last]] = True
        return rows


class Read:
    """The two columns of readers, taken in a slice at a time. Raises RuntimeError where either is not what it must be: no reader is guessed."""

    def __init__(self) -> None:
        self._acl, self._field_acl = Gathered(), Gathered()

    def add(self, acl: Any, field_acl: Any) -> None:
        if len(acl) != len(field_acl):
            raise RuntimeError(f"{len(acl)} rows have readers and {len(field_acl)} have readers of their fields")
        self._acl.add(acl)
        self._field_acl.add(field_acl)

    @property
    def bytes(self) -> int:
        return self._acl.bytes + self._field_acl.bytes

    def done(self, to: Any = None) -> Readers:
        """All of it; ``to`` as in ``Gathered.done``."""
        return Readers(self._acl.done(to), self._field_acl.done(to))
