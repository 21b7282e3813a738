"""Columns that are for fewer people than their record is: the field rights behind each, and the record's fields that name those people."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from connectors.kintone.address import App
from connectors.kintone.rights import FieldOf, Rights
from connectors.kintone.rules import Rules
from connectors.kintone.schema import Form
from connectors.protocol import Column


@dataclass(frozen=True)
class Narrow:
    """The lists of one column; each must let a person view. ``source`` is the column's field."""

    source: str
    layers: tuple[Rights, ...]

    @property
    def people(self) -> tuple[tuple[str, FieldOf], ...]:
        """The record's fields by which these lists name persons; none where the column has the same readers in every record."""
        if any(layer.reason for layer in self.layers):
            return ()
        return tuple(dict.fromkeys(field for layer in self.layers for field in layer.fields))

    def scope(self, app: App) -> str:
        """The column's scope. It ends with ``?`` where each record has its own (see ``protocol.column_scope``)."""
        return f"kintone:{app.label}:field:{self.source}" + ("?" if self.people else "")


def narrow_columns(rules: Rules, form: Form, columns: Sequence[Column], table: str = "") -> Mapping[str, Narrow]:
    """By column: those whose field, or a field of whose sub-table, or whose own sub-table (``table``) has rights narrower than everyone's."""
    lists = {code: rights for code, rights in rules.fields if not _open_to_all(rights)}
    found: dict[str, Narrow] = {}
    for column in columns:
        field = form.fields.get(column.source)
        inner = {child.code for child in field.children} if field else set[str]()
        if column.children:
            inner &= {child.source for child in column.children}
        own = {column.source, *([table] if table and field is None else [])}
        layers = tuple(rights for code, rights in lists.items() if code in own or code in inner)
        if layers:
            found[column.name] = Narrow(column.source, layers)
    return found


def _open_to_all(rights: Rights) -> bool:
    """Whether a field's rights take the field from nobody."""
    return not rights.reason and all(one.allowed for one in rights.entries) and any(one.everyone for one in rights.entries)
