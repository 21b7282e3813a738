"""The one catalogue of sentences for people: stable code → Japanese and English, with named placeholders.

It lies in the lowest layer because every layer speaks; each room keeps its own TOML file here. A code's sentence says what
happened and where; ``remedy`` sentences say what to do next.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from functools import cache
from importlib import resources
from typing import Literal

Language = Literal["ja", "en"]


@cache
def catalogue() -> dict[str, dict[str, str]]:
    """Every code with its ``ja`` and ``en`` sentence. A code that stands in two files is a ValueError."""
    found: dict[str, dict[str, str]] = {}
    for entry in sorted(resources.files(__name__).iterdir(), key=lambda item: item.name):
        if not entry.name.endswith(".toml"):
            continue
        for code, sentences in tomllib.loads(entry.read_text(encoding="utf-8")).items():
            if code in found:
                raise ValueError(f"message code {code} stands twice in the catalogue ({entry.name})")
            found[code] = sentences
    return found


class _Shown(dict[str, object]):
    def __missing__(self, key: str) -> str:
        return f"{{{key}}}"


def sentence(code: str, params: Mapping[str, object] | None = None, lang: Language = "en") -> str:
    """The sentence for ``code``. A code without an entry shows as itself, so that nothing is ever hidden behind a missing text."""
    entry = catalogue().get(code)
    if entry is None:
        return f"{code} {dict(params or {})}"
    return entry[lang].format_map(_Shown(params or {}))
