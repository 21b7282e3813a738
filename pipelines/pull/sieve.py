"""What the contract's own policies hold back row by row: options that it doesn't list, and empty values where it asks for one."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from connectors.keys import key_text
from connectors.protocol import OP, SOURCE_VERSION, Page, Reject
from expectations.contract import Contract, FieldSpec

if TYPE_CHECKING:
    import pyarrow as pa

#: Finds, in the values of one field, those that the contract can't take: a mask of rows (bool), true where a row is held.
_Mask = Callable[["pa.Array"], "pa.Array"]
#: A path of names, the reason, and the mask of the innermost values.
_Rule = tuple[tuple[str, ...], str, _Mask]


class Sieve:
    """Holds rows of a page by what ``drift.options: quarantine`` and ``drift.required: quarantine`` ask for; else every row passes."""

    def __init__(self, contract: Contract) -> None:
        self._key = contract.key
        self._columns = {field.name: field.source for field in contract.fields}
        self._rules = tuple(_rules(contract.fields, (), options=contract.drift.options, required=contract.drift.required))

    def sift(self, page: Page) -> Page:
        """The page without the rows that are held; they are among its rejects."""
        if not self._rules or not page.rows.num_rows:
            return page
        import pyarrow as pa
        import pyarrow.compute as pc

        rows = page.rows
        upserts = pc.equal(rows.column(OP), "upsert")
        held: dict[int, list[tuple[str, str]]] = {}
        for path, reason, mask in self._rules:
            bad = pc.and_(upserts, pc.fill_null(_within(rows.column(path[0]), path[1:], mask), False))
            for row in pc.indices_nonzero(bad).to_pylist():
                held.setdefault(row, []).append((".".join(path), reason))
        if not held:
            return page
        kept = pa.array([row not in held for row in range(rows.num_rows)])
        rejects = tuple(self._reject(rows, row, reasons) for row, reasons in sorted(held.items()))
        return replace(page, rows=rows.filter(kept), rejects=(*page.rejects, *rejects))

    def _reject(self, rows: pa.RecordBatch, row: int, reasons: list[tuple[str, str]]) -> Reject:
        import msgspec

        values: dict[str, Any] = rows.slice(row, 1).to_pylist()[0]
        # By the source's codes, as every other held row.
        raw = msgspec.json.encode({source: values[name] for name, source in self._columns.items()}).decode()
        (column, reason), *more = reasons
        return Reject(key_text([values[name] for name in self._key]), column, reason, raw, tuple(more), values[SOURCE_VERSION] or None)


def _rules(fields: tuple[FieldSpec, ...], above: tuple[str, ...], *, options: str, required: str) -> Iterator[_Rule]:
    for field in fields:
        path = (*above, field.name)
        if options == "quarantine" and field.options:
            yield path, "option.unknown (not among those that the contract lists)", _not_among(field.options)
        if required == "quarantine" and field.required:
            yield path, "value.missing (the contract requires one)", _missing
        yield from _rules(field.fields, path, options=options, required=required)


def _not_among(options: tuple[str, ...]) -> _Mask:
    def mask(values: pa.Array) -> pa.Array:
        import pyarrow as pa
        import pyarrow.compute as pc

        if pa.types.is_list(values.type):
            return _any_of(values, mask)
        known = pa.array([*options, ""], pa.string())
        return pc.and_(pc.is_valid(values), pc.invert(pc.is_in(values.cast(pa.string()), value_set=known)))

    return mask


def _missing(values: pa.Array) -> pa.Array:
    import pyarrow.compute as pc

    return pc.is_null(values)


def _within(values: pa.Array, path: tuple[str, ...], mask: _Mask) -> pa.Array:
    """The mask at the end of a path, for the rows above it: a row is held when one of its inner rows is."""
    import pyarrow as pa
    import pyarrow.compute as pc

    if not path:
        return mask(values)
    if pa.types.is_list(values.type):
        return _any_of(values, lambda inner: _within(inner, path, mask))
    # Where the whole struct is absent, nothing in it is asked for.
    return pc.and_(pc.is_valid(values), _within(pc.struct_field(values, path[0]), path[1:], mask))


def _any_of(lists: pa.Array, mask: _Mask) -> pa.Array:
    """Which lists hold a value that the mask finds."""
    import pyarrow as pa
    import pyarrow.compute as pc

    bad = pc.fill_null(mask(pc.list_flatten(lists)), False)
    found = set(pc.list_parent_indices(lists).filter(bad).to_pylist())
    return pa.array([row in found for row in range(len(lists))], pa.bool_())
