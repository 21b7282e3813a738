"""Comments of a YAML document (ruamel's) that must outlive the node they hang on: what stands after a node belongs to what comes next.

ruamel keeps a comment with the token before it: that of the last key of the last item, however deep. Whoever takes a node out, or puts
another in its place, takes the lines that follow it along.
"""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from functools import cache
from typing import Any, cast

#: Stands after every flow collection that ends a line while a document is edited. Without a comment there, ruamel hangs the lines that
#: follow on the next item, and forgets them where that has a comment beside it.
_MARK = "  # \ue000"
_NOTHING_BESIDE = re.compile(r"[ \t]*(?=\r?$)", re.MULTILINE)
_MARKED = re.compile(r"[ \t]*# \ue000")

#: Whose comments, at which key, in which of ruamel's four places.
Place = tuple[dict[Any, Any], Any, int]


def load(text: str) -> Any:
    """A document to be edited, with all of its comments."""
    for at in reversed(list(_flow_ends(text))):
        if blank := _NOTHING_BESIDE.match(text, at):
            text = text[:at] + _MARK + text[blank.end() :]
    return _yaml().load(text)


def dump(document: Any) -> str:
    """The text of a document that ``load`` gave."""
    out = io.StringIO()
    _yaml().dump(document, out)
    return _MARKED.sub("", out.getvalue())


def _flow_ends(text: str) -> Iterator[int]:
    """Where flow collections end that lie in no other. Asked of ruamel: a bracket may as well be a word's, in text of several lines."""
    from ruamel.yaml.tokens import FlowMappingEndToken, FlowMappingStartToken, FlowSequenceEndToken, FlowSequenceStartToken

    depth = 0
    for token in _yaml().scan(text):
        if isinstance(token, (FlowMappingStartToken, FlowSequenceStartToken)):
            depth += 1
        elif isinstance(token, (FlowMappingEndToken, FlowSequenceEndToken)):
            depth -= 1
            if depth == 0:
                yield token.end_mark.index


def _yaml() -> Any:
    from ruamel.yaml import YAML

    yaml = YAML(typ="rt")
    yaml.Emitter = _emitter()
    yaml.preserve_quotes = True
    yaml.width = 10**6
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


@cache
def _emitter() -> type[Any]:
    """ruamel's own, but for one thing: after a comment beside a flow collection it goes on as after any other line. It else puts the block
    that follows on one line, which nobody can read again.
    """
    from ruamel.yaml.emitter import Emitter
    from ruamel.yaml.events import MappingEndEvent, SequenceEndEvent

    class _Emitter(Emitter):
        def expect_flow_mapping_key(self) -> None:
            ends = isinstance(self.event, MappingEndEvent)
            super().expect_flow_mapping_key()
            self.no_newline = False if ends else self.no_newline

        def expect_flow_sequence_item(self) -> None:
            ends = isinstance(self.event, SequenceEndEvent)
            super().expect_flow_sequence_item()
            self.no_newline = False if ends else self.no_newline

    return _Emitter


def take_out(items: Any, at: int) -> None:
    """Remove an item of a sequence. A comment on the item's own line goes with it; lines of comment before and after it stay."""
    above = items.ca.items.get(at, [None] * 4)[1] or []
    lines = "".join(_line(one) for one in above) + _after(_end(items, at))
    del items[at]
    if not lines.strip():
        return
    if at == 0:
        texts = [line.strip().removeprefix("#").removeprefix(" ") for line in lines.splitlines()]
        items.yaml_set_comment_before_after_key(0, before="\n".join(texts), indent=items.lc.col)
    else:
        _hang(_end(items, at - 1), lines)


def take_key(node: Any, key: str) -> None:
    """Remove a key of a mapping that has others. A comment on its own line goes with it; lines of comment after it stay."""
    lines = _after(_end(node, key))
    known = list(cast("dict[str, Any]", node))
    at = known.index(key)
    del node[key]
    if lines.strip() and at:
        _hang(_end(node, known[at - 1]), lines)


def put(node: Any, key: str, value: Any) -> None:
    """Set a key of a mapping. Lines of comment after the value that was there stand after the new one."""
    before = _end(node, key) if key in node else None
    lines = _after(before) if before is not None else ""
    node[key] = value
    place = _end(node, key)
    if before is None or (place[0] is before[0] and place[1:] == before[1:]):
        return
    if before[0] is node.ca.items and key in node.ca.items:
        # After a short value it hung on the key: there it would come before what is inside of a longer one.
        node.ca.items[key][2] = None
    if lines:
        _hang(place, lines)


def _line(token: Any) -> str:
    return token.value if token.value.isspace() else " " * token.column + token.value


def _after(place: Place) -> str:
    """The lines of the comment at a place below the one it begins on."""
    holder, key, slot = place
    token = holder.get(key, [None] * 4)[slot]
    return "" if token is None else token.value.partition("\n")[2]


def _hang(place: Place, lines: str) -> None:
    """Add lines to the comment at a place."""
    from ruamel.yaml.error import CommentMark
    from ruamel.yaml.tokens import CommentToken

    holder, key, slot = place
    row = holder.setdefault(key, [None] * 4)
    before = row[slot]
    row[slot] = (
        CommentToken("\n" + lines, CommentMark(0)) if before is None else CommentToken(before.value + lines, CommentMark(before.column))
    )


def _end(node: Any, at: Any) -> Place:
    """Where the comment after a node's value (by key, or by number in a sequence) hangs."""
    value = node[at]
    if not hasattr(value, "ca") or not value or value.fa.flow_style():
        return node.ca.items, at, 0 if isinstance(node, list) else 2
    if isinstance(value, list):
        return _end(value, len(cast("list[Any]", value)) - 1)
    return _end(value, next(reversed(cast("dict[Any, Any]", value))))
