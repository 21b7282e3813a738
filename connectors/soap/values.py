"""From raw text to Arrow: lexical checks of XSD first, casts after. A value that does not fit makes its whole row a Reject, by name.

Whole columns go through Arrow kernels. What these do not know for sure is read value by value (``lexical``), with the same result for
good values.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from connectors.keys import key_text
from connectors.pages import page_schema
from connectors.protocol import SOURCE_VERSION, Reject
from connectors.redaction import MASK
from connectors.soap.aside import Attachment
from connectors.soap.binary import column_of_bytes
from connectors.soap.checks import Check
from connectors.soap.facets import facets_of
from connectors.soap.lexical import FLOAT, FORMS, WHOLE, bound_of, value_of, whitespace
from connectors.soap.moments import OFFSET
from connectors.soap.notes import Notes, OfRows
from connectors.soap.presence import Presences
from connectors.soap.raw import GAPS, NIL, TWICE, Block, Presence, Raw, RawRow, Texts
from connectors.soap.rules import Rules, Unfit
from connectors.soap.steps import QUALIFIED, Cell

__all__ = ["Rules", "Unfit", "Where", "batch"]

_SHOWN = 80
#: The raw column of a slot.
_At = Callable[[int], Sequence[Raw] | Texts]
#: For the kernels only: years 0000, 0001 and 9999 go the careful way, for Arrow lets a zone carry them out of the calendar.
_YEAR = r"(000[2-9]|00[1-9][0-9]|0[1-9][0-9]{2}|[1-8][0-9]{3}|9[0-8][0-9]{2}|99[0-8][0-9]|999[0-8])"
_FAST_DATE = rf"^{_YEAR}-[0-9]{{2}}-[0-9]{{2}}$"
_FAST_LOCAL = rf"^{_YEAR}-[0-9]{{2}}-[0-9]{{2}}T[0-9]{{2}}:[0-9]{{2}}:[0-9]{{2}}(\.[0-9]{{1,6}})?$"
_FAST_INSTANT = _FAST_LOCAL.removesuffix("$") + OFFSET + "$"
#: Digits below the microsecond, and those that are not zeros.
_DIGITS, _LOSS = r"(\.[0-9]{6})[0-9]+", r"\.[0-9]{6}[0-9]*[1-9]"
_UNCOLLAPSED = "^ | $|  |[\t\n\r]"


@dataclass(frozen=True)
class Where:
    """For what a Reject says: operation, row path, and the number of the first row of this block (from 1)."""

    operation: str
    rows: str
    first: int


def batch(
    cells: Sequence[Cell],
    rows: Sequence[RawRow],
    rules: Rules,
    where: Where,
    *,
    key: Sequence[str],
    versions: Sequence[str] | pa.StringArray,
    scope: str,
    checks: Sequence[Check] = (),
    notes: Notes | None = None,
    presences: Presences | None = None,
) -> tuple[pa.RecordBatch, list[Reject]]:
    """The rows that fit, in the order and types of the columns with op, version and scope added, and a Reject for each that doesn't.

    A row fits when all its values do and no check of the plan is broken. ``notes`` is told what was odd in the values of those that fit,
    ``presences`` how often each column's value was absent, nil and empty.
    """
    block = rows if isinstance(rows, Block) else None
    columns = list(zip(*rows, strict=True)) if rows and block is None else []
    wrong: dict[int, list[tuple[str, str, Unfit]]] = {}
    arrays: list[pa.Array[Any]] = []
    odd = OfRows(presences)

    def raw(slot: int) -> Sequence[Raw] | Texts:
        return block.column(slot) if block is not None else columns[slot] if columns else ()

    for cell in cells:
        branch = cell.branch
        at = raw if branch is None else lambda _, branch=branch: branch.said_by_all(rows)
        array, unfit = _gathered(cell, raw, rules, odd) if cell.gathers else _column(cell, at, rules, odd)
        arrays.append(array)
        for index, error in unfit.items():
            wrong.setdefault(index, []).append((cell.column.name, cell.column.source, error))
    for check in checks:
        for index, error in check.all_broken(rows):
            wrong.setdefault(index, []).append((check.source, check.source, error))
    if notes is not None:
        odd.tell(notes, wrong)
    said = versions if isinstance(versions, pa.StringArray) else pa.array(versions, pa.string())
    arrays += [pa.repeat(pa.scalar("upsert"), len(rows)), said, pa.repeat(pa.scalar(scope), len(rows))]
    whole = pa.record_batch(arrays, schema=page_schema([cell.column for cell in cells]))
    if not wrong:
        return whole, []
    kept = whole.filter(pa.array([index not in wrong for index in range(len(rows))]))
    keys = {name: whole.column(name) for name in key if name in whole.schema.names}
    named = {index: [keys[name][index].as_py() for name in keys] for index in wrong}
    bad = sorted(wrong)
    of = zip(bad, whole.column(SOURCE_VERSION).take(pa.array(bad, pa.int64())).to_pylist(), strict=True)
    return kept, [_reject(cells, rows[index], named[index], key, where, index, wrong[index], version) for index, version in of]


def _reject(
    cells: Sequence[Cell],
    row: RawRow,
    named: Sequence[Any],
    key: Sequence[str],
    where: Where,
    index: int,
    wrong: Sequence[tuple[str, str, Unfit]],
    version: str | None,
) -> Reject:
    """``named`` is the row's typed key. Where that does not fit itself, the key is what was sent: no row is known by it."""
    flat = [one for whole in cells for one in (whole.children if whole.gathers else (whole,))]
    raw = {one.column.source: _plain(one, one.of(row)) for one in flat}
    texts = {one.column.name: one.of(row) for one in cells if not one.gathers}
    (column, reason), *more = [(column, _reason(where, index, source, error)) for column, source, error in wrong]
    return Reject(
        key=key_text(named)
        if named and None not in named
        else "/".join(text if isinstance(text := texts.get(name), str) else "" for name in key),
        column=column,
        reason=reason,
        raw=json.dumps(raw, ensure_ascii=False),
        more=tuple(more),
        version=version or None,
    )


def _reason(where: Where, index: int, source: str, error: Unfit) -> str:
    """What is wrong, where in the reply it stands, and what was sent, cut short."""
    path = f"{where.rows}[{where.first + index}]/{source}{error.path}"
    shown = repr(error.raw if isinstance(error.raw, str | Attachment) else getattr(error.raw, "value", ""))
    if len(shown) > _SHOWN:
        shown = shown[:_SHOWN] + "…"
    return f"{error.why}: {where.operation} {path} = {shown}"


def _plain(cell: Cell, raw: Raw) -> Any:
    if cell.reading is not None and cell.reading.mask and not isinstance(raw, Presence):
        return MASK
    if isinstance(raw, Presence):
        return None if raw in (Presence.ABSENT, Presence.NIL) else {"#": raw.value}
    if isinstance(raw, Attachment):
        return {"#": "attachment", "size": raw.size}
    if isinstance(raw, str) or cell.simple is not None:
        return raw if isinstance(raw, str) else [None if isinstance(one, Presence) else _plain(cell, one) for one in raw]
    if cell.many:
        return [_struct(cell, one) for one in raw]
    return _struct(cell, raw)


def _struct(cell: Cell, raw: Raw) -> Any:
    return None if isinstance(raw, Presence) else {child.column.source: _plain(child, child.of(raw)) for child in cell.children}


def _column(cell: Cell, at: _At, rules: Rules, odd: OfRows) -> tuple[pa.Array[Any], dict[int, Unfit]]:
    """The typed column, null in the rows that are unfit."""
    raw = at(cell.slot)
    rules = rules.of(cell.reading, keeps_zone=cell.keeps_zone)
    by_value = cell.part != "" or (cell.reading is not None and cell.reading.by_value)
    binary = pa.types.is_binary(cell.column.type) or pa.types.is_large_binary(cell.column.type)
    single = cell.simple is not None and not cell.many
    plain = single and not by_value and not binary and cell.simple is not None and cell.simple.variety == "atomic"
    column = raw if isinstance(raw, Texts) else _as_texts(raw) if plain else None
    if not cell.part:
        odd.presences.take(cell.column.name, raw if column is None else column)
    if by_value:
        return _one_by_one(cell, _raws(raw), rules, odd, _raws(at(cell.beside)) if cell.beside >= 0 else None)
    if single and binary:
        return column_of_bytes(cell, _raws(raw), rules, odd)
    if column is None or not plain:
        return _one_by_one(cell, _raws(raw), rules, odd)
    array, careful, cut = _fast(cell, column, rules)
    unfit: dict[int, Unfit] = {}
    if cut is not None:
        # What is read with care tells of itself.
        lost = cut if careful is None else pc.and_not(cut, careful)
        odd.add(cell.column.name, "value.truncated", pc.indices_nonzero(lost).to_pylist(), fact=True)
    if careful is None:
        return array, unfit
    values, unfit = _careful(cell, ((index, column[index]) for index in pc.indices_nonzero(careful).to_pylist()), rules, odd)
    made = pa.array(values, cell.column.type)
    return (made if len(made) == len(array) else pc.replace_with_mask(array, careful, made)), unfit


def _raws(raw: Sequence[Raw] | Texts) -> Sequence[Raw]:
    return [raw[index] for index in range(len(raw.texts))] if isinstance(raw, Texts) else raw


def _gathered(cell: Cell, raw: _At, rules: Rules, odd: OfRows) -> tuple[pa.Array[Any], dict[int, Unfit]]:
    """A struct whose parts are children of the row itself; there is none where its first part is null or empty."""
    parts: list[pa.Array[Any]] = []
    unfit: dict[int, Unfit] = {}
    for child in cell.children:
        array, wrong = _column(child, raw, rules, odd)
        parts.append(array)
        for index, error in wrong.items():
            unfit.setdefault(index, Unfit(error.why, error.raw, f"/{child.column.source}{error.path}"))
    kind = cell.column.type
    struct = kind.value_type if isinstance(kind, pa.ListType) else kind
    there = pc.is_valid(parts[0])
    if pa.types.is_string(parts[0].type):
        there = pc.and_(there, pc.fill_null(pc.not_equal(parts[0], ""), False))
    made = pa.StructArray.from_arrays(parts, fields=[struct.field(index) for index in range(struct.num_fields)])
    if not isinstance(kind, pa.ListType):
        return pc.if_else(there, made, pa.scalar(None, struct)), unfit
    offsets = pa.array([0, *pc.cumulative_sum(there.cast(pa.int32())).to_pylist()], pa.int32())
    return pa.ListArray.from_arrays(offsets, made.filter(there), type=kind), unfit


def _one_by_one(
    cell: Cell, raw: Sequence[Raw], rules: Rules, odd: OfRows, beside: Sequence[Raw] | None = None
) -> tuple[pa.Array[Any], dict[int, Unfit]]:
    values, unfit = _careful(cell, enumerate(raw), rules, odd, beside)
    return pa.array(values, cell.column.type), unfit


def _careful(
    cell: Cell, raw: Iterable[tuple[int, Raw]], rules: Rules, odd: OfRows, beside: Sequence[Raw] | None = None
) -> tuple[list[Any], dict[int, Unfit]]:
    """The values of these rows, None where they are unfit. Equal texts, as days and codes are, are read once."""
    values: list[Any] = []
    unfit: dict[int, Unfit] = {}
    known: dict[str, Any] = {}
    rules.known.clear()
    for index, one in raw:
        text = one if type(one) is str and beside is None else None
        if text is not None and text in known:
            values.append(known[text])
            continue
        try:
            made = value_of(cell, one, rules, beside[index] if beside is not None else None)
        except Unfit as error:
            made, unfit[index] = None, error
            rules.met.clear()
        else:
            if rules.met:
                odd.take(cell.column, index, rules.met)
            elif text is not None:
                known[text] = made
        values.append(made)
    return values, unfit


def _as_texts(raw: Sequence[Raw]) -> Texts:
    try:
        return Texts(pa.array(raw, pa.string()))
    except (pa.ArrowInvalid, pa.ArrowTypeError):
        # Not all are texts.
        texts = pa.array([one if type(one) is str else None for one in raw], pa.string())
    import numpy as np

    gaps = np.fromiter((0 if type(one) is str else GAPS.index(one) + 1 for one in raw), np.int8, len(raw))
    return Texts(texts, gaps)


def _fast(cell: Cell, column: Texts, rules: Rules) -> tuple[pa.Array[Any], pa.BooleanArray | None, pa.BooleanArray | None]:
    """The column by kernels, where it still has to be read with care (there it holds null), and where digits were cut off; None: nowhere."""
    kind, simple, texts = cell.column.type, cell.simple, column.texts
    assert simple is not None
    whole = pa.repeat(pa.scalar(True), len(texts))
    careful = _gaps(cell, column)
    if cell.default is not None and cell.fills:
        texts = pc.if_else(pc.equal(texts, ""), cell.default, texts)
    form = FORMS.get(simple.builtin)
    if (rules.null_values or rules.empty_as_null) and not (pa.types.is_string(kind) and form is None):
        nothing = [*rules.null_values, *([""] if rules.empty_as_null else [])]
        gone = pc.is_in(texts, value_set=pa.array(nothing, pa.string()))
        if cell.column.required:
            careful = _or(careful, gone)
        texts = pc.if_else(gone, pa.scalar(None, pa.string()), texts)
    if form is not None and rules.zone == "drop":
        careful = _or(careful, pc.match_substring_regex(texts, OFFSET + "$"))
    if cell.fixed:
        careful = _or(careful, pc.not_equal(texts, pa.scalar(cell.default, pa.string())))
    allowed = simple.facets.get("enumeration")
    if isinstance(allowed, tuple):
        careful = _or(careful, pc.invert(pc.is_in(texts, value_set=pa.array([*allowed, None], pa.string()))))
    pattern = _pattern(kind, simple.builtin, rules)
    if pattern is None:
        return pa.nulls(len(texts), kind), whole, None
    cut = None
    if rules.finer == "truncate" and pa.types.is_timestamp(kind) and "pattern" not in simple.facets:
        texts, cut = _cut(texts)
    if pattern:
        careful = _or(careful, pc.invert(pc.match_substring_regex(texts, pattern)))
    rule = whitespace(simple) if pa.types.is_string(kind) else "preserve"
    if rule == "collapse":
        careful = _or(careful, pc.match_substring_regex(texts, _UNCOLLAPSED))
    elif rule == "replace":
        careful = _or(careful, pc.match_substring_regex(texts, "[\t\n\r]"))
    if careful is not None:
        texts = pc.if_else(careful, pa.scalar(None, pa.string()), texts)
    try:
        made = _cast(texts, kind, rules)
    except pa.ArrowInvalid:
        return pa.nulls(len(texts), kind), whole, None
    if not _within(made, simple.builtin, texts):
        return pa.nulls(len(texts), kind), whole, None
    facets = facets_of(simple)
    if facets is None:
        return made, careful, cut
    suspects = facets.suspects(texts, made, simple.builtin, lambda bound: bound_of(bound, kind, simple, rules))
    if suspects is True:
        return made, whole, None
    return made, careful if suspects is None else _or(careful, suspects), cut


def _cut(texts: Any) -> tuple[Any, pa.BooleanArray | None]:
    """Times with their digits below the microsecond cut off, and where these were not all zeros."""
    lost = pc.fill_null(pc.match_substring_regex(texts, _LOSS), False)
    return pc.replace_substring_regex(texts, _DIGITS, r"\1"), lost if pc.any(lost).as_py() else None


def _gaps(cell: Cell, column: Texts) -> pa.BooleanArray | None:
    """Rows whose value is not there though it has to be, or is there twice."""
    if column.gaps is None:
        return None
    wrong = (column.gaps != 0) if cell.column.required else (column.gaps >= TWICE)
    if not cell.nillable:
        wrong |= column.gaps == NIL
    return pa.array(wrong) if wrong.any() else None


def _or(careful: pa.BooleanArray | None, more: Any) -> pa.BooleanArray | None:
    """``careful``, or where ``more`` is true; None when that is nowhere."""
    if not pc.any(more, min_count=0).as_py():
        return careful
    more = pc.fill_null(more, False)
    return more if careful is None else pc.or_(careful, more)


def _cast(texts: Any, kind: pa.DataType, rules: Rules) -> Any:
    """Texts of the right form as ``kind``. Raises ArrowInvalid for a value that only looks right (30 February)."""
    if pa.types.is_string(kind):
        return texts
    if pa.types.is_boolean(kind):
        true = pc.is_in(texts, value_set=pa.array(["true", "1"]))
        return pc.if_else(pc.is_null(texts), pa.scalar(None, pa.bool_()), true) if texts.null_count else true
    if isinstance(kind, pa.TimestampType) and kind.tz and rules.timezone:
        zoned = pc.match_substring_regex(texts, OFFSET + "$")
        if not pc.all(zoned, min_count=0).as_py():
            # Ambiguous times are the earlier ones, as ZoneInfo reads them; times that never were raise, and go the careful way.
            local = pc.if_else(zoned, pa.scalar(None, pa.string()), texts).cast(pa.timestamp("us"))
            there = pc.assume_timezone(local, rules.timezone, ambiguous="earliest", nonexistent="raise").cast(kind)
            return pc.coalesce(there, pc.if_else(zoned, texts, pa.scalar(None, pa.string())).cast(kind))
    return texts.cast(kind)


def _within(made: Any, builtin: str, texts: Any) -> bool:
    """Whether all values are within what the built-in allows, and no number of the text became infinite."""
    if pa.types.is_floating(made.type):
        infinite = pc.is_inf(made)
        return not pc.any(infinite).as_py() or bool(pc.all(pc.ends_with(texts.filter(pc.fill_null(infinite, False)), "INF")).as_py())
    low, high = WHOLE.get(builtin, (None, None))
    if low is None and high is None:
        return True
    bounds = pc.min_max(made)
    least, most = bounds["min"].as_py(), bounds["max"].as_py()
    return least is None or ((low is None or least >= low) and (high is None or most <= high))


def _pattern(kind: pa.DataType, builtin: str, rules: Rules) -> str | None:
    """What texts must look like for the kernels to be right about them. Empty: anything; None: there is no kernel."""
    if pa.types.is_string(kind):
        form = FORMS.get(builtin)
        if builtin in QUALIFIED:
            return None
        return "" if form is None else None if "(?=" in form else f"^({form})$"
    if pa.types.is_boolean(kind):
        return "^(true|false|1|0)$"
    if pa.types.is_integer(kind):
        return r"^-?[0-9]+$"
    if pa.types.is_floating(kind):
        return FLOAT
    if pa.types.is_date32(kind):
        return _FAST_DATE
    if isinstance(kind, pa.Decimal128Type) and 0 <= kind.scale <= kind.precision:
        whole = kind.precision - kind.scale
        if builtin in WHOLE:
            return rf"^-?0*[0-9]{{1,{whole}}}$" if whole else None
        return rf"^-?0*([0-9]{{1,{whole}}}(\.[0-9]{{0,{kind.scale}}}0*)?)$" if whole else None
    if isinstance(kind, pa.TimestampType) and kind.unit == "us":
        if kind.tz is None:
            return _FAST_LOCAL if builtin != "dateTimeStamp" else None
        if builtin == "dateTimeStamp":
            return _FAST_INSTANT
        return _FAST_LOCAL.removesuffix("$") + OFFSET + "?$" if rules.timezone else _FAST_INSTANT
    return None
