"""A table inside a text: XML or CSV that an element carries, read in a second pass. Nothing is fetched, no entity is expanded."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterator, Mapping, Sequence
from xml.parsers import expat

from connectors.soap.reading import Inner
from connectors.soap.tags import XSI_NIL, says_nil
from connectors.soap.xmltree import BrokenXml, UnsafeXml, refuse_doctype

#: An inner document deeper than this is not one that anybody maps to columns.
_DEEPEST = 64
_SHOWN = 40
_XSD = "http://www.w3.org/2001/XMLSchema}"
#: Texts by source; None for what is nil.
_Row = Mapping[str, str | None]


class BrokenInner(ValueError):
    """The text is not the document it is declared to be; the message says why in a few words."""


def rows_of(text: str, inner: Inner, sources: Sequence[str]) -> list[_Row]:
    """The inner rows: for each of ``sources`` that a row has, its text. What a row lacks is left out. Raises BrokenInner."""
    return list(_csv(text, inner, sources) if inner.format == "csv" else _xml(text, inner, sources))


def _csv(text: str, inner: Inner, sources: Sequence[str]) -> Iterator[_Row]:
    lines = csv.reader(io.StringIO(text, newline=""), delimiter=inner.delimiter, strict=True)
    try:
        header = next(lines, None)
        if header is None:
            return
        if len(set(header)) < len(header):
            raise BrokenInner("two columns of one name")
        missing = [one for one in sources if one not in header]
        if missing:
            raise BrokenInner(f"no column {missing[0]}")
        for number, line in enumerate(lines, 1):
            if not line:
                if len(header) == 1:
                    # Whether it is an empty value or nothing, nobody can say.
                    raise BrokenInner(f"line {number} is empty")
                continue
            if len(line) != len(header):
                raise BrokenInner(f"line {number} has {len(line)} fields, not {len(header)}")
            yield {name: value for name, value in zip(header, line, strict=True) if name in sources}
    except csv.Error as error:
        raise BrokenInner(str(error)) from error


def _xml(text: str, inner: Inner, sources: Sequence[str]) -> Iterator[_Row]:
    reader = _Reader(inner.rows.split("/"), sources)
    parser = expat.ParserCreate("utf-8", "}")
    parser.buffer_text = True
    refuse_doctype(parser)
    parser.StartElementHandler = reader.start
    parser.EndElementHandler = reader.end
    parser.CharacterDataHandler = reader.text
    try:
        # The declaration of an inner document names the encoding that it once had; as a text it has none.
        parser.Parse(text.encode(), True)
    except expat.ExpatError as error:
        raise BrokenInner(f"{expat.ErrorString(error.code)} at line {error.lineno}") from error
    except (BrokenXml, UnsafeXml) as error:
        raise BrokenInner(str(error)) from error
    if reader.deepest < len(reader.rows_at) - 1:
        # An empty list still has the element it would stand in; without that, the path is another document's.
        raise BrokenInner(f"no element {reader.rows_at[reader.deepest]}")
    if reader.beside and not reader.rows:
        # What stands there and is no row: perhaps the rows by another name, perhaps the message that there are none to give.
        raise BrokenInner(f"no element {reader.rows_at[-1]}, but {reader.beside[:_SHOWN]}")
    yield from reader.rows


class _Reader:
    """Collects the texts and attributes of the wanted paths of each row. Names are compared without their namespace."""

    def __init__(self, rows: Sequence[str], sources: Sequence[str]) -> None:
        self.rows: list[dict[str, str | None]] = []
        self._where, self.rows_at = list[str](), list(rows)
        #: How much of the path to the rows was met.
        self.deepest = 0
        #: The first element that stands where rows do and is none. A schema that a DataSet brings along is not meant.
        self.beside = ""
        self._sources = frozenset(sources)
        self._row: dict[str, str | None] | None = None
        self._texts: list[list[str]] = []
        #: For each open element whether an element stands in it, and whether it is nil.
        self._parents: list[bool] = []
        self._nil: list[bool] = []

    def start(self, name: str, attributes: dict[str, str]) -> None:
        self._where.append(name.rpartition("}")[2])
        if len(self._where) > _DEEPEST:
            raise UnsafeXml(f"an inner document deeper than {_DEEPEST} elements")
        # The document element has a name of its own, and the path begins below it.
        below = self._where[1:]
        if below == self.rows_at[: len(below)]:
            self.deepest = max(self.deepest, len(below))
        if below == self.rows_at:
            self._row = {}
        elif below[:-1] == self.rows_at[:-1] and len(below) == len(self.rows_at) and not name.startswith(_XSD):
            self.beside = self.beside or below[-1]
        if self._parents:
            self._parents[-1] = True
        self._parents.append(False)
        self._texts.append([])
        nil = says_nil(attributes.get(XSI_NIL, "false"))
        if nil is None:
            raise BrokenInner(f"the xsi:nil of {below[-1] if below else self._where[0]} is no boolean")
        self._nil.append(nil)
        for key, value in attributes.items():
            self._take(f"{self._path()}@{key.rpartition('}')[2]}", value)

    def text(self, data: str) -> None:
        if self._texts:
            self._texts[-1].append(data)

    def end(self, name: str) -> None:
        text, parent, nil = "".join(self._texts.pop()), self._parents.pop(), self._nil.pop()
        if self._where[1:] == self.rows_at:
            assert self._row is not None
            self.rows.append(self._row)
            self._row = None
        elif self._row is not None and (path := self._path()) in self._sources:
            if parent or (nil and text.strip()):
                raise BrokenInner(f"{path} holds more than a value")
            self._take(path, None if nil else text)
        self._where.pop()

    def _path(self) -> str:
        return "/".join(self._where[1 + len(self.rows_at) :])

    def _take(self, path: str, value: str | None) -> None:
        if self._row is None or path not in self._sources:
            return
        if path in self._row:
            raise BrokenInner(f"{path} came twice in one row")
        self._row[path] = value
