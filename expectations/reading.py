"""How a contract is read from its file: strictly, and with line and column of what a person wrote wrong."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any, cast

from pydantic import ValidationError

from connectors.errors import FixConfiguration
from connectors.messages import Said
from connectors.validation import first_fault
from expectations.contract import Contract
from expectations.rules import check_rule
from expectations.yaml_text import read_yaml


def read_contract(path: Path) -> Contract:
    """Read one contract file. Raises FixConfiguration naming file, line, place and fault."""
    try:
        text = path.read_text(encoding="utf-8")
    except OSError as error:
        raise FixConfiguration("contract.unreadable", path=str(path), reason=error.strerror or str(error)) from error
    except UnicodeDecodeError as error:
        raise FixConfiguration("contract.unreadable", path=str(path), reason=str(error)) from error
    return parse_contract(text, path)


def parse_contract(text: str, path: Path) -> Contract:
    """A contract from its text; ``path`` is what errors call it."""
    from ruamel.yaml.error import YAMLError

    try:
        raw = read_yaml(text)
    except YAMLError as error:
        raise FixConfiguration("contract.not_yaml", path=str(path), reason=" ".join(str(error).split())) from error
    try:
        contract = Contract.model_validate(raw)
    except ValidationError as error:
        place, reason = first_fault(error, Contract)
        raise FixConfiguration("contract.invalid", path=_at(path, text, place), place=place, reason=reason) from error
    types: dict[str, Any] = {}
    for number, field in enumerate(contract.fields):
        try:
            types[field.name] = field.column().type
        except FixConfiguration as error:
            reason = Said(lambda lang, error=error: error.say(lang).rstrip(".。"))
            at = _at(path, text, f"fields.{number}.type")
            raise FixConfiguration("contract.invalid", path=at, place=f"fields.{number} ({field.name})", reason=reason) from error
    for place, name in named(contract):
        if name not in types:
            raise FixConfiguration("contract.no_such_field", path=_at(path, text, place), field=name)
    if contract.parent and not set(contract.parent.key) < set(contract.key):
        raise FixConfiguration("contract.parent_key", path=_at(path, text, "parent.key"), parent=contract.parent.stream)
    for number, rule in enumerate(contract.expectations):
        try:
            check_rule(rule.expect, rule.column, rule.arguments(), types, contract.stream)
        except FixConfiguration as error:
            # Where it stands is looked up only once it is wrong: that reads the file once more.
            raise FixConfiguration(error.code, **{**error.params, "path": _at(path, text, f"expectations.{number}.expect")}) from error
    return contract


def named(contract: Contract) -> Iterator[tuple[str, str]]:
    """Every column that a contract names elsewhere than in its fields, by where."""
    yield from ((f"key.{number}", name) for number, name in enumerate(contract.key))
    if contract.parent:
        yield from ((f"parent.key.{number}", name) for number, name in enumerate(contract.parent.key))
    if contract.cursor:
        yield "cursor.field", contract.cursor.field
    yield from ((f"expectations.{number}.column", rule.column) for number, rule in enumerate(contract.expectations) if rule.column)
    yield from ((f"bands.columns.{name}", name) for name in contract.bands.columns)
    if shown := contract.document:
        yield "document.title", shown.title
        yield from (("document.template", name) for name in shown.named)
        yield from (("document.body", name) for name in shown.body)
        yield from (("document.html", name) for name in shown.html)
        yield from (("document.url", name) for name in (shown.url,) if name)
    if spec := contract.content:
        yield "content.ref", spec.ref
        if spec.kind == "file":
            yield from (("content", name) for name in (spec.name, spec.media_type, spec.size, *spec.version))


def _at(path: Path, text: str, place: str) -> str:
    """``orders.yaml:12:5`` for a place such as ``fields.3.type``: of the key or item itself, of what it would stand in where it is missing."""
    from ruamel.yaml import YAML

    node: Any = YAML(typ="rt").load(text)
    line, column = 0, 0
    for step in place.split("."):
        where = getattr(node, "lc", None)
        try:
            if isinstance(node, Mapping):
                line, column = cast("Any", where).key(step)
                node = cast("Mapping[str, Any]", node)[step]
            elif isinstance(node, Sequence) and not isinstance(node, str):
                line, column = cast("Any", where).item(int(step))
                node = cast("Sequence[Any]", node)[int(step)]
            else:
                break
        except (KeyError, IndexError, ValueError, AttributeError):
            # What is missing, or what pydantic calls by a name of its own: the last place that stands in the file is named.
            break
    return f"{path}:{line + 1}:{column + 1}"
