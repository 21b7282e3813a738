"""A run of whole rows to raw columns, without an event per element: tags are found by their brackets and read once per spelling.

A reply of an ERP spells the same few tags again and again. All ``<`` and ``>`` of a run give its tags and texts as one Arrow array over the
bytes; the distinct tags, a few dozen, are read exactly (``tags``); nesting, pairing and places follow by whole arrays. A run is taken only
when every tag, reference and byte in it is what XML 1.0 allows and this module knows; any other is left to expat, which then is the judge.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any

from connectors.soap import raw
from connectors.soap.steps import Kind, Step
from connectors.soap.tags import CLOSE, EMPTY, OPEN, Tag, plain, read_tag

if TYPE_CHECKING:
    import numpy as np
    import pyarrow as pa
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

#: More spellings than this in one run (numbers in attributes, say) and looking tags up is no longer cheap.
_SPELLINGS = 4096
#: The longest reference that ``tags.plain`` resolves has ten bytes.
_REFERENCE = 10


def suits(row: Step) -> bool:
    """Whether rows of this plan can be read so: single values, however deep, and attributes; no lists, structs, qualified names and
    elements that may come again."""
    for name, step in row.children.items():
        if name == "*" or step.scalars or step.qualified or step.repeats or step.kind not in (Kind.LEAF, Kind.THROUGH):
            return False
        if (step.kind is Kind.THROUGH and step.slot >= 0) or (step.kind is Kind.LEAF and step.children) or not suits(step):
            return False
    return not row.scalars


@dataclass
class RunReader:
    """Reads runs of one reply. ``row`` is the plan's step, ``name`` the row's expanded name, ``scope`` the prefixes bound around the rows.

    ``deepest`` is how many levels a row may have.
    """

    row: Step
    name: str
    scope: Mapping[str, str]
    deepest: int
    _tags: dict[str, Tag | None] = field(default_factory=dict[str, "Tag | None"])
    _steps: list[Step] = field(default_factory=list[Step])

    def __post_init__(self) -> None:
        self._steps = [self.row]
        for step in self._steps:
            # An element with several names has one step.
            self._steps.extend({id(child): child for child in step.children.values()}.values())

    def read(self, run: bytes) -> raw.Block | None:
        """The rows of ``run``, which begins and ends between rows; None when expat must read it."""
        import numpy as np

        if b"\r" in run:
            # XML 1.0 §2.11: a line ends in one line feed, however it was written.
            run = run.replace(b"\r\n", b"\n").replace(b"\r", b"\n")
        if not _legal(run):
            return None
        found = _Index.of(run)
        if found is None:
            return None
        read = self._spellings(found)
        if read is None:
            return None
        kinds = np.array([one.kind for one in read], np.int8)[found.codes]
        spelt: dict[str, int] = {}
        names = np.array([spelt.setdefault(one.raw, len(spelt)) for one in read], np.int16)[found.codes]
        # A byte will do: a depth that overflows it, one by one, was out of bounds before.
        level = np.cumsum(np.array([1, -1, 0], np.int8)[kinds], dtype=np.int8)
        if level[-1] != 0 or int(level.min()) < 0:
            return None
        level += kinds != OPEN
        if int(level.max()) > self.deepest:
            return None
        leaf = np.zeros(len(kinds), np.bool_)
        leaf[:-1] = (kinds[:-1] == OPEN) & (kinds[1:] == CLOSE)
        if not _paired(kinds, names, level, leaf):
            return None
        scoped = np.array([one.scoped and one.kind == OPEN for one in read], np.bool_)
        if scoped.any() and not bool(leaf[scoped[found.codes]].all()):
            return None
        return self._placed(found, read, kinds, level, leaf | (kinds == EMPTY))

    def _spellings(self, found: _Index) -> list[Tag] | None:
        read: list[Tag] = []
        for text in found.words:
            if text not in self._tags:
                if len(self._tags) > _SPELLINGS:
                    self._tags.clear()
                self._tags[text] = read_tag(text, self.scope)
            tag = self._tags[text]
            if tag is None:
                return None
            read.append(tag)
        return read

    def _placed(
        self, found: _Index, read: list[Tag], kinds: NDArray[np.int8], level: NDArray[np.int8], closed: NDArray[np.bool_]
    ) -> raw.Block | None:
        """The elements of the run put where the plan wants them, level by level from the rows down."""
        import numpy as np

        starts = kinds != CLOSE
        here = np.flatnonzero(starts & (level == 1))
        if any(read[code].name != self.name or read[code].nil for code in _distinct(found.codes[here])):
            return None
        row_of = np.cumsum(starts & (level == 1), dtype=np.int32)
        row_of -= 1
        collected = _Columns(found, read, kinds, len(here), self.row.width)
        numbers = {id(step): at for at, step in enumerate(self._steps)}
        state: NDArray[np.int32] = np.zeros(len(here), np.int32)
        collected.attributes(self.row, here, row_of)
        depth = 1
        while True:
            # What an element of each state and spelling becomes: the number of a step, or -1 for what the plan does not know.
            parents = [at for at in _distinct(state) if at >= 0 and self._steps[at].children]
            if not parents:
                return collected.block()
            table = np.full((len(self._steps) + 1, len(read)), -1, np.int32)
            for at in parents:
                for code, tag in enumerate(read):
                    child = self._steps[at].children.get(tag.name)
                    if child is not None:
                        table[at, code] = numbers[id(child)]
            depth += 1
            inner = np.flatnonzero(starts & (level == depth))
            # Only rows are sure to be each other's neighbours; deeper down the owner is the last element that began one level up.
            owner = row_of[inner] if depth == 2 else np.searchsorted(here, inner) - 1
            state = table[state[owner], found.codes[inner]]
            here = inner
            leaves = np.array([step.kind is Kind.LEAF for step in self._steps] + [False], np.bool_)[state]
            if not bool(closed[here[leaves]].all()):
                return None
            if not collected.leaves(self._steps, state, here, row_of):
                return None
            for at in _distinct(state):
                step = self._steps[at]
                if at < 0 or not (step.attributes or step.kind is Kind.THROUGH):
                    continue
                elements = here[state == at]
                rows = row_of[elements]
                if bool((rows[1:] == rows[:-1]).any()):
                    # A wrapper that comes twice in its row: what that means, events say.
                    return None
                collected.attributes(step, elements, row_of)


@dataclass(frozen=True)
class _Index:
    """The tags and texts of a run. ``parts`` is tag, text, tag, text …; the last text is empty. ``codes`` number the tags' spellings.

    ``marked`` are the parts that hold references; None when none does.
    """

    parts: pa.StringArray
    codes: NDArray[np.int32]
    words: list[str]
    marked: NDArray[np.bool_] | None

    @classmethod
    def of(cls, run: bytes) -> _Index | None:
        import numpy as np
        import pyarrow as pa

        bytes_ = np.frombuffer(run, np.uint8)
        opens, closes = np.flatnonzero(bytes_ == 60), np.flatnonzero(bytes_ == 62)
        count = len(opens)
        if not count or count != len(closes) or closes[-1] != len(run) - 1 or run[: opens[0]].strip(b" \t\n"):
            return None
        if not bool((closes > opens).all()) or not bool((opens[1:] > closes[:-1]).all()):
            return None
        offsets = np.empty(2 * count + 1, np.int32)
        offsets[0:-1:2], offsets[1::2], offsets[-1] = opens, closes + 1, len(run)
        parts = pa.StringArray.from_buffers(2 * count, pa.py_buffer(offsets), pa.py_buffer(run))
        try:
            # All bytes as one text: they are UTF-8, or it is no text. Cut at brackets, so are the parts.
            pa.StringArray.from_buffers(1, pa.py_buffer(np.array([0, len(run)], np.int32)), pa.py_buffer(run)).validate(full=True)
        except pa.ArrowInvalid:
            return None
        spelt: Any = parts.take(pa.array(np.arange(0, 2 * count, 2, dtype=np.int32)))
        spelt = spelt.dictionary_encode()
        if len(spelt.dictionary) > _SPELLINGS:
            return None
        marked = None
        if b"&" in run:
            marked = np.zeros(2 * count, np.bool_)
            marked[np.searchsorted(offsets, np.flatnonzero(bytes_ == 38), side="right") - 1] = True
        return cls(parts, spelt.indices.to_numpy(), spelt.dictionary.to_pylist(), marked)


class _Columns:
    """Raw columns as they fill, of one run."""

    def __init__(self, found: _Index, read: list[Tag], kinds: NDArray[np.int8], rows: int, width: int) -> None:
        import numpy as np

        self._found, self._read, self._rows = found, read, rows
        self._made: dict[int, raw.Texts] = {}
        self._tokens: dict[int, list[NDArray[Any]]] = {}
        self._width = width
        self._empty = kinds == EMPTY
        self._any_nil = any(one.nil for one in read)
        self._nil = np.array([one.nil for one in read], np.bool_)
        self._row_of: NDArray[np.int32] | None = None

    def leaves(self, steps: list[Step], state: NDArray[np.int32], here: Ints, row_of: NDArray[np.int32]) -> bool:
        """Note the elements that are values, by slot. False: one is nil and holds a value all the same."""
        import numpy as np
        import pyarrow as pa
        import pyarrow.compute as pc

        self._row_of = row_of
        slots = np.array([step.slot if step.kind is Kind.LEAF else -1 for step in steps] + [-1], np.int16)[state]
        order = np.argsort(slots, kind="stable")
        bounds = np.searchsorted(slots[order], np.arange(-1, self._width + 1))
        for slot in range(self._width):
            first, last = bounds[slot + 1], bounds[slot + 2]
            if last > first:
                self._tokens.setdefault(slot, []).append(here[order[first:last]])
        if not self._any_nil:
            return True
        nil = here[(slots >= 0) & self._nil[self._found.codes[here]] & ~self._empty[here]]
        return not len(nil) or not pc.any(pc.greater(pc.binary_length(self._found.parts.take(pa.array(2 * nil + 1))), 0)).as_py()

    def attributes(self, step: Step, elements: Ints, row_of: NDArray[np.int32]) -> None:
        """The columns that are attributes of one step's elements."""
        import numpy as np
        import pyarrow as pa

        for name, slot in step.attributes.items():
            values = [(one.attributes or {}).get(name, step.defaults.get(name)) for one in self._read]
            codes = np.full(self._rows, -1, np.int64)
            codes[row_of[elements]] = self._found.codes[elements]
            spelt: Any = pa.array(values, pa.string())
            texts = spelt.take(pa.array(codes, mask=codes < 0))
            gaps = texts.is_null().to_numpy(zero_copy_only=False).astype(np.int8) * np.int8(raw.ABSENT)
            self._made[slot] = raw.Texts(texts, gaps if texts.null_count else None)

    def block(self) -> raw.Block | None:
        import numpy as np
        import pyarrow as pa

        columns: list[raw.Texts] = []
        for slot in range(self._width):
            made = self._made.get(slot) or self._value(slot)
            if made is None:
                made = raw.Texts(pa.nulls(self._rows, pa.string()), np.full(self._rows, raw.ABSENT, np.int8))
            columns.append(made)
        return raw.Block(self._rows, columns)

    def _value(self, slot: int) -> raw.Texts | None:
        import numpy as np
        import pyarrow as pa

        if slot not in self._tokens or self._row_of is None:
            return None
        lists = self._tokens[slot]
        elements = lists[0] if len(lists) == 1 else np.sort(np.concatenate(lists))
        rows = self._row_of[elements]
        texts_at = 2 * elements + 1
        if self._empty[elements].any():
            texts_at[self._empty[elements]] = len(self._found.parts) - 1
        gaps = None
        nil = self._nil[self._found.codes[elements]] if self._any_nil else None
        again = rows[1:][rows[1:] == rows[:-1]]
        if len(elements) != self._rows or len(again) or (nil is not None and nil.any()):
            gaps = np.full(self._rows, raw.ABSENT, np.int8)
            gaps[rows] = 0
            if nil is not None:
                gaps[rows[nil]] = raw.NIL
            gaps[again] = raw.TWICE
            where = np.zeros(self._rows, np.int64)
            where[rows] = texts_at
            places = pa.array(where, mask=gaps != 0)
        else:
            places = pa.array(texts_at)
        texts: Any = self._found.parts.take(places)
        return raw.Texts(_resolved(texts) if self._found.marked is not None and self._found.marked[texts_at].any() else texts, gaps)


def _distinct(numbers: NDArray[np.int32]) -> list[int]:
    """The different numbers, from -1 up, of a few."""
    import numpy as np

    return [int(one) - 1 for one in np.flatnonzero(np.bincount(numbers + 1))]


def _legal(run: bytes) -> bool:
    """Whether every character is one of XML 1.0's and every reference one that needs no declaration. UTF-8 itself is checked elsewhere."""
    import numpy as np

    bytes_ = np.frombuffer(run, np.uint8)
    low = bytes_[bytes_ < 32]
    if len(low) and not bool(((low == 9) | (low == 10)).all()):
        return False
    # U+FFFE and U+FFFF are EF BF BE and EF BF BF.
    high = np.flatnonzero(bytes_[:-2] == 0xEF)
    if len(high) and bool(((bytes_[high + 1] == 0xBF) & (bytes_[high + 2] >= 0xBE)).any()):
        return False
    if b"&" not in run:
        return True
    spelt = {run[at : at + _REFERENCE].partition(b";") for at in np.flatnonzero(bytes_ == 38)}
    return all(end and name.isascii() and plain((name + end).decode("ascii")) is not None for name, end, _ in spelt)


def _paired(kinds: NDArray[np.int8], names: NDArray[np.int16], level: NDArray[np.int8], leaf: NDArray[np.bool_]) -> bool:
    """Whether each end tag has the name of its start tag. ``leaf`` marks start tags that an end tag follows at once."""
    import numpy as np

    at = np.flatnonzero(leaf)
    if not bool((names[at] == names[at + 1]).all()):
        return False
    rest = ~leaf & (kinds != EMPTY)
    rest[at + 1] = False
    left = np.flatnonzero(rest)
    # At one level, starts and ends take turns; so sorted by level, in document order, each start stands before its own end.
    order = left[np.argsort(level[left], kind="stable")]
    first, second = order[0::2], order[1::2]
    return (
        len(first) == len(second)
        and bool((kinds[first] == OPEN).all())
        and bool((kinds[second] == CLOSE).all())
        and bool((names[first] == names[second]).all())
    )


def _resolved(texts: Any) -> Any:
    """The texts with their references resolved. Every reference of a run that got here is legal."""
    import pyarrow as pa
    import pyarrow.compute as pc

    marked = pc.fill_null(pc.match_substring(texts, "&"), False)
    if not pc.any(marked).as_py():
        return texts
    return pc.replace_with_mask(texts, marked, pa.array([plain(one) for one in texts.filter(marked).to_pylist()], pa.string()))
