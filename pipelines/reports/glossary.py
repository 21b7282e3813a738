"""The data dictionary: which column name a term of the business gets. Read once and strictly; what it does not know is named by rule."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Mapping
from pathlib import Path

from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.errors import FixConfiguration
from connectors.validation import first_fault

#: What Delta, Parquet or a contract refuse in a column's name.
_REFUSED = re.compile(r"[\s/\\.`,;:{}()\[\]=<>\"'$@]+")
#: How SharePoint writes a character that is not ASCII in an internal name. Names are cut at 32 characters, so a rest may hang on.
_ENCODED = re.compile(r"_x([0-9a-fA-F]{4})_")
_CUT = re.compile(r"_x[0-9a-fA-F]{0,4}$")


class GlossaryFile(BaseModel):
    """``glossary.yaml``.

    ``streams``: an offer's name or title, alone or as ``system/title`` → the stream's name. ``terms``: a field's source code or label →
    column name; ``table.field`` for a field inside a table. ``only``: the same for one stream (``system/stream``), before ``terms``.
    """

    model_config = ConfigDict(extra="forbid", frozen=True)

    streams: dict[str, str] = {}
    terms: dict[str, str] = {}
    only: dict[str, dict[str, str]] = {}


class Glossary:
    """Looks terms up as people write them: full-width or half-width makes no difference, upper and lower case does."""

    def __init__(self, file: GlossaryFile | None = None) -> None:
        file = file or GlossaryFile()
        self._streams = _keyed(file.streams)
        self._terms = _keyed(file.terms)
        self._only = {stream: _keyed(terms) for stream, terms in file.only.items()}

    def stream(self, system: str, name: str, title: str) -> str | None:
        """The stream name of an offer, without its system; None where the dictionary does not know it."""
        for key in (f"{system}/{name}", f"{system}/{title}", name, title):
            if found := self._streams.get(_normal(key)):
                return found
        return None

    def term(self, stream: str, path: tuple[str, ...], label: str) -> str | None:
        """The column name of a field: ``path`` is its source code, after those of the tables around it. Narrower entries win."""
        leaf, words = path[-1], [".".join(path)]
        if len(path) > 1 and label:
            words.append(".".join((*path[:-1], label)))
        words += [word for word in (leaf, decoded(leaf), label) if word]
        for terms in (self._only.get(stream, {}), self._terms):
            for word in words:
                if found := terms.get(_normal(word)):
                    return found
        return None


def read_glossary(folder: Path) -> Glossary:
    """The project's ``glossary.yaml``; an empty dictionary where there is none. Raises FixConfiguration for a file that can't be used."""
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = folder / "glossary.yaml"
    if not path.exists():
        return Glossary()
    try:
        file = GlossaryFile.model_validate(YAML(typ="safe").load(path.read_text(encoding="utf-8")) or {})
    except YAMLError as error:
        raise FixConfiguration("project.not_yaml", path=str(path), reason=" ".join(str(error).split())) from error
    except ValidationError as error:
        place, reason = first_fault(error, GlossaryFile)
        raise FixConfiguration("project.invalid", path=str(path), place=place, reason=reason) from None
    for terms in (file.terms, *file.only.values()):
        for term, name in terms.items():
            if name != column_name(name):
                raise FixConfiguration("map.bad_column_name", path=str(path), term=term, name=name)
    for term, name in file.streams.items():
        if not re.fullmatch(r"[a-z0-9_-]+", name):
            raise FixConfiguration("map.bad_stream_name", path=str(path), term=term, name=name)
    return Glossary(file)


def decoded(code: str) -> str:
    """A source code as people know it: SharePoint's ``_x53d7__x6ce8_`` becomes ``受注``; any other code stays.

    >>> decoded("_x53d7__x6ce8_")
    '受注'
    """
    return _CUT.sub("", _ENCODED.sub(lambda found: chr(int(found[1], 16)), code))


def named_by_rule(code: str, label: str) -> str:
    """The column name of a field that no dictionary knows: its code in snake case where that is ASCII, else its Japanese, NFKC-normalised.

    >>> named_by_rule("Unit_PriceJPY", "")
    'unit_price_jpy'
    >>> named_by_rule("ｱﾅﾛｸﾞ 値（％）", "")
    'アナログ_値_%'
    """
    plain = decoded(code)
    if not plain.isascii():
        # An encoded code may have been cut by the server: the label is whole.
        return column_name(label if plain != code and label else plain) or column_name(label) or "field"
    words = re.sub(r"(?<=[a-z0-9])(?=[A-Z])|(?<=[A-Z])(?=[A-Z][a-z])", "_", plain)
    words = re.sub(r"[^A-Za-z0-9]+", "_", words).strip("_").lower()
    return words or column_name(label) or "field"


def column_name(text: str) -> str:
    """The text with everything a table's column can't be called made into single underscores."""
    return _REFUSED.sub("_", unicodedata.normalize("NFKC", text).strip()).strip("_")


def stream_name(name: str) -> str:
    """A stream's name from an offer's: lower case, with hyphens for what a stream name can't hold; empty when nothing is left."""
    plain = unicodedata.normalize("NFKC", name).lower()
    return re.sub(r"-{2,}", "-", re.sub(r"[^a-z0-9_-]+", "-", plain)).strip("-")


def unique(name: str, taken: set[str]) -> str:
    """``name``, or ``name_2``, ``name_3`` … where it is taken; upper and lower case are one, as in SQL. Adds what it gives to ``taken``."""
    chosen, number = name, 1
    while chosen.casefold() in taken:
        number += 1
        chosen = f"{name}_{number}"
    taken.add(chosen.casefold())
    return chosen


def _normal(term: str) -> str:
    return unicodedata.normalize("NFKC", term).strip()


def _keyed(entries: Mapping[str, str]) -> dict[str, str]:
    return {_normal(term): name for term, name in entries.items()}
