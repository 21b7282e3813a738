"""The query language of kintone as a tree: conditions, order, limit and offset. What the words mean for an app is matching's work."""

from __future__ import annotations

import re
from dataclasses import dataclass

from infra.sandbox.kintone.errors import KintoneError, invalid

DEFAULT_LIMIT = 100
MAX_LIMIT = 500
MAX_OFFSET = 10_000

_SPACE = " \t\r\n\u3000"
_TOKEN = re.compile(
    r"""(?P<space>[ \t\r\n\u3000]+)
      | (?P<text>"(?:[^"\\\x00-\x1f]|\\["\\tnr/])*")
      | (?P<number>-?\d+(?:\.\d+)?(?:[eE][+-]?\d+)?(?![^\s\u3000()",=!<>]))
      | (?P<op>>=|<=|!=|=|<|>)
      | (?P<mark>[(),])
      | (?P<word>\$?[^\W\d][^\s\u3000()",=!<>]*)""",
    re.VERBOSE,
)
_ESCAPES = {"t": "\t", "n": "\n", "r": "\r", '"': '"', "\\": "\\", "/": "/"}


@dataclass(frozen=True)
class Token:
    kind: str
    text: str
    at: int


@dataclass(frozen=True)
class Function:
    """A call such as ``FROM_TODAY(5, DAYS)``; arguments as written."""

    name: str
    arguments: tuple[str, ...]


@dataclass(frozen=True)
class Literal:
    """A string or number; ``quoted`` says which."""

    text: str
    quoted: bool


Value = Literal | Function


@dataclass(frozen=True)
class Predicate:
    """``field op values``; ``op`` is one of ``= != < > <= >= in, not in, like, not like, is empty, is not empty``."""

    field: str
    op: str
    values: tuple[Value, ...]


@dataclass(frozen=True)
class Both:
    """All of the parts hold."""

    parts: tuple[Condition, ...]


@dataclass(frozen=True)
class Either:
    """At least one of the parts holds."""

    parts: tuple[Condition, ...]


Condition = Predicate | Both | Either


@dataclass(frozen=True)
class Query:
    """A parsed query. ``order`` is (field code, descending); absent limit and offset are None."""

    condition: Condition | None
    order: tuple[tuple[str, bool], ...]
    limit: int | None
    offset: int | None


def tokens_of(text: str) -> list[Token]:
    """Split a query; white space, the full-width space among it, is dropped. Raises CB_VA01."""
    found: list[Token] = []
    at = 0
    while at < len(text):
        match = _TOKEN.match(text, at)
        if match is None:
            raise _syntax(at)
        if match.lastgroup != "space":
            found.append(Token(str(match.lastgroup), match.group(), at))
        at = match.end()
    return found


def parse(text: str) -> Query:
    """Parse a whole query. Raises CB_VA01 for syntax, GAIA_QU01 and GAIA_QU02 for limits."""
    reader = _Reader(tokens_of(text), len(text))
    query = reader.query()
    if query.limit is not None and query.limit > MAX_LIMIT:
        raise KintoneError("GAIA_QU01")
    if query.offset is not None and query.offset > MAX_OFFSET:
        raise KintoneError("GAIA_QU02")
    return query


def predicates(condition: Condition | None) -> list[Predicate]:
    """Every comparison in a condition, left to right."""
    if condition is None:
        return []
    if isinstance(condition, Predicate):
        return [condition]
    return [one for part in condition.parts for one in predicates(part)]


def rename_option(text: str, field: str, old: str, new: str) -> str:
    """The same query with one literal replaced where it is compared with this field."""
    tokens = tokens_of(text)
    found: list[Token] = []
    current = ""
    for place, token in enumerate(tokens):
        after = tokens[place + 1] if place + 1 < len(tokens) else None
        if token.kind == "word" and after is not None and (after.kind == "op" or after.text.lower() in ("in", "not", "like", "is")):
            current = token.text
        elif token.kind == "text" and current == field and _unquote(token.text) == old:
            found.append(token)
    quoted = '"' + new.replace("\\", "\\\\").replace('"', '\\"') + '"'
    for token in reversed(found):
        text = text[: token.at] + quoted + text[token.at + len(token.text) :]
    return text


def rename(text: str, old: str, new: str) -> str:
    """The same query with one field code replaced, as kintone does in its rules when a code is changed."""
    for token in reversed(tokens_of(text)):
        if token.kind == "word" and token.text == old:
            text = text[: token.at] + new + text[token.at + len(old) :]
    return text


def _syntax(at: int) -> KintoneError:
    return invalid("query", "syntax", at=at + 1)


def _unquote(text: str) -> str:
    return re.sub(r"\\(.)", lambda match: _ESCAPES[match.group(1)], text[1:-1])


class _Reader:
    """Recursive descent over the tokens; ``and`` binds tighter than ``or``."""

    def __init__(self, tokens: list[Token], length: int) -> None:
        self._tokens = tokens
        self._place = 0
        self._length = length

    def query(self) -> Query:
        condition = None
        if self._peek() is not None and not self._at("order", "limit", "offset"):
            condition = self._either()
        order: list[tuple[str, bool]] = []
        if self._word("order"):
            self._need("by")
            while True:
                field = self._take("word").text
                # Without a direction kintone sorts downwards.
                order.append((field, not self._word("asc")))
                if order[-1][1]:
                    self._word("desc")
                if not self._mark(","):
                    break
        limit = self._count() if self._word("limit") else None
        offset = self._count() if self._word("offset") else None
        if self._peek() is not None:
            raise self._wrong()
        return Query(condition, tuple(order), limit, offset)

    def _either(self) -> Condition:
        parts = [self._both()]
        while self._word("or"):
            parts.append(self._both())
        return parts[0] if len(parts) == 1 else Either(tuple(parts))

    def _both(self) -> Condition:
        parts = [self._single()]
        while self._word("and"):
            parts.append(self._single())
        if len(parts) == 1:
            return parts[0]
        # Parentheses around a part that is and-ed anyway mean nothing.
        return Both(tuple(one for part in parts for one in (part.parts if isinstance(part, Both) else (part,))))

    def _single(self) -> Condition:
        if self._mark("("):
            inner = self._either()
            if not self._mark(")"):
                raise self._wrong()
            return inner
        field = self._take("word").text
        token = self._peek()
        if token is not None and token.kind == "op":
            self._place += 1
            return Predicate(field, token.text, (self._value(),))
        if self._word("is"):
            negative = self._word("not")
            self._need("empty")
            return Predicate(field, "is not empty" if negative else "is empty", ())
        negative = self._word("not")
        if self._word("in"):
            return Predicate(field, "not in" if negative else "in", self._list())
        if self._word("like"):
            return Predicate(field, "not like" if negative else "like", (self._value(),))
        raise self._wrong()

    def _list(self) -> tuple[Value, ...]:
        if not self._mark("("):
            raise self._wrong()
        values = [self._value()]
        while self._mark(","):
            values.append(self._value())
        if not self._mark(")"):
            raise self._wrong()
        return tuple(values)

    def _value(self) -> Value:
        token = self._peek()
        if token is None:
            raise self._wrong()
        self._place += 1
        if token.kind == "text":
            return Literal(_unquote(token.text), True)
        if token.kind == "number":
            return Literal(token.text, False)
        if token.kind == "word" and self._mark("("):
            arguments: list[str] = []
            while not self._mark(")"):
                argument = self._peek()
                if argument is None or argument.kind not in ("word", "number", "text"):
                    raise self._wrong()
                self._place += 1
                arguments.append(_unquote(argument.text) if argument.kind == "text" else argument.text)
                self._mark(",")
            return Function(token.text.upper(), tuple(arguments))
        self._place -= 1
        raise self._wrong()

    def _count(self) -> int:
        text = self._take("number").text
        if not text.isdigit():
            self._place -= 1
            raise self._wrong()
        return int(text)

    def _peek(self) -> Token | None:
        return self._tokens[self._place] if self._place < len(self._tokens) else None

    def _at(self, *words: str) -> bool:
        token = self._peek()
        if token is None or token.kind != "word" or token.text.lower() not in words:
            return False
        # A field may be called "limit": what follows tells.
        after = self._tokens[self._place + 1] if self._place + 1 < len(self._tokens) else None
        return after is None or after.kind in ("number", "word")

    def _word(self, word: str) -> bool:
        token = self._peek()
        if token is not None and token.kind == "word" and token.text.lower() == word:
            self._place += 1
            return True
        return False

    def _mark(self, mark: str) -> bool:
        token = self._peek()
        if token is not None and token.kind == "mark" and token.text == mark:
            self._place += 1
            return True
        return False

    def _need(self, word: str) -> None:
        if not self._word(word):
            raise self._wrong()

    def _take(self, kind: str) -> Token:
        token = self._peek()
        if token is None or token.kind != kind:
            raise self._wrong()
        self._place += 1
        return token

    def _wrong(self) -> KintoneError:
        token = self._peek()
        return _syntax(self._length if token is None else token.at)
