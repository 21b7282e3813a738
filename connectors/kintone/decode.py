"""From the bytes of a records page to typed Arrow columns, and the rows that do not fit.

An absent key is not an empty value: kintone leaves out what the caller may not see, and what was renamed. Absent from some records of
a page, those records are held back; absent from all, the read stops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, cast

import msgspec
import pyarrow as pa

from connectors.errors import AccessRefused, BrokenReply
from connectors.keys import key_text
from connectors.kintone.cells import ABSENT, Plan, build
from connectors.kintone.client import must_ascend
from connectors.kintone.columns import PageColumns
from connectors.kintone.layout import Where, lay_out
from connectors.kintone.repeats import codes_of
from connectors.kintone.schema import BY_TYPE, Field, Form
from connectors.kintone.shapes import UNREADABLE, why
from connectors.protocol import Column, Reject


class _RawPage(msgspec.Struct):
    records: list[msgspec.Raw]


_RAW = msgspec.json.Decoder(_RawPage)


@dataclass(frozen=True)
class Decoded:
    """One page: typed columns of the rows that fit with their ids and revisions, and the rows that do not. ``last`` is the page's highest id.

    ``rejected`` are the ids of the ``rejects``, in step.

    ``people`` has, by field code, the codes of those who stand in that field of each row in ``ids``; nobody is an empty tuple, and None
    a field that the record does not show.
    """

    columns: tuple[pa.Array, ...]
    ids: list[int]
    revisions: list[str]
    source_rows: int
    last: int | None
    rejects: tuple[Reject, ...]
    people: Mapping[str, Sequence[tuple[str, ...] | None]] = field(default_factory=dict[str, Sequence[tuple[str, ...] | None]])
    rejected: tuple[int, ...] = ()


class PageDecoder:
    """Decodes pages of one app for one set of columns. Made once a pull."""

    def __init__(
        self,
        form: Form,
        columns: Sequence[Column],
        *,
        host: str,
        app: str,
        people: Sequence[str] = (),
        some_people: Sequence[str] = (),
        key: Sequence[str] = (),
        chosen: bool = False,
    ) -> None:
        """``key`` names the columns of the contract's key, by which rejects are known (none: by the record's id). ``chosen``: the records
        were asked for by number, so that a field which all of them lack need not be hidden from us.

        ``people`` are codes of fields that hold users, groups or organisations, to be read whether or not a column asks for them: a record
        that does not show one is rejected. ``some_people`` are read too, where they are shown.

        Raises FixConfiguration when a column's type can't hold its field, BrokenReply when the form has no such field or it holds no people.
        """
        self._host, self._app, self._form, self._chosen = host, app, form, chosen
        self._columns = tuple(columns)
        places = tuple(at for name in key for at, column in enumerate(self._columns) if column.name == name)
        self._key = () if [self._columns[at].source for at in places] == ["$id"] else places
        self._fields = [self._field(column.source, column.name) for column in self._columns]
        self._people_fields = [self._field(code, code) for code in dict.fromkeys((*people, *some_people))]
        self._needed = frozenset(people)
        for found in self._people_fields:
            if found.shape not in ("entity", "entities"):
                raise BrokenReply(
                    "kintone.reply_shape",
                    host=host,
                    app=app,
                    resource="record/acl",
                    reason=f"{found.code} ({found.vendor_type}) holds no people",
                )
        self._aliases: dict[str, str] = {}
        self._make()

    def _field(self, code: str, column: str) -> Field:
        found = self._form.fields.get(code)
        if found is None:
            raise BrokenReply("kintone.field_gone", host=self._host, app=self._app, field=code, column=column)
        return found

    def decode(self, body: bytes, after: int) -> Decoded:
        """The page in ``body``, whose ids must ascend from above ``after``. Raises BrokenReply, or AccessRefused for a hidden column."""
        built = self._page.read(body)
        if built is None:
            return self._cell_by_cell(body, after)
        must_ascend(built.ids, after, host=self._host, app=self._app)
        return Decoded(
            columns=tuple(built.columns),
            ids=built.ids,
            revisions=built.revisions,
            source_rows=len(built.ids),
            last=built.ids[-1] if built.ids else None,
            rejects=(),
            people=built.people,
        )

    def _cell_by_cell(self, body: bytes, after: int) -> Decoded:
        """The same for a page in which something may not fit: the slow way, by which also every fault is named."""
        records = self._records(body)
        if records and self._alias_by_type(body, records):
            records = self._records(body)
        try:
            ids = [int(record.id.value) for record in records]
        except ValueError as error:
            raise BrokenReply("kintone.reply_shape", host=self._host, app=self._app, resource="records", reason=why(error)) from error
        must_ascend(ids, after, host=self._host, app=self._app)
        arrays, bad = self._arrays(records)
        rejects: tuple[Reject, ...] = ()
        kept = records
        if bad:
            raw = _RAW.decode(body).records
            rejects = tuple(
                Reject(
                    key=self._key_of(arrays, at, ids[at]),
                    column=found[0][0],
                    reason=found[0][1],
                    raw=bytes(raw[at]).decode(),
                    more=tuple(found[1:]),
                    version=records[at].revision.value,
                )
                for at, found in sorted(bad.items())
            )
            kept = [record for at, record in enumerate(records) if at not in bad]
            fits = pa.array([at not in bad for at in range(len(records))], pa.bool_())
            arrays = [array.filter(fits) for array in arrays]
        return Decoded(
            columns=tuple(arrays),
            ids=[int(record.id.value) for record in kept] if bad else ids,
            revisions=[record.revision.value for record in kept],
            source_rows=len(records),
            last=ids[-1] if ids else None,
            rejects=rejects,
            rejected=tuple(ids[at] for at in sorted(bad)),
            people={code: _shown(plan, kept) for code, plan in self._layout.people.items()},
        )

    def _key_of(self, arrays: Sequence[pa.Array], at: int, id: int) -> str:
        """A row's key as the pipeline writes it: the row that is held must be the one that is live. Where the key itself does not fit,
        text that is no row's key."""
        if not self._key:
            return str(id)
        values: list[Any] = [arrays[place][at].as_py() for place in self._key]
        if any(value is None for value in values):
            values = [f"$id={id}", *([None] * (len(values) - 1))]
        return key_text(values)

    def _records(self, body: bytes) -> list[Any]:
        try:
            return self._decoder.decode(body).records
        except UNREADABLE as error:
            raise BrokenReply("kintone.reply_shape", host=self._host, app=self._app, resource="records", reason=why(error)) from error

    def _arrays(self, records: list[Any]) -> tuple[list[pa.Array], dict[int, list[tuple[str, str]]]]:
        """Column by column, with the positions of rows that do not fit and all that is wrong there. A row whose people can't be seen is one
        of them."""
        arrays: list[pa.Array] = []
        bad: dict[int, list[tuple[str, str]]] = {}
        for column, plan in zip(self._columns, self._layout.plans, strict=True):
            array, wrong = build(plan, records)
            arrays.append(array)
            self._note(wrong, bad, len(records), field=column.source, column=column.name)
        for code, plan in self._layout.people.items():
            _, wrong = build(plan, records)
            if code not in self._needed:
                wrong = {at: reason for at, reason in wrong.items() if reason != ABSENT}
            self._note(wrong, bad, len(records), field=code, column=code)
        return arrays, bad

    def _note(self, wrong: Mapping[int, str], bad: dict[int, list[tuple[str, str]]], rows: int, *, field: str, column: str) -> None:
        if rows and len(wrong) == rows and set(wrong.values()) == {ABSENT} and not self._chosen:
            raise AccessRefused("kintone.field_hidden", host=self._host, app=self._app, field=field, column=column)
        for at, reason in wrong.items():
            bad.setdefault(at, []).append((column, reason))

    def _alias_by_type(self, body: bytes, records: list[Any]) -> bool:
        """Status, assignee and category stand under a localised name: where the code is not the key, the cell's type finds it."""
        wanted = {
            found.vendor_type: found.code
            for found, attribute, _ in self._layout.attributes
            if found.vendor_type in BY_TYPE and found.code not in self._aliases and getattr(records[0], attribute) is msgspec.UNSET
        }
        if not wanted:
            return False
        first = msgspec.json.decode(_RAW.decode(body).records[0])
        for key, cell in cast("dict[str, Any]", first).items():
            code = wanted.get(str(cast("dict[str, Any]", cell).get("type"))) if isinstance(cell, dict) else None
            if code is not None:
                self._aliases[code] = key
        if not self._aliases:
            return False
        self._make()
        return True

    def _make(self) -> None:
        where = Where(self._host, self._app)
        self._layout = lay_out(self._columns, self._fields, self._people_fields, self._aliases, where)
        self._decoder = self._layout.decoder()
        self._page = PageColumns(self._layout)


def _shown(plan: Plan, records: Sequence[Any]) -> list[tuple[str, ...] | None]:
    found: list[tuple[str, ...] | None] = []
    for record in records:
        try:
            found.append(codes_of(plan.get(record) or None))
        except AttributeError:
            found.append(None)
    return found
