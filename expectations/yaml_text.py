"""YAML 1.2 as the files of a project are read: by libyaml where it is known to say the same as ruamel, by ruamel everywhere else.

ruamel is the reader: it decides what a text means and what is refused, and names line and column. But it is pure Python, and was most of what loading a
large code location cost. libyaml gives the events of a text many times faster, by the grammar of YAML 1.1. So its events are taken for plain
shapes only, never where the two grammars part, and what an unquoted word means is asked of ruamel as before.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from functools import lru_cache
from typing import Any

from yaml import YAMLError as LibyamlError
from yaml.events import AliasEvent, DocumentStartEvent, MappingEndEvent, MappingStartEvent, ScalarEvent, SequenceEndEvent, StreamEndEvent

try:
    from yaml import CSafeLoader
except ImportError:
    # The wheel of a platform may come without libyaml.
    CSafeLoader = None

#: Where the two part: other line ends, the mark of an encoding, tabs, directives, and a quoted key in a list with no space behind its colon.
_PARTING = re.compile("[\t\r\x85\u2028\u2029\ufeff]|^%|[\"']:[^ \n]", re.MULTILINE)
#: Where they part if a text has block scalars: comments beside and below these, lines of nothing but spaces, ends of documents.
_PARTING_BLOCKS = re.compile("#|^ +$|^[.][.][.]|^---", re.MULTILINE)
#: Deeper than any file of ours.
_DEPTH = 50
#: What an unquoted word begins with that may be more than text.
_TELLING = frozenset("+-.0123456789~nNtTfF<=")
#: The words of every contract, which need no asking.
_COMMON: dict[str, bool | None] = {"true": True, "false": False, "null": None, "": None}


class _Unsure(Exception):
    """ruamel may say something else."""


def read_yaml(text: str) -> Any:
    """What the one document of ``text`` says, in plain values. Raises ruamel's YAMLError."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    try:
        return _Quick(text).document()
    except _Unsure:
        pass
    try:
        return YAML(typ="safe").load(text)
    except (TypeError, ValueError) as error:
        # A date that is none, a list as a key: ruamel lets through what Python says of it.
        raise YAMLError(str(error)) from error


class _Quick:
    """A text by libyaml's events. Raises _Unsure for whatever is not plainly the same to ruamel, and for whatever is wrong."""

    def __init__(self, text: str) -> None:
        if CSafeLoader is None or _PARTING.search(text):
            raise _Unsure
        self._text = text
        self._next: Callable[[], Any] = CSafeLoader(text).get_event

    def document(self) -> Any:
        try:
            self._next()
            if type(self._next()) is not DocumentStartEvent:
                raise _Unsure
            value = self._value(self._next(), 0)
            if self._next().explicit or type(self._next()) is not StreamEndEvent:
                raise _Unsure
        except LibyamlError as error:
            raise _Unsure from error
        return value

    def _value(self, event: Any, depth: int) -> Any:
        kind = type(event)
        if depth > _DEPTH or kind is AliasEvent or event.anchor is not None or event.tag is not None:
            raise _Unsure
        if kind is ScalarEvent:
            if event.style in ("|", ">") and _PARTING_BLOCKS.search(self._text):
                raise _Unsure
            return _word(event.value) if event.implicit[0] else event.value
        if kind is MappingStartEvent:
            found: dict[Any, Any] = {}
            while type(inner := self._next()) is not MappingEndEvent:
                key = self._value(inner, depth + 1)
                if isinstance(key, list | dict) or key in found:
                    raise _Unsure
                found[key] = self._value(self._next(), depth + 1)
            return found
        items: list[Any] = []
        while type(inner := self._next()) is not SequenceEndEvent:
            items.append(self._value(inner, depth + 1))
        return items


def _word(text: str) -> Any:
    """What an unquoted word means."""
    if text in _COMMON:
        return _COMMON[text]
    return _asked(text) if text[0] in _TELLING else text


@lru_cache(maxsize=4096)
def _asked(text: str) -> Any:
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError
    from ruamel.yaml.nodes import ScalarNode

    yaml = YAML(typ="safe")
    tag = yaml.resolver.resolve(ScalarNode, text, (True, False))
    try:
        return yaml.constructor.construct_object(ScalarNode(tag, text))
    except (YAMLError, ValueError) as error:
        # A merge, a date that is none: for ruamel to say, where it stands.
        raise _Unsure from error
