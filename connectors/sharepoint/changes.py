"""The changes of one drive's feed by columns: whole rows on disk in the order they came, what makes the tree in memory.

The last occurrence of an item wins, over all pages; which one that is, is told by columns too.
"""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Mapping, Sequence
from types import TracebackType
from typing import Any, NamedTuple, Self

import msgspec
import numpy as np
import pyarrow as pa

from connectors.sharepoint import rows
from connectors.sharepoint.feed import Links
from connectors.sharepoint.items import Item, columns, decode, texts
from connectors.sharepoint.schema import INSTANT
from connectors.sharepoint.tree import KINDS, Places, Tree

_TEXT = pa.string()
#: A row by the codes of its source, without its path; ``faults`` (a code and a reason, by spaces) and ``raw`` are
#: of items with a value that its column can't hold, and ``raw`` of all where somebody asks for it.
_ROW = pa.schema(
    [
        *((name, _TEXT) for name in ("item_id", "name", "media_type")), ("size", pa.int64()),
        *((name, _TEXT) for name in ("quick_xor_hash", "etag")), ("created_at", INSTANT), ("modified_at", INSTANT),
        *((name, _TEXT) for name in ("modified_by", "web_url", "list_item_id", "publication", "faults", "raw")),
    ]
)  # fmt: skip
_HEAD = pa.schema([("_key", _TEXT), ("parent", _TEXT), ("name", _TEXT), ("list_item", _TEXT), ("kind", pa.int8()), ("deleted", pa.bool_())])
_FOLDER, _PACKAGE = KINDS.index("folder"), KINDS.index("package")


class Live(NamedTuple):
    """The last occurrences that are no deletions: their places in the feed, ascending, and what they make of the tree, in step."""

    places: Places
    tree: Tree


class Changes:
    """Satisfies ``feed.Sink``. ``raw`` keeps every item as it came, too: for columns that may not be able to hold what it says."""

    def __init__(self, *, raw: bool = False) -> None:
        self._raw = raw
        # Unlinked from the start: whatever kills this process, nothing of the source stays on disk.
        self._file = tempfile.TemporaryFile(prefix="fortnight-")  # noqa: SIM115
        self._begin()

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._file.close()

    def clear(self) -> None:
        self._file.seek(0)
        self._file.truncate()
        self._begin()

    def page(self, body: bytes) -> Links:
        """A page of a feed or of a listing. Raises ``UNREADABLE``."""
        page = decode(body)
        for at, wrong in page.faults.items():
            self._faults[len(self._items) + at] = dict(wrong)
        self._items += page.items
        self._bodies.append(body)
        if len(self._items) >= rows.PAGE_ROWS:
            self._flush()
        return Links(page.following, page.delta)

    def put(self, items: Sequence[Mapping[str, Any]]) -> None:
        """Items from elsewhere than the feed. They are newer than whatever came of them before."""
        if items:
            self.page(msgspec.json.encode({"value": items}))

    @property
    def size(self) -> int:
        """How many items came, repeats and deletions included."""
        return self._written + len(self._items)

    def live(self) -> Live:
        return self._last()[0]

    def deleted(self) -> list[str]:
        """The ids of items whose last occurrence is a deletion."""
        return self._last()[1]

    def rows(self, places: Places) -> Iterator[tuple[int, pa.RecordBatch]]:
        """The rows at these places, which ascend, batch by batch, each with how many came before it. Nothing can be put any more."""
        self._flush()
        self._writer.close()
        self._file.seek(0)
        start = done = 0
        with pa.ipc.open_stream(self._file) as reader:
            for batch in reader:
                end = int(np.searchsorted(places, start + batch.num_rows))
                if end > done:
                    yield done, batch.take(pa.array(places[done:end] - start))
                start, done = start + batch.num_rows, end

    def _begin(self) -> None:
        self._items: list[Item] = []
        self._bodies: list[bytes] = []
        self._faults: dict[int, dict[str, str]] = {}
        self._heads: list[pa.RecordBatch] = []
        self._written = 0
        #: When each folder of the feed was made, as it says.
        self.made: dict[str, str | None] = {}
        self._found: tuple[Live, list[str]] | None = None
        self._writer: Any = pa.ipc.new_stream(self._file, _ROW)

    def _flush(self) -> None:
        items = self._items
        if not items:
            return
        found = columns(items, self._faults)
        self._writer.write_batch(pa.record_batch([*(found[name] for name in _ROW.names[:-2]), *self._odd()], schema=_ROW))
        kinds, names, gone = np.zeros(len(items), np.int8), [""] * len(items), np.zeros(len(items), np.bool_)
        parents = [ref.id if (ref := item.parentReference) is not None else None for item in items]
        for at, item in enumerate(items):
            if item.folder is not None or item.package is not None or item.root is not None:
                if item.root is not None:
                    kinds[at], parents[at] = _FOLDER, ""
                    continue
                kinds[at], names[at] = _PACKAGE if item.package is not None else _FOLDER, item.name
                self.made[item.id] = item.createdDateTime
            if item.deleted is not None:
                gone[at] = True
        list_items = found["list_item_id"].fill_null("")
        head = [
            found["item_id"],
            pa.array(parents, _TEXT).fill_null(""),
            pa.array(names, _TEXT),
            list_items,
            pa.array(kinds),
            pa.array(gone),
        ]
        self._heads.append(pa.record_batch(head, schema=_HEAD))
        self._written += len(items)
        self._items, self._bodies, self._faults = [], [], {}
        self._found = None

    def _odd(self) -> tuple[pa.Array, pa.Array]:
        """The columns ``faults`` and ``raw`` of the items that wait."""
        count = len(self._items)
        if not (self._raw or self._faults):
            return pa.nulls(count, _TEXT), pa.nulls(count, _TEXT)
        whole = [text for body in self._bodies for text in texts(body)]
        faults: list[str | None] = [None] * count
        for at, wrong in self._faults.items():
            faults[at] = " ".join(f"{column} {reason}" for column, reason in wrong.items())
        return pa.array(faults, _TEXT), pa.array(
            [text if self._raw or at in self._faults else None for at, text in enumerate(whole)], _TEXT
        )

    def _last(self) -> tuple[Live, list[str]]:
        self._flush()
        if self._found is None:
            whole = pa.Table.from_batches(self._heads, _HEAD).combine_chunks()
            self._heads = whole.to_batches()
            self._found = _newest(whole)
        return self._found


def _newest(heads: pa.Table) -> tuple[Live, list[str]]:
    """The last occurrences: what is live, and the ids of what is not."""
    codes = heads.column("_key").dictionary_encode().combine_chunks()
    last = np.zeros(len(codes.dictionary), np.int64)
    # Of several values for one place numpy keeps the last.
    last[codes.indices.to_numpy()] = np.arange(heads.num_rows)
    last.sort()
    gone = heads.column("deleted").to_numpy()[last]
    deleted = heads.column("_key").take(pa.array(last[gone])).to_pylist()
    places = last[~gone]
    part = heads if len(places) == heads.num_rows else heads.take(pa.array(places))
    return Live(places, Tree.fresh(part)), deleted
