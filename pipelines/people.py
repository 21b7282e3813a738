"""people.yaml: who may decide what, and with which SSH key. Read strictly; where there is no such file, nobody may sign."""

from __future__ import annotations

import base64
import binascii
import unicodedata
from collections.abc import Mapping
from datetime import date
from pathlib import Path
from typing import Any, Literal, cast

from pydantic import BaseModel, ConfigDict, Field, ValidationError, field_validator

from connectors.errors import FixConfiguration
from connectors.validation import first_fault

FILE = "people.yaml"
Role = Literal["business", "technical", "operator", "approver", "engineer", "previewer", "reader"]
_ALGORITHM = "ssh-ed25519"


class _Strict(BaseModel):
    model_config = ConfigDict(extra="forbid", frozen=True)


class Key(_Strict):
    """One public key (``ssh-ed25519 BASE64``, a comment is dropped); from the day after ``expires`` it signs nothing new."""

    key: str
    expires: date | None = None

    @field_validator("key")
    @classmethod
    def _ed25519(cls, value: str) -> str:
        return public_key(value)


class Person(_Strict):
    """One person: ``id`` is what ledger rows call them, ``mail`` what owners in project.yaml are named by."""

    id: str = Field(min_length=1)
    mail: str = ""
    name: str = ""
    roles: tuple[Role, ...] = ()
    keys: tuple[Key, ...] = ()


class People(_Strict):
    """All of people.yaml. No two persons share an id, a mail address or a key."""

    people: tuple[Person, ...] = ()

    @field_validator("people")
    @classmethod
    def _apart(cls, value: tuple[Person, ...]) -> tuple[Person, ...]:
        taken: dict[str, str] = {}
        for person in value:
            own = {folded(person.id), *([folded(person.mail)] if person.mail else []), *(key.key for key in person.keys)}
            for name in sorted(own):
                if name in taken:
                    raise ValueError(f"{person.id} and {taken[name]} share {name}")
                taken[name] = person.id
        return value

    def who(self, named: str) -> Person | None:
        """The person with this id or mail address. No name is nobody's, also where somebody is listed without a mail address."""
        wanted = folded(named)
        return next((each for each in self.people if wanted and wanted in (folded(each.id), folded(each.mail))), None)

    def holder(self, key: str) -> Person | None:
        """The person a public key belongs to."""
        return next((each for each in self.people if any(own.key == key for own in each.keys)), None)


def public_key(text: str) -> str:
    """``ssh-ed25519 BASE64`` out of a line of an SSH public key file. Anything else is a ValueError.

    The wire form is RFC 8709, section 4: the name and 32 bytes, each behind its length.
    """
    parts = text.split()
    try:
        raw = base64.b64decode(parts[1], validate=True) if len(parts) > 1 else b""
    except binascii.Error:
        raw = b""
    head = len(_ALGORITHM).to_bytes(4, "big") + _ALGORITHM.encode() + (32).to_bytes(4, "big")
    if not parts or parts[0] != _ALGORITHM or not raw.startswith(head) or len(raw) != len(head) + 32:
        raise ValueError("no ssh-ed25519 public key (make one with: ssh-keygen -t ed25519)")
    return f"{_ALGORITHM} {parts[1]}"


def read_people(folder: Path) -> People:
    """The people of the project at ``folder``; nobody where it has no people.yaml. Raises FixConfiguration for what cannot be read.

    A key may be written as text, as ``{key: …, expires: DATE}`` or as ``{file: PATH}`` (beside the project); a key file that is not there
    yet gives no key, so that a person can be listed before theirs is made.
    """
    from ruamel.yaml import YAML
    from ruamel.yaml.error import YAMLError

    path = folder / FILE
    if not path.exists():
        return People()
    try:
        told: object = YAML(typ="safe").load(path.read_text(encoding="utf-8"))
    except (OSError, ValueError, YAMLError) as error:  # a ValueError is also a date that is none
        raise FixConfiguration("people.unreadable", path=str(path), reason=" ".join(str(error).split())) from error
    try:
        return People.model_validate(_with_files(told, folder))
    except ValidationError as error:
        place, reason = first_fault(error, People)
        raise FixConfiguration("people.invalid", path=str(path), place=place, reason=reason) from None


def key_files(folder: Path) -> dict[str, Path]:
    """Where the public key files of people.yaml lie, by the person's id, whether they are there or not. Raises as ``read_people``."""
    from ruamel.yaml import YAML

    if not read_people(folder).people:
        return {}
    told: Any = YAML(typ="safe").load((folder / FILE).read_text(encoding="utf-8"))
    return {
        str(person["id"]): folder / str(key["file"])
        for person in told.get("people", ())
        for key in person.get("keys", ())
        if isinstance(key, Mapping) and "file" in key
    }


def _with_files(told: object, folder: Path) -> object:
    """What the file says, with keys that lie in files of their own put in their place."""
    if not isinstance(told, dict):
        return told
    raw = cast("dict[str, Any]", told)
    listed = raw.get("people")
    if not isinstance(listed, list):
        return raw
    persons: list[Any] = []
    for person in cast("list[Any]", listed):
        keys = cast("dict[str, Any]", person).get("keys") if isinstance(person, dict) else None
        if isinstance(keys, list):
            found = [_key(one, folder) for one in cast("list[Any]", keys)]
            person = {**cast("dict[str, Any]", person), "keys": [one for one in found if one is not None]}
        persons.append(person)
    return {**raw, "people": persons}


def _key(given: Any, folder: Path) -> Any:
    if isinstance(given, str):
        return {"key": given}
    if isinstance(given, Mapping) and "file" in given:
        rest = dict(cast("Mapping[str, Any]", given))
        path = folder / str(rest.pop("file"))
        try:
            return {**rest, "key": path.read_text(encoding="utf-8")}
        except (OSError, UnicodeDecodeError):
            return None
    return cast("Any", given)


def folded(name: str) -> str:
    """A name as it is compared: in one width and case, with single spaces."""
    return " ".join(unicodedata.normalize("NFKC", name).casefold().split())
