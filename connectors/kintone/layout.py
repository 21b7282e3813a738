"""How the records of one pull look: msgspec types made for the contract's columns, and the plan by which each column is built of them.

A record is decoded into nothing but what the contract asks for, so that no dict is ever made of it.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal, cast

import msgspec
import pyarrow as pa

from connectors.errors import BrokenReply, FixConfiguration
from connectors.kintone.cells import Plan, build
from connectors.kintone.schema import Field, Shape
from connectors.protocol import Column


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


_CELLS: dict[Shape, type[msgspec.Struct]] = {"texts": TextsCell, "entity": EntityCell, "entities": EntitiesCell, "files": FilesCell}
#: Keys every record has, and the attributes they are read into.
_SYSTEM = {"$id": "id", "$revision": "revision"}
#: Keys of a person and of a file on the wire → attribute here and shape.
_ENTITY_KEYS: dict[str, tuple[str, Shape]] = {"code": ("code", "text"), "name": ("name", "text")}
_FILE_KEYS: dict[str, tuple[str, Shape]] = {
    "fileKey": ("file_key", "text"),
    "name": ("name", "text"),
    "contentType": ("content_type", "text"),
    "size": ("size", "text"),
}
#: Shapes whose cells repeat from record to record, so that each distinct one need be decoded only once.
REPEATING: frozenset[Shape] = frozenset({"entity", "entities", "texts"})


@dataclass(frozen=True)
class Where:
    """The app that is read, for errors."""

    host: str
    app: str


@dataclass(frozen=True)
class Layout:
    """What records are decoded into and how. ``attributes`` are (field, attribute, cell type) of all that is read besides id and revision.

    ``people`` are the plans of the fields that hold people and were asked for, by field code: they build a column of codes.
    """

    plans: tuple[Plan, ...]
    people: Mapping[str, Plan]
    attributes: tuple[tuple[Field, str, Any], ...]
    names: Mapping[str, str]

    def repeating(self) -> dict[str, Any]:
        """Attribute → cell type of those whose cells repeat from record to record."""
        return {attribute: cell for found, attribute, cell in self.attributes if found.shape in REPEATING}

    def decoder(self, *, raw: frozenset[str] = frozenset(), options_only: bool = False) -> msgspec.json.Decoder[Any]:
        """Of whole pages: ``records`` of structs. Attributes in ``raw`` hold the bytes of their cell.

        ``options_only`` lets fields with options have nothing but one of today's options, which is quicker: no text is made then. Records
        keep options that were deleted since, so that not every page can be read so.
        """
        system: list[Any] = [(attribute, IdCell) for attribute in _SYSTEM.values()]
        members: list[Any] = [
            (
                attribute,
                (msgspec.Raw if attribute in raw else _narrow(found, cell) if options_only else cell) | msgspec.UnsetType,
                msgspec.UNSET,
            )
            for found, attribute, cell in self.attributes
        ]
        record = msgspec.defstruct("Record", [*system, *members], rename=dict(self.names), gc=False)
        page = msgspec.defstruct("Page", [("records", list[record])])  # pyright: ignore[reportInvalidTypeForm]  (made at run time)
        return msgspec.json.Decoder(page)


def _narrow(found: Field, cell: Any) -> Any:
    options = found.settings.get("options")
    if found.shape != "text" or not isinstance(options, dict) or not options:
        return cell
    names = tuple({"": None, **cast("dict[str, Any]", options)})
    return msgspec.defstruct("OptionCell", [("value", Literal[names] | None)], gc=False)  # pyright: ignore[reportInvalidTypeForm, reportOperatorIssue]  (made at run time)


def lay_out(
    columns: Sequence[Column], fields: Sequence[Field], people: Sequence[Field], aliases: Mapping[str, str], where: Where
) -> Layout:
    """The layout for ``columns`` of ``fields`` (in step) and for the fields of ``people``. ``aliases``: field code → its key in records.

    Raises FixConfiguration when a column's type can't hold its field, BrokenReply when a sub-table has no such field.
    """
    sources = [aliases.get(one.code, one.code) for one in fields]
    if len(set(sources)) != len(sources):
        raise FixConfiguration("kintone.column_twice", app=where.app)
    names = {attribute: key for key, attribute in _SYSTEM.items()}
    plans: list[Plan] = []
    attributes: list[tuple[Field, str, Any]] = []
    for at, (column, found, source) in enumerate(zip(columns, fields, sources, strict=True)):
        if source in _SYSTEM:
            plans.append(_plan(column, found.shape, f"{_SYSTEM[source]}.value", (), where))
            continue
        attribute = f"c{at}"
        cell, children = _cell(column, found, where)
        names[attribute] = source
        attributes.append((found, attribute, cell))
        plans.append(_plan(column, found.shape, f"{attribute}.value", children, where))
    read = {one.code: attribute for one, attribute, _ in attributes}
    people_plans: dict[str, Plan] = {}
    for at, found in enumerate(people):
        attribute = read.get(found.code, f"p{at}")
        if found.code not in read:
            names[attribute] = aliases.get(found.code, found.code)
            attributes.append((found, attribute, _CELLS[found.shape]))
        kind = pa.string() if found.shape == "entity" else pa.list_(pa.string())
        people_plans[found.code] = Plan(found.code, kind, found.shape, f"{attribute}.value")
    return Layout(tuple(plans), people_plans, tuple(attributes), names)


def _cell(column: Column, field: Field, where: Where) -> tuple[Any, tuple[Plan, ...]]:
    if field.shape != "table":
        return _CELLS.get(field.shape, TextCell), ()
    return _table(column, field, where)


def _table(column: Column, field: Field, where: Where) -> tuple[Any, tuple[Plan, ...]]:
    """The cell type of a sub-table and the plans of its wanted children: the row's id (``id``) and the inner fields by code."""
    inner = {child.code: child for child in field.children}
    members: list[tuple[str, Any, Any]] = []
    names: dict[str, str] = {}
    plans: list[Plan] = []
    wanted = _children(column, where)
    if len({child.source for child in wanted}) != len(wanted):
        raise FixConfiguration("kintone.column_twice", app=where.app)
    for at, child in enumerate(wanted):
        if child.source == "id" and "id" not in inner:
            plans.append(_plan(child, "text", "id", (), where))
            continue
        found = inner.get(child.source)
        if found is None:
            raise BrokenReply(
                "kintone.field_gone", host=where.host, app=where.app, field=f"{field.code}.{child.source}", column=column.name
            )
        attribute = f"c{at}"
        cell, below = _cell(child, found, where)
        members.append((attribute, cell | msgspec.UnsetType, msgspec.UNSET))
        names[attribute] = child.source
        plans.append(_plan(child, found.shape, f"value.{attribute}.value", below, where))
    value = msgspec.defstruct("RowValue", members, rename=names, gc=False)
    row = msgspec.defstruct("Row", [("id", str), ("value", value)], gc=False)
    return msgspec.defstruct("TableCell", [("value", list[row] | None)], gc=False), tuple(plans)  # pyright: ignore[reportInvalidTypeForm]


def _plan(column: Column, shape: Shape, path: str, children: tuple[Plan, ...], where: Where) -> Plan:
    nested = pa.types.is_struct(column.type) or (pa.types.is_list(column.type) and pa.types.is_struct(column.type.value_type))
    keys: Mapping[str, tuple[str, Shape]] = _FILE_KEYS if shape == "files" else _ENTITY_KEYS
    if shape in ("entity", "entities", "files") and nested:
        wanted = _children(column, where)
        unknown = [child.source for child in wanted if child.source not in keys]
        if unknown:
            raise FixConfiguration(
                "kintone.type_impossible", app=where.app, column=column.name, type=str(column.type), field=", ".join(unknown)
            )
        children = tuple(_plan(child, keys[child.source][1], keys[child.source][0], (), where) for child in wanted)
    plan = Plan(column.name, column.type, shape, path, children)
    try:
        build(plan, [])
    except (pa.ArrowException, AttributeError) as error:
        raise FixConfiguration(
            "kintone.type_impossible", app=where.app, column=column.name, type=str(column.type), field=column.source
        ) from error
    return plan


def _children(column: Column, where: Where) -> tuple[Column, ...]:
    """The inner columns as the contract names them, or by the type's own names. Raises FixConfiguration when the two disagree."""
    kind = column.type.value_type if pa.types.is_list(column.type) else column.type
    if not pa.types.is_struct(kind):
        raise FixConfiguration("kintone.type_impossible", app=where.app, column=column.name, type=str(column.type), field=column.source)
    if not column.children:
        return tuple(Column(kind.field(at).name, kind.field(at).name, kind.field(at).type) for at in range(kind.num_fields))
    if [child.name for child in column.children] != [kind.field(at).name for at in range(kind.num_fields)]:
        raise FixConfiguration("kintone.type_impossible", app=where.app, column=column.name, type=str(column.type), field=column.source)
    return column.children
