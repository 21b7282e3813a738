"""Presets: ``source:`` blocks of well-known systems, one YAML each beside this module, filled in by a contract that names one.

A contract says ``preset: dynamics-nav-page`` and ``with: {page: Items}``; whatever else stands in its block goes over the preset's.

A file may say when its vendor takes SOAP away (``sunset``), and by which namespaces its systems are known (``spaces``, as patterns).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any, cast

_HERE = Path(__file__).parent
_PARAMETER = re.compile(r"\$\{([a-z_]+)\}")


class PresetError(ValueError):
    """A preset that is not there, or a parameter that is missing or unknown. ``where`` is the key in the contract."""

    def __init__(self, where: str, why: str) -> None:
        self.where = where
        super().__init__(why)


@dataclass(frozen=True)
class Sunset:
    """The vendor's release that has no SOAP any more, and the first day on which it may come."""

    preset: str
    release: str
    date: date


def sunset_of(source: Mapping[str, Any]) -> Sunset | None:
    """When SOAP leaves the system that a source block's preset stands for, where that is announced."""
    name = source.get("preset")
    return _sunset(str(name)) if name in preset_names() else None


def sunset_at(namespace: str) -> Sunset | None:
    """The same for a system that is known by the namespace of its requests."""
    known = (name for name in preset_names() if any(re.match(one, namespace) for one in _read(name).get("spaces", ())))
    return next((found for name in known if (found := _sunset(name)) is not None), None)


def _sunset(name: str) -> Sunset | None:
    stated = _read(name).get("sunset")
    return Sunset(name, str(stated["release"]), date.fromisoformat(str(stated["date"]))) if stated else None


def preset_names() -> tuple[str, ...]:
    """Every preset there is."""
    return tuple(sorted(path.stem for path in _HERE.glob("*.yaml")))


def expanded(source: Mapping[str, Any]) -> dict[str, Any]:
    """The block with its preset filled in. Raises PresetError."""
    given = dict(source)
    name = given.pop("preset", None)
    values = given.pop("with", None)
    if name is None:
        if values is not None:
            raise PresetError("with", "it stands without a preset")
        return given
    if name not in preset_names():
        raise PresetError("preset", f"there is none called {name}; there are: {', '.join(preset_names())}")
    preset = _read(str(name))
    stated = cast("Mapping[str, Any]", values) if isinstance(values, Mapping) else {}
    parameters = cast("Mapping[str, Any]", preset["parameters"])
    for key in stated:
        if key not in parameters:
            raise PresetError("with", f"{name} has no parameter {key}; it has: {', '.join(parameters)}")
    known = {key: stated.get(key, default) for key, default in parameters.items()}
    for key, value in known.items():
        if value is None:
            raise PresetError("with", f"{name} needs {key}")
    return _over(cast("dict[str, Any]", _filled(preset["source"], {key: str(value) for key, value in known.items()})), given)


@cache
def _read(name: str) -> Mapping[str, Any]:
    from ruamel.yaml import YAML

    return cast("Mapping[str, Any]", YAML(typ="safe").load(_HERE / f"{name}.yaml"))


def _filled(value: Any, parameters: Mapping[str, str]) -> Any:
    if isinstance(value, str):
        return _PARAMETER.sub(lambda found: parameters[found.group(1)], value)
    if isinstance(value, Mapping):
        return {key: _filled(inner, parameters) for key, inner in cast("Mapping[str, Any]", value).items()}
    return [_filled(item, parameters) for item in cast("list[Any]", value)] if isinstance(value, list) else value


def _over(below: dict[str, Any], above: Mapping[str, Any]) -> dict[str, Any]:
    made = dict(below)
    for key, value in above.items():
        inner = made.get(key)
        if isinstance(inner, Mapping) and isinstance(value, Mapping):
            made[key] = _over(dict(cast("Mapping[str, Any]", inner)), cast("Mapping[str, Any]", value))
        else:
            made[key] = value
    return made
