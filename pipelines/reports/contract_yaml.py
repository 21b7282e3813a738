"""A contract as the YAML a person reviews: a fixed order, one line a field, and a comment wherever somebody must decide."""

from __future__ import annotations

import io
from collections.abc import Mapping, Sequence
from typing import Any, cast

from ruamel.yaml import YAML
from ruamel.yaml.comments import CommentedMap, CommentedSeq
from ruamel.yaml.scalarstring import SingleQuotedScalarString

from connectors.messages import sentence
from expectations.contract import Contract, FieldSpec
from pipelines.reports.propose import Question

#: First characters that mean something in YAML. The writer leaves some of them plain where its own reader stumbles (``?0`` in a flow map).
_INDICATORS = frozenset("?:-,[]{}#&*!|>'\"%@`")


def contract_text(contract: Contract, questions: Sequence[Question] = (), notes: Sequence[str] = ()) -> str:
    """The YAML of a contract. Questions become comments where they belong; ``notes`` of the connector stand at the top. Defaults are left out."""
    asked: dict[str, list[str]] = {}
    for question in questions:
        asked.setdefault(question.place, []).append(_comment(question))
    top = CommentedMap()
    top["stream"] = contract.stream
    top["version"] = contract.version
    top["title"] = _plain(contract.title)
    if contract.description or "description" in asked:
        top["description"] = _plain(contract.description)
    top["source"] = _block(contract.source)
    top["key"] = _flow_list(contract.key)
    if contract.cursor:
        top["cursor"] = _flow_map(contract.cursor.model_dump())
    top["fields"] = _fields(contract.fields, asked)
    if contract.exclude:
        top["exclude"] = _flow_list(contract.exclude)
    if contract.expectations:
        top["expectations"] = _sequence([_flow_map(rule.model_dump(exclude_none=True)) for rule in contract.expectations])
    drift = contract.drift.model_dump(exclude_defaults=True)
    if drift:
        top["drift"] = _flow_map(drift)
    top["access"] = _flow_map(contract.access.model_dump(by_alias=True))
    if contract.document:
        top["document"] = _flow_map(contract.document.model_dump(exclude_defaults=True))
    if contract.content:
        top["content"] = _flow_map(contract.content.model_dump(exclude_defaults=True))
    top["owners"] = _block(contract.owners.model_dump()) if "owners" in asked else _flow_map(contract.owners.model_dump())
    if contract.accepted:
        top["accepted"] = _flow_map(contract.accepted.model_dump())
    for place, lines in asked.items():
        if place == "owners":
            cast("CommentedMap", top["owners"]).yaml_add_eol_comment("owner? a person of the business who answers for the data", "business")
            cast("CommentedMap", top["owners"]).yaml_add_eol_comment("owner? a person who keeps the pull running", "technical")
        elif place in top:
            top.yaml_set_comment_before_after_key(place, before="\n".join(lines))
    head = [*(" ".join(note.split()) for note in notes), *asked.get("", [])]
    if head:
        top.yaml_set_start_comment("\n".join(head))
    stream = io.StringIO()
    _yaml().dump(top, stream)
    return stream.getvalue()


def plain_yaml(value: Mapping[str, Any]) -> str:
    """Any mapping as block YAML in its own order, small maps of plain values on one line."""
    stream = io.StringIO()
    _yaml().dump(_block(value), stream)
    return stream.getvalue()


def _yaml() -> YAML:
    yaml = YAML()
    yaml.width = 4096
    yaml.allow_unicode = True
    yaml.indent(mapping=2, sequence=4, offset=2)
    return yaml


def _comment(question: Question) -> str:
    return " ".join(sentence(question.code, question.params, "en").split())


def _fields(fields: Sequence[FieldSpec], asked: Mapping[str, list[str]]) -> CommentedSeq:
    found = CommentedSeq()
    for number, field in enumerate(fields):
        plain = field.model_dump(exclude_defaults=True, exclude={"fields"})
        if field.fields:
            entry = CommentedMap({name: _flow_list(value) if isinstance(value, tuple) else _plain(value) for name, value in plain.items()})
            entry["fields"] = _fields(field.fields, {})
        else:
            entry = _flow_map(plain)
        found.append(entry)
        if lines := asked.get(f"fields.{field.name}"):
            found.yaml_set_comment_before_after_key(number, before="\n".join(lines), indent=2)
    return found


def _flow_map(value: Mapping[str, Any]) -> CommentedMap:
    found = CommentedMap({name: _flow_list(item) if isinstance(item, list | tuple) else _plain(item) for name, item in value.items()})
    found.fa.set_flow_style()
    return found


def _flow_list(value: Sequence[Any]) -> CommentedSeq:
    found = CommentedSeq([_plain(item) for item in value])
    found.fa.set_flow_style()
    return found


def _sequence(items: Sequence[Any]) -> CommentedSeq:
    return CommentedSeq(items)


def _block(value: Mapping[str, Any]) -> CommentedMap:
    found = CommentedMap()
    for name, item in value.items():
        if isinstance(item, Mapping):
            inner = cast("Mapping[str, Any]", item)
            found[name] = _flow_map(inner) if _flat(inner) else _block(inner)
        elif isinstance(item, list | tuple):
            items = cast("Sequence[Any]", item)
            plain = all(not isinstance(one, Mapping | list | tuple) for one in items)
            found[name] = _flow_list(items) if plain else _sequence([_flow_map(one) if _flat(one) else _block(one) for one in items])
        else:
            found[name] = _plain(item)
    return found


def _plain(value: Any) -> Any:
    """The value, quoted where it is a text that YAML might take for something else."""
    return SingleQuotedScalarString(value) if isinstance(value, str) and value[:1] in _INDICATORS else value


def _flat(value: Mapping[str, Any]) -> bool:
    """Whether a map is small and plain enough for one line."""
    simple = all(
        not isinstance(item, Mapping) and not (isinstance(item, list | tuple) and any(isinstance(one, Mapping) for one in item))
        for item in value.values()
    )
    return simple and bool(value)
