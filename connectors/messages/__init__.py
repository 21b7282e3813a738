"""The one catalogue of sentences for people: stable code → Japanese and English, with named placeholders.

It lies in the lowest layer because every layer speaks; each room keeps its own TOML file here. A code's sentence says what
happened and where; ``remedy`` sentences say what to do next.
"""

from __future__ import annotations

import tomllib
from collections.abc import Callable, Iterable, Mapping
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
    """The sentence for ``code``. A code without an entry shows as itself, so that nothing is ever hidden behind a missing text.

    A parameter that is itself ``Said`` is said in the same language.
    """
    entry = catalogue().get(code)
    if entry is None:
        return f"{code} {dict(params or {})}"
    return entry[lang].format_map(_Shown({name: retold(value, lang) for name, value in (params or {}).items()}))


class Said(str):
    """A sentence as English text that still knows how to be said in the other language.

    It goes through every field that is typed ``str`` (a check's summary, a probe's finding, a parameter of another sentence) and is
    English to all who do not ask. ``code`` is its stable code, empty where it is made of several; ``exit`` the exit code of the error it
    says, 0 where it says none. Copied or pickled it is plain text.
    """

    code: str
    exit: int
    _say: Callable[[Language], str]

    def __new__(cls, say: Callable[[Language], str], code: str = "", exit: int = 0) -> Said:
        made = super().__new__(cls, say("en"))
        made._say, made.code, made.exit = say, code, exit
        return made

    def say(self, lang: Language) -> str:
        return self._say(lang)

    def __reduce__(self) -> tuple[type[str], tuple[str]]:
        return str, (str(self),)


def told(code: str, /, **params: object) -> Said:
    """The sentence for ``code``, to be said in either language later."""
    return Said(lambda lang: sentence(code, params, lang), code)


def joined(parts: Iterable[str], separator: str = ", ") -> Said:
    """Several of them as one list."""
    every = tuple(parts)
    return Said(lambda lang: (separator if lang == "en" else "、").join(str(retold(part, lang)) for part in every))


def quoted(text: str) -> Said:
    """What a library says in English: as it is, and marked as a quotation where the sentence around it is Japanese."""
    return Said(lambda lang: f"「{text}」" if lang == "ja" else text)


def retold(value: object, lang: Language) -> object:
    """What was ``Said``, in this language; anything else as it is."""
    return value.say(lang) if isinstance(value, Said) else value
