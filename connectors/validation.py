"""What is wrong first in a file that a person wrote: pydantic's fault as a place and a reason that both languages can say."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any, get_args

from pydantic import BaseModel, ValidationError

from connectors.messages import quoted, told

#: What a value of the wrong shape should have been, by pydantic's name of the fault.
_SHAPES = {
    "tuple_type": "list",
    "list_type": "list",
    "set_type": "list",
    "dict_type": "mapping",
    "mapping_type": "mapping",
    "model_type": "mapping",
    "model_attributes_type": "mapping",
    "string_type": "text",
    "int_type": "whole",
    "int_parsing": "whole",
    "int_from_float": "whole",
    "bool_type": "truth",
    "bool_parsing": "truth",
}


def first_fault(error: ValidationError, model: type[BaseModel], top: str = "") -> tuple[str, str]:
    """Where a file is wrong first, and how. A key nobody knows comes before the one that is missing: it is most often the same, mistyped.

    ``model`` is what was read: its keys are named where one is unknown. Keys that are missing beside each other are named together.
    ``top`` is what the whole of it is called.
    """
    faults = sorted(error.errors(include_input=False, include_url=False), key=lambda fault: fault["type"] != "extra_forbidden")
    first = faults[0]
    # How pydantic came to a value (``function-after[…]``, the members of a union) is no place in a file.
    at = tuple(str(part) for part in first["loc"] if "[" not in str(part))
    if first["type"] == "missing":
        lost = [str(one["loc"][-1]) for one in faults if one["type"] == "missing" and tuple(map(str, one["loc"][:-1])) == at[:-1]]
        return ".".join((*at[:-1], ", ".join(lost))), told("validation.missing")
    return ".".join(at) or top or told("project.top"), _reason(first["type"], first["msg"], first.get("ctx", {}), at, model)


def _reason(kind: str, message: str, context: Mapping[str, Any], at: tuple[str, ...], model: type[BaseModel]) -> str:
    if kind == "extra_forbidden":
        known = ", ".join(_keys(model, at[:-1]))
        return told("validation.no_such_key_but", known=known) if known else told("validation.no_such_key")
    if kind == "literal_error":
        return told("validation.one_of", known=str(context.get("expected", "")).replace(" or ", ", ").replace("'", ""))
    if shape := _SHAPES.get(kind):
        known = ", ".join(_keys(model, at)) if shape in ("list", "mapping") else ""
        return told(f"validation.wants.{shape}_of", known=known) if known else told(f"validation.wants.{shape}")
    return quoted(message.removeprefix("Value error, "))


def _keys(model: type[BaseModel], at: tuple[str, ...]) -> list[str]:
    """The keys that may stand at a place, as a file spells them; none where the place leads through what has no model."""
    here: list[type[BaseModel]] = [model]
    for step in at:
        found = [field.annotation for one in here for name, field in one.model_fields.items() if step in (name, field.alias)]
        # Where no field is called so, the step is an item's number or a mapping's key: its model is that of the field before.
        here = [one for annotation in found for one in _models(annotation)] if found else here
    return [field.alias or name for one in here for name, field in one.model_fields.items()]


def _models(annotation: Any) -> Iterator[type[BaseModel]]:
    if isinstance(annotation, type) and issubclass(annotation, BaseModel):
        yield annotation
    for inner in get_args(annotation):
        yield from _models(inner)
