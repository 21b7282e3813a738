"""Takes elements whole while a parser reads them: their inside as text, XML or JSON, for a column that wants it so."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from xml.parsers import expat

from connectors.soap.inner_json import InnerJson
from connectors.soap.inner_xml import InnerXml, Scope
from connectors.soap.layout import Layout
from connectors.soap.multiref import Referred, reference
from connectors.soap.notes import Notes
from connectors.soap.raw import Raw
from connectors.soap.steps import Step

#: What a parser calls for start tags, end tags and texts.
Handlers = tuple[Callable[[str, dict[str, str]], None], Callable[[str], None], Callable[[str], None]]


class Captures:
    """Stands before the handlers of a parser while an element is taken whole, and then gives it back to them.

    ``notes`` take elements that the contract does not know. In a reply that is ``encoded`` a value may stand elsewhere.
    """

    def __init__(self, parser: expat.XMLParserType, scope: Scope, handlers: Handlers, notes: Notes, *, encoded: bool) -> None:
        self._parser, self._scope, self._handlers = parser, scope, handlers
        self._notes, self._encoded = notes, encoded
        self._open: list[tuple[InnerXml | InnerJson, bool, Callable[[Raw], None]]] = []

    def begin(self, step: Step, attributes: Mapping[str, str], above: int, store: Callable[[Raw], None], *, alone: bool = True) -> None:
        """Take the element of ``step``, which has just begun. What is in it comes to the parser's handlers too, unless they leave it ``alone``.

        ``store`` is given the text, or why there is none, before the handlers are told that the element ended.
        """
        assert step.inside is not None
        if isinstance(step.inside, Layout):
            # Where the handlers see the element too, they note what is unknown in it.
            notes = self._notes if alone else None
            taken = InnerJson(step.name, step.inside, above, self._scope, attributes, notes, step.path)
        else:
            taken = InnerXml(step.name, step.inside, above, self._scope)
        self._open.append((taken, alone, store))
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.CharacterDataHandler = self._characters

    def _start(self, name: str, attributes: dict[str, str]) -> None:
        if self._encoded and (to := reference(attributes)) is not None and (to.startswith("#") or "href" not in attributes):
            raise Referred(f"<{name.rpartition('}')[2]}> refers to {to[:40]}, which does not stand in the Envelope")
        for one, _, _ in self._open:
            one.start(name, attributes)
        if not self._open[-1][1]:
            self._handlers[0](name, attributes)

    def _end(self, name: str) -> None:
        found, alone, store = self._open[-1]
        closed = not found.depth
        if closed:
            store(found.whole())
            self._open.pop()
        for one, _, _ in self._open:
            one.end(name)
        if not self._open:
            self._parser.StartElementHandler, self._parser.EndElementHandler, self._parser.CharacterDataHandler = self._handlers
        if closed or not alone:
            self._handlers[1](name)

    def _characters(self, data: str) -> None:
        for one, _, _ in self._open:
            one.characters(data)
        if not self._open[-1][1]:
            self._handlers[2](data)
