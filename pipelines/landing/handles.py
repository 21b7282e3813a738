"""Tables that stand open: one is read again without being opened while its log, on disk, ends where the handle does."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.landing.log import print_of, stands_at
from pipelines.landing.published import store_options

if TYPE_CHECKING:
    from deltalake import DeltaTable
    from obstore.store import ObjectStore

#: A handle takes memory; beyond so many the one kept longest goes.
_MOST = 128


class Handles:
    """The open tables of one warehouse, at most one for each folder.

    A handle knows the log as it was read. It is handed out again only where the entry of its version is still the very file that was there
    then: a log that was cut short, put back or made anew is opened like any other, and what there is to find in it is found.
    """

    def __init__(self, root: str, store: ObjectStore) -> None:
        self._root, self._store = root, store
        self._kept: dict[str, tuple[DeltaTable, tuple[int, str]]] = {}

    def open(self, folder: str, version: int | None = None, *, moving: bool = False) -> DeltaTable | None:
        """The table as of ``version``, else as it is now; None where there is none.

        Now is only ever kept where whoever asks is the table's one writer (``moving``): what it holds moves on with its next question.
        """
        from deltalake import DeltaTable
        from deltalake.exceptions import TableNotFoundError

        found = self._standing(folder) if moving or version is not None else None
        if found is not None and version in (None, found.version()):
            if version is not None or (now := stands_at(self._store, folder, found.version())) == found.version():
                return found
            found.update_incremental()
            self._keep(folder, found)
            if found.version() == now:
                return found
        try:
            found = DeltaTable(f"{self._root}/{folder}", version=version, storage_options=store_options(self._root))
        except TableNotFoundError:
            return None
        if moving or version is not None:
            self._keep(folder, found)
        return found

    def _keep(self, folder: str, table: DeltaTable) -> None:
        told = print_of(self._store, folder, version := table.version())
        self._kept.pop(folder, None)
        if told is None:
            return
        self._kept[folder] = (table, (version, told))
        if len(self._kept) > _MOST:
            self._kept.pop(next(iter(self._kept)), None)

    def _standing(self, folder: str) -> DeltaTable | None:
        table, told = self._kept.get(folder, (None, None))
        if table is None or told is None:
            return None
        # Whoever wrote through a handle moved it, and nobody has looked at the log since.
        if (version := table.version()) == told[0] and print_of(self._store, folder, version) == told[1]:
            return table
        self._kept.pop(folder, None)
        return None
