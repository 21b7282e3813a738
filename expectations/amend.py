"""Drift written into a contract's YAML as its next version, with comments and order kept; what can't be written is named and left to people."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, cast

from connectors.errors import FixConfiguration
from connectors.protocol import LiveField, Schema
from expectations.changes import Change
from expectations.comments import dump, load, put, take_key, take_out
from expectations.contract import RESERVED, Contract
from expectations.reading import named, parse_contract
from expectations.rules import check_rule
from expectations.types import parse_type, write_type

#: Kinds for which a contract has no word: the acceptance names them, and the next published pull has taken them in.
_UNSTATED = frozenset(
    {"computed", "states", "lookup", "settings", "login", "rights", "call", "namespace", "endpoint", "security", "headers", "choice"}
)
#: What is written plain and read as something else.
_STUMBLES = re.compile(r"^(\?|-|:|\.\.\.)|\x85")
#: What a name of ours can't hold.
_UNNAMEABLE = re.compile(r"[\s/\\.`@$]+")


@dataclass(frozen=True)
class Amended:
    """``text`` is the new YAML, without version and acceptance; ``stated`` the changes that stand in it; ``unstated`` those that only the
    acceptance can name; ``left`` those that a person must write.
    """

    text: str
    stated: tuple[Change, ...]
    unstated: tuple[Change, ...]
    left: tuple[Change, ...]


def amend(text: str, contract: Contract, live: Schema, changes: Iterable[Change], take: Mapping[str, str] | None = None) -> Amended:
    """The contract's ``text`` with these changes of its source in it.

    A field that is new at the source is left out by name, or comes to the fields where ``take`` maps its path to a name. A renamed field
    keeps its own name. Nothing is accepted by this: it is only written.
    """
    writer = _Writer(load(text), contract, live, dict(take or {}))
    stated: list[Change] = []
    unstated: list[Change] = []
    left: list[Change] = []
    for change in changes:
        (unstated if writer.has_no_word(change) else stated if writer.write(change) else left).append(change)
    writer.address()
    return Amended(writer.text(), tuple(stated), tuple(unstated), tuple(left))


def signed(text: str, version: int, accepted: Mapping[str, Any]) -> str:
    """The text with its version and who accepted it, and of what that acceptance is. Raises FixConfiguration where the text is no contract."""
    document = load(text)
    document["version"] = version
    said = {key: value for key, value in accepted.items() if value and key != "promise"}
    # What was accepted by name is part of what is promised.
    put(document, "accepted", _flow(said))
    promise = parse_contract(dump(document), Path("contract.yaml")).fingerprint()
    put(document, "accepted", _flow(said | {"promise": promise}))
    return dump(document)


def _flow(values: Mapping[str, Any]) -> Any:
    from ruamel.yaml.comments import CommentedMap

    made: Any = CommentedMap({key: _said(one) for key, one in values.items()})
    if not any(isinstance(one, list) for one in made.values()):
        made.fa.set_flow_style()
    return made


def _said(value: Any) -> Any:
    if isinstance(value, dict):
        return _flow(cast("Mapping[str, Any]", value))
    if isinstance(value, list):
        from ruamel.yaml.comments import CommentedSeq

        return CommentedSeq(_said(one) for one in cast("list[Any]", value))
    return _quoted(value) if isinstance(value, str) else value


class _Writer:
    """Edits of one document. Each returns whether the contract says now what the source says."""

    def __init__(self, document: Any, contract: Contract, live: Schema, take: Mapping[str, str]) -> None:
        self.document, self.contract, self.live, self.take = document, contract, live, take
        self.fields = dict(_live_paths(live.fields, ""))

    def text(self) -> str:
        return dump(self.document)

    def has_no_word(self, change: Change) -> bool:
        """Whether the contract as it stands says nothing that the change is against: an option of a list that it doesn't keep, or a source
        that asks for more than was promised.
        """
        if change.kind == "required":
            return (change.old, change.new) == ("optional", "required")
        if change.kind in ("options", "option_renamed"):
            node = self._node(change.path)
            return node is not None and "options" not in node and not self._sets(str(node["name"]))
        return change.kind in _UNSTATED

    def write(self, change: Change) -> bool:
        # A kind without an edit is a person's to write.
        edit = {
            "added": self._added, "feature": self._added, "removed": self._removed, "renamed": self._renamed, "retyped": self._typed,
            "widened": self._typed, "narrowed": self._typed, "replaced": self._typed, "required": self._required, "nillable": self._required,
            "options": self._options, "option_renamed": self._options, "label": self._label, "address": self._addressed,
        }.get(change.kind)  # fmt: skip
        return edit is not None and edit(change)

    def address(self) -> None:
        """What the contract notes beside its promise: the number, revision and fingerprint of the source as it was looked at."""
        source = self.document["source"]
        if "fingerprint" in source or self.live.decisive:
            source["fingerprint"] = self.live.fingerprint
        if "revision" in source and self.live.revision:
            source["revision"] = int(self.live.revision) if self.live.revision.isdigit() else self.live.revision

    def _addressed(self, change: Change) -> bool:
        """Parts of an address that the contract names: another app number, as text or as number like before."""
        source = self.document["source"]
        if change.path in source:
            source[change.path] = int(change.new) if isinstance(source[change.path], int) and change.new.isdigit() else change.new
        return True

    def _added(self, change: Change) -> bool:
        if change.kind == "feature" and not change.new:
            return self._removed(change)
        found = self.fields.get(change.path)
        if found is None:
            return True
        # A name may have a dot in it: then it is no path.
        outer = "" if any(one is found for one in self.live.fields) else change.path.rpartition(".")[0]
        holder = self._node(outer)["fields"] if outer else self.document["fields"]
        if change.path not in self.take:
            self.document.setdefault("exclude", _flow_list()).append(_quoted(change.path))
            return True
        names = {str(one["name"]) for one in holder}
        holder.append(_field(found, _unique(self.take[change.path] or _UNNAMEABLE.sub("_", found.source).strip("_"), names)))
        return True

    def _removed(self, change: Change) -> bool:
        node, holder = self._node(change.path), self._holder(change.path)
        if node is None or holder is None or (holder is self.document["fields"] and self._needed(str(node["name"]))):
            return False
        take_out(holder, next(at for at, one in enumerate(holder) if one is node))
        if holder is self.document["fields"]:
            rules = self.document.get("expectations")
            for at in reversed([at for at, rule in enumerate(rules or ()) if rule.get("column") == node["name"]]):
                take_out(rules, at)
        return bool(holder)

    def _needed(self, name: str) -> bool:
        """Whether the contract can't be without a column: it is named elsewhere than in a rule, which goes with it."""
        return any(used == name and not place.startswith("expectations.") for place, used in named(self.contract))

    def _renamed(self, change: Change) -> bool:
        node = self._node(change.path)
        if node is not None:
            node["source"] = _quoted(change.new)
            return True
        return self._at_source(change)

    def _at_source(self, change: Change) -> bool:
        """A path that stands under ``source``, such as ``ok.path``."""
        above: Any = self.document["source"]
        *outer, last = change.path.split(".")
        for step in outer:
            above = above.get(step) if isinstance(above, dict) else None
        if not isinstance(above, dict) or cast("dict[str, Any]", above).get(last) != change.old:
            return False
        above[last] = change.new
        return True

    def _typed(self, change: Change) -> bool:
        node, now = self._node(change.path), self.fields.get(change.path)
        if node is None or now is None:
            # What lies beside the columns is stated by the fingerprint alone.
            return node is None
        wanted = write_type(now.type)
        if str(node["type"]).replace(" ", "") == wanted.replace(" ", ""):
            return True
        if wanted in ("list", "struct") or "fields" in node or not self._judged_as(str(node["name"]), wanted):
            return False
        node["type"] = wanted
        return True

    def _judged_as(self, name: str, wanted: str) -> bool:
        """Whether every rule of a column can judge it as another type, too."""
        types = {field.name: parse_type(wanted) if field.name == name else field.column().type for field in self.contract.fields}
        for rule in self.contract.expectations:
            try:
                check_rule(rule.expect, rule.column, rule.arguments(), types, self.contract.stream)
            except FixConfiguration:
                return False
        return True

    def _required(self, change: Change) -> bool:
        node = self._node(change.path)
        if node is not None and node.get("required") and change.new != "required":
            # Said, where an anchor that the field is merged from says otherwise for others.
            if node.merge:
                node["required"] = False
            else:
                take_key(node, "required")
        return True

    def _options(self, change: Change) -> bool:
        node, now = self._node(change.path), self.fields.get(change.path)
        listed = now.facets.get("options") if now is not None else None
        if node is None or not isinstance(listed, tuple):
            return node is None
        if "options" in node:
            put(node, "options", _flow_list(listed))
        for rule in self._sets(str(node["name"])):
            # What was stored under a choice that is gone stays stored.
            before = {str(one) for one in rule["value_set"]}
            rule["value_set"].extend(_quoted(one) for one in listed if one not in before)
        return True

    def _sets(self, name: str) -> list[Any]:
        """The rules that list the values of a column."""
        return [rule for rule in self.document.get("expectations") or () if rule.get("column") == name and "value_set" in rule]

    def _label(self, change: Change) -> bool:
        node = self._node(change.path)
        if node is not None:
            node["label"] = _quoted(change.new)
        return True

    def _node(self, path: str) -> Any:
        return next((node for at, node, _ in _walk(self.document["fields"], "") if at == path), None)

    def _holder(self, path: str) -> Any:
        return next((holder for at, _, holder in _walk(self.document["fields"], "") if at == path), None)


def _walk(fields: Any, prefix: str) -> Iterator[tuple[str, Any, Any]]:
    for node in fields:
        path = prefix + str(node["source"])
        yield path, node, fields
        if "fields" in node:
            yield from _walk(node["fields"], path + ".")


def _live_paths(fields: Iterable[LiveField], prefix: str) -> Iterator[tuple[str, LiveField]]:
    for one in fields:
        yield prefix + one.source, one
        yield from _live_paths(one.children, prefix + one.source + ".")


def _field(live: LiveField, name: str) -> Any:
    """A field as the contract's fields have it."""
    from ruamel.yaml.comments import CommentedMap

    made: Any = CommentedMap(name=_quoted(name), source=_quoted(live.source))
    if live.label:
        made["label"] = _quoted(live.label)
    made["type"] = write_type(live.type)
    options = live.facets.get("options")
    if isinstance(options, tuple) and options:
        made["options"] = _flow_list(options)
    if live.children:
        taken: set[str] = set()
        inner: list[Any] = []
        for child in live.children:
            inner.append(_field(child, _unique(_UNNAMEABLE.sub("_", child.source).strip("_"), taken)))
            taken.add(str(inner[-1]["name"]))
        made["fields"] = inner
    else:
        made.fa.set_flow_style()
    return made


def _flow_list(values: Iterable[str] = ()) -> Any:
    from ruamel.yaml.comments import CommentedSeq

    made: Any = CommentedSeq(_quoted(value) for value in values)
    made.fa.set_flow_style()
    return made


def _quoted(text: str) -> str:
    """In quotes where the writer leaves plain what the reader stumbles over, such as ``?0`` in a flow list."""
    from ruamel.yaml.scalarstring import DoubleQuotedScalarString

    return DoubleQuotedScalarString(text) if _STUMBLES.search(text) else text


def _unique(name: str, taken: set[str]) -> str:
    # Tables tell no capitals from small letters, and carry columns of ours.
    known = {one.lower() for one in taken} | RESERVED
    number, chosen = 1, name or "field"
    while chosen.lower() in known:
        number += 1
        chosen = f"{name or 'field'}_{number}"
    return chosen
