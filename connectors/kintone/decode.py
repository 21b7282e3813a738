"""From the bytes of a records page to typed Arrow columns: a msgspec decoder made for the contract, so that no dict is ever built.

An absent key is not an empty value: kintone leaves out what the caller may not see, and what was renamed. Absent from some records of
a page, those records are held back; absent from all, the read stops.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from operator import attrgetter
from typing import Any, cast

import msgspec
import pyarrow as pa

from connectors.errors import AccessRefused, BrokenReply, FixConfiguration
from connectors.kintone.cells import ABSENT, Plan, build
from connectors.kintone.client import must_ascend
from connectors.kintone.schema import BY_TYPE, Field, Form, Shape
from connectors.protocol import Column, Reject


class Entity(msgspec.Struct, gc=False):
    code: str | None
    name: str | None = None


class Attachment(msgspec.Struct, rename={"file_key": "fileKey", "content_type": "contentType"}, gc=False):
    file_key: str
    name: str
    content_type: str | None = None
    size: str | None = None


class TextCell(msgspec.Struct, gc=False):
    value: str | None


class TextsCell(msgspec.Struct, gc=False):
    value: list[str] | None


class EntityCell(msgspec.Struct, gc=False):
    value: Entity | None


class EntitiesCell(msgspec.Struct, gc=False):
    value: list[Entity] | None


class FilesCell(msgspec.Struct, gc=False):
    value: list[Attachment] | None


class IdCell(msgspec.Struct, gc=False):
    value: str


class _RawPage(msgspec.Struct):
    records: list[msgspec.Raw]


_CELLS: dict[Shape, type[msgspec.Struct]] = {"texts": TextsCell, "entity": EntityCell, "entities": EntitiesCell, "files": FilesCell}
#: Keys every record has, and the attributes they are read into.
_SYSTEM = {"$id": "id", "$revision": "revision"}
_RAW = msgspec.json.Decoder(_RawPage)
#: Keys of a person and of a file on the wire → attribute here and shape.
_ENTITY_KEYS: dict[str, tuple[str, Shape]] = {"code": ("code", "text"), "name": ("name", "text")}
_FILE_KEYS: dict[str, tuple[str, Shape]] = {
    "fileKey": ("file_key", "text"),
    "name": ("name", "text"),
    "contentType": ("content_type", "text"),
    "size": ("size", "text"),
}


@dataclass(frozen=True)
class Decoded:
    """One page: typed columns of the rows that fit with their ids and revisions, and the rows that do not. ``last`` is the page's highest id."""

    columns: tuple[pa.Array, ...]
    ids: list[int]
    revisions: list[str]
    source_rows: int
    last: int | None
    rejects: tuple[Reject, ...]


class PageDecoder:
    """Decodes pages of one app for one set of columns. Made once a pull."""

    def __init__(self, form: Form, columns: Sequence[Column], *, host: str, app: str) -> None:
        """Raises FixConfiguration when a column's type can't hold its field, BrokenReply when the form has no such field."""
        self._host, self._app, self._form = host, app, form
        self._columns = tuple(columns)
        self._fields: list[Field] = []
        for column in self._columns:
            field = form.fields.get(column.source)
            if field is None:
                raise BrokenReply("kintone.field_gone", host=host, app=app, field=column.source, column=column.name)
            self._fields.append(field)
        self._aliases: dict[str, str] = {}
        self._make()

    def decode(self, body: bytes, after: int) -> Decoded:
        """The page in ``body``, whose ids must ascend from above ``after``. Raises BrokenReply, or AccessRefused for a hidden column."""
        records = self._records(body)
        if records and self._alias_by_type(body, records):
            records = self._records(body)
        try:
            ids = [int(record.id.value) for record in records]
        except ValueError as error:
            raise BrokenReply("kintone.reply_shape", host=self._host, app=self._app, resource="records", reason=str(error)) from error
        must_ascend(ids, after, host=self._host, app=self._app)
        arrays, bad = self._arrays(records)
        rejects: tuple[Reject, ...] = ()
        kept = records
        if bad:
            raw = _RAW.decode(body).records
            rejects = tuple(
                Reject(key=str(ids[at]), column=name, reason=reason, raw=bytes(raw[at]).decode())
                for at, (name, reason) in sorted(bad.items())
            )
            kept = [record for at, record in enumerate(records) if at not in bad]
            arrays, _ = self._arrays(kept)
        return Decoded(
            columns=tuple(arrays),
            ids=[int(record.id.value) for record in kept] if bad else ids,
            revisions=[record.revision.value for record in kept],
            source_rows=len(records),
            last=ids[-1] if ids else None,
            rejects=rejects,
        )

    def _records(self, body: bytes) -> list[Any]:
        try:
            return self._decoder.decode(body).records
        except msgspec.MsgspecError as error:
            raise BrokenReply("kintone.reply_shape", host=self._host, app=self._app, resource="records", reason=str(error)) from error

    def _arrays(self, records: list[Any]) -> tuple[list[pa.Array], dict[int, tuple[str, str]]]:
        arrays: list[pa.Array] = []
        bad: dict[int, tuple[str, str]] = {}
        for column, plan in zip(self._columns, self._plans, strict=True):
            array, wrong = build(plan, records)
            if records and len(wrong) == len(records) and set(wrong.values()) == {ABSENT}:
                raise AccessRefused("kintone.field_hidden", host=self._host, app=self._app, field=column.source, column=column.name)
            arrays.append(array)
            for at, reason in wrong.items():
                bad.setdefault(at, (column.name, reason))
        return arrays, bad

    def _alias_by_type(self, body: bytes, records: list[Any]) -> bool:
        """Status, assignee and category stand under a localised name: where the code is not the key, the cell's type finds it."""
        wanted = {
            field.vendor_type: field.code
            for at, field in enumerate(self._fields)
            if field.vendor_type in BY_TYPE and field.code not in self._aliases and getattr(records[0], f"c{at}") is msgspec.UNSET
        }
        if not wanted:
            return False
        first = msgspec.json.decode(_RAW.decode(body).records[0])
        for key, cell in cast("dict[str, dict[str, Any]]", first).items():
            code = wanted.get(str(cell.get("type")))
            if code is not None:
                self._aliases[code] = key
        if not self._aliases:
            return False
        self._make()
        return True

    def _make(self) -> None:
        sources = [self._aliases.get(field.code, field.code) for field in self._fields]
        if len(set(sources)) != len(sources):
            raise FixConfiguration("kintone.column_twice", app=self._app)
        members: list[tuple[str, Any, Any]] = []
        names = {attribute: key for key, attribute in _SYSTEM.items()}
        plans: list[Plan] = []
        for at, (column, field, source) in enumerate(zip(self._columns, self._fields, sources, strict=True)):
            if source in _SYSTEM:
                plans.append(self._plan(column, field.shape, attrgetter(f"{_SYSTEM[source]}.value"), ()))
                continue
            attribute = f"c{at}"
            cell, children = self._cell(column, field)
            members.append((attribute, cell | msgspec.UnsetType, msgspec.UNSET))
            names[attribute] = source
            plans.append(self._plan(column, field.shape, attrgetter(f"{attribute}.value"), children))
        system: list[Any] = [(attribute, IdCell) for attribute in _SYSTEM.values()]
        record = msgspec.defstruct("Record", [*system, *members], rename=names, gc=False)
        page = msgspec.defstruct("Page", [("records", list[record])])  # pyright: ignore[reportInvalidTypeForm]  (made at run time)
        self._decoder: msgspec.json.Decoder[Any] = msgspec.json.Decoder(page)
        self._plans = plans

    def _cell(self, column: Column, field: Field) -> tuple[Any, tuple[Plan, ...]]:
        if field.shape != "table":
            return _CELLS.get(field.shape, TextCell), ()
        return self._table(column, field)

    def _table(self, column: Column, field: Field) -> tuple[Any, tuple[Plan, ...]]:
        """The cell type of a sub-table and the plans of its wanted children: the row's id (``id``) and the inner fields by code."""
        inner = {child.code: child for child in field.children}
        members: list[tuple[str, Any, Any]] = []
        names: dict[str, str] = {}
        plans: list[Plan] = []
        for at, child in enumerate(_children(column, self._app)):
            if child.source == "id" and "id" not in inner:
                plans.append(self._plan(child, "text", attrgetter("id"), ()))
                continue
            found = inner.get(child.source)
            if found is None:
                raise BrokenReply(
                    "kintone.field_gone", host=self._host, app=self._app, field=f"{field.code}.{child.source}", column=column.name
                )
            attribute = f"c{at}"
            cell, below = self._cell(child, found)
            members.append((attribute, cell | msgspec.UnsetType, msgspec.UNSET))
            names[attribute] = child.source
            plans.append(self._plan(child, found.shape, attrgetter(f"value.{attribute}.value"), below))
        value = msgspec.defstruct("RowValue", members, rename=names, gc=False)
        row = msgspec.defstruct("Row", [("id", str), ("value", value)], gc=False)
        return msgspec.defstruct("TableCell", [("value", list[row] | None)], gc=False), tuple(plans)  # pyright: ignore[reportInvalidTypeForm]

    def _plan(self, column: Column, shape: Shape, get: Any, children: tuple[Plan, ...]) -> Plan:
        nested = pa.types.is_struct(column.type) or (pa.types.is_list(column.type) and pa.types.is_struct(column.type.value_type))
        keys: Mapping[str, tuple[str, Shape]] = _FILE_KEYS if shape == "files" else _ENTITY_KEYS
        if shape in ("entity", "entities", "files") and nested:
            wanted = _children(column, self._app)
            unknown = [child.source for child in wanted if child.source not in keys]
            if unknown:
                raise FixConfiguration(
                    "kintone.type_impossible", app=self._app, column=column.name, type=str(column.type), field=", ".join(unknown)
                )
            children = tuple(self._plan(child, keys[child.source][1], attrgetter(keys[child.source][0]), ()) for child in wanted)
        plan = Plan(column.name, column.type, shape, get, children)
        try:
            build(plan, [])
        except (pa.ArrowException, AttributeError) as error:
            raise FixConfiguration(
                "kintone.type_impossible", app=self._app, column=column.name, type=str(column.type), field=column.source
            ) from error
        return plan


def _children(column: Column, app: str) -> tuple[Column, ...]:
    """The inner columns as the contract names them, or by the type's own names. Raises FixConfiguration when the two disagree."""
    kind = column.type.value_type if pa.types.is_list(column.type) else column.type
    if not pa.types.is_struct(kind):
        raise FixConfiguration("kintone.type_impossible", app=app, column=column.name, type=str(column.type), field=column.source)
    if not column.children:
        return tuple(Column(kind.field(at).name, kind.field(at).name, kind.field(at).type) for at in range(kind.num_fields))
    if [child.name for child in column.children] != [kind.field(at).name for at in range(kind.num_fields)]:
        raise FixConfiguration("kintone.type_impossible", app=app, column=column.name, type=str(column.type), field=column.source)
    return column.children
