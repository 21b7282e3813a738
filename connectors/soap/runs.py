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
from connectors.soap.arrays import POSITION
from connectors.soap.brackets import SPELLINGS, Index, legal, paired
from connectors.soap.known import ANYTHING, unknown
from connectors.soap.multiref import reference
from connectors.soap.notes import Notes
from connectors.soap.steps import Kind, Step
from connectors.soap.tags import CLOSE, EMPTY, OPEN, Tag, plain, read_tag

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

    Ints = NDArray[np.int64]

#: More places of elements that are passed over than this (a type that holds itself), and the reply is expat's.
_PLACES = 1000
#: What an element is that has no step: its contents are nobody's, or the contract does not know it.
_PASSED, _UNKNOWN = -1, -2


def suits(row: Step) -> bool:
    """Whether rows of this plan can be read so: single values, however deep, and attributes; no lists, structs, qualified names and
    elements that may come again."""
    for name, step in row.children.items():
        if (
            name == "*"
            or step.inside
            or step.together
            or step.scalars
            or step.qualified
            or step.repeats
            or step.kind not in (Kind.LEAF, Kind.THROUGH)
        ):
            return False
        if (step.kind is Kind.THROUGH and step.slot >= 0) or (step.kind is Kind.LEAF and step.children) or not suits(step):
            return False
    return not row.scalars and not row.inside


@dataclass
class RunReader:
    """Reads runs of one reply. ``row`` is the plan's step, ``name`` the row's expanded name, ``scope`` the prefixes bound around the rows.

    ``deepest`` is how many levels a row may have. ``notes`` take the elements that the contract does not know.
    """

    row: Step
    name: str
    scope: Mapping[str, str]
    deepest: int
    notes: Notes = field(default_factory=Notes)
    encoded: bool = False
    _tags: dict[str, Tag | None] = field(default_factory=dict[str, "Tag | None"])
    _steps: list[Step] = field(default_factory=list[Step])
    _passed: dict[tuple[int, str], Step] = field(default_factory=dict[tuple[int, str], Step])

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
        if not legal(run):
            return None
        found = Index.of(run)
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
        if not paired(kinds, names, level, leaf):
            return None
        scoped = np.array([one.scoped and one.kind == OPEN for one in read], np.bool_)
        if scoped.any() and not bool(leaf[scoped[found.codes]].all()):
            return None
        return self._placed(found, read, kinds, level, leaf | (kinds == EMPTY))

    def _spellings(self, found: Index) -> list[Tag] | None:
        read: list[Tag] = []
        for text in found.words:
            if text not in self._tags:
                if len(self._tags) > SPELLINGS:
                    self._tags.clear()
                self._tags[text] = read_tag(text, self.scope)
            tag = self._tags[text]
            if tag is None or (self.encoded and tag.attributes and reference(tag.attributes) is not None):
                return None
            read.append(tag)
        return read

    def _placed(
        self, found: Index, read: list[Tag], kinds: NDArray[np.int8], level: NDArray[np.int8], closed: NDArray[np.bool_]
    ) -> raw.Block | None:
        """The elements of the run put where the plan wants them, level by level from the rows down."""
        import numpy as np

        starts = kinds != CLOSE
        here = np.flatnonzero(starts & (level == 1))
        rows = [read[code] for code in _distinct(found.codes[here])]
        if any(one.name != self.name or one.nil or POSITION in (one.attributes or ()) for one in rows):
            return None
        row_of = np.cumsum(starts & (level == 1), dtype=np.int32)
        row_of -= 1
        collected = _Columns(found, read, kinds, len(here), self.row.width)
        deepest = int(level.max())
        strange: list[tuple[Step, str, int]] = []
        state: NDArray[np.int32] = np.zeros(len(here), np.int32)
        collected.attributes(self.row, here, row_of)
        depth = 1
        while True:
            parents = [at for at in _distinct(state) if at >= 0] if depth < deepest else []
            if not parents:
                for above, name, count in strange:
                    assert above.known is not None
                    unknown(self.notes, above.known, above.path, name, count)
                return collected.block()
            table = self._table(parents, read)
            if len(self._passed) > _PLACES:
                return None
            depth += 1
            inner = np.flatnonzero(starts & (level == depth))
            # Only rows are sure to be each other's neighbours; deeper down the owner is the last element that began one level up.
            owner = row_of[inner] if depth == 2 else np.searchsorted(here, inner) - 1
            above = state[owner]
            state = table[above, found.codes[inner]]
            here = inner
            if len(state) and int(state.min()) == _UNKNOWN:
                odd = state == _UNKNOWN
                pairs, counts = np.unique(above[odd].astype(np.int64) * len(read) + found.codes[inner[odd]], return_counts=True)
                strange += [
                    (self._steps[pair // len(read)], read[pair % len(read)].name, int(n)) for pair, n in zip(pairs, counts, strict=True)
                ]
                state[odd] = _PASSED
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
                if step.mark >= 0:
                    collected.mark(step.mark, elements, rows)
                    if not step.children and not step.attributes:
                        continue
                if bool((rows[1:] == rows[:-1]).any()):
                    # A wrapper that comes twice in its row: what that means, events say.
                    return None
                collected.attributes(step, elements, row_of)

    def _table(self, parents: list[int], read: list[Tag]) -> NDArray[np.int32]:
        """What an element of each state and spelling becomes: the number of a step, ``_PASSED`` or ``_UNKNOWN``."""
        import numpy as np

        becomes = {at: [self._below(self._steps[at], tag) for tag in read] for at in parents}
        numbers = {id(step): at for at, step in enumerate(self._steps)}
        table = np.full((len(self._steps) + 1, len(read)), _PASSED, np.int32)
        for at, found in becomes.items():
            table[at] = [one if isinstance(one, int) else numbers[id(one)] for one in found]
        return table

    def _below(self, step: Step, tag: Tag) -> Step | int:
        """The step of an element below one of ``step``; what is known and not wanted gets a step too, for what is in it may be unknown."""
        child = step.children.get(tag.name)
        if child is not None or step.known is None or tag.kind == CLOSE:
            return _PASSED if child is None else child
        key = id(step), tag.name
        if key not in self._passed:
            inside = step.known.at(tag.name)
            if inside is None or inside is ANYTHING or len(self._passed) > _PLACES:
                return _UNKNOWN if inside is None else _PASSED
            self._passed[key] = Step(Kind.PASSED, known=inside, path=f"{step.path}/{tag.name.rpartition('}')[2]}")
            self._steps.append(self._passed[key])
        return self._passed[key]


class _Columns:
    """Raw columns as they fill, of one run."""

    def __init__(self, found: Index, read: list[Tag], kinds: NDArray[np.int8], rows: int, width: int) -> None:
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
            if not any(value is not None for value in values):
                continue
            codes = np.full(self._rows, -1, np.int64)
            codes[row_of[elements]] = self._found.codes[elements]
            spelt: Any = pa.array(values, pa.string())
            texts = spelt.take(pa.array(codes, mask=codes < 0))
            gaps = texts.is_null().to_numpy(zero_copy_only=False).astype(np.int8) * np.int8(raw.ABSENT)
            self._made[slot] = raw.Texts(texts, gaps if texts.null_count else None)

    def mark(self, slot: int, elements: Ints, rows: NDArray[np.int32]) -> None:
        """A column that says of a row whether these elements came in it; of several the last one's xsi:nil counts, as by events."""
        import numpy as np
        import pyarrow as pa

        gaps = np.full(self._rows, raw.ABSENT, np.int8)
        gaps[rows] = np.where(self._nil[self._found.codes[elements]], raw.NIL, 0)
        self._made[slot] = raw.Texts(pa.array(np.full(self._rows, ""), pa.string(), mask=gaps != 0), gaps)

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


def _resolved(texts: Any) -> Any:
    """The texts with their references resolved. Every reference of a run that got here is legal."""
    import pyarrow as pa
    import pyarrow.compute as pc

    marked = pc.fill_null(pc.match_substring(texts, "&"), False)
    if not pc.any(marked).as_py():
        return texts
    return pc.replace_with_mask(texts, marked, pa.array([plain(one) for one in texts.filter(marked).to_pylist()], pa.string()))
