"""The numbers of each pull, kept beside its published record and found by the pull's id. They are written first: no record is without them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, lru_cache
from typing import TYPE_CHECKING, Any

from connectors.errors import FixConfiguration
from expectations.bands import Numbers

if TYPE_CHECKING:
    from obstore.store import ObjectStore
    from pydantic import TypeAdapter

SCHEMA = "fortnight.numbers/1"


@dataclass(frozen=True)
class Warned:
    """A rule that rows missed, and from when (aware UTC). While only changes are read, nobody knows that those rows are not there any more."""

    expectation: str
    column: str
    expected: str
    observed: str
    at: datetime


@dataclass(frozen=True)
class Kept:
    """The numbers, and what the next pull goes on from: ``taken`` counts changed rows since the first pull, ``marks`` say what it was at
    earlier pulls (instant, count), oldest first; ``newest`` is the newest cursor value seen, ``warned`` what stands until everything is read. Instants are aware UTC.
    """

    numbers: Numbers
    taken: int = 0
    marks: tuple[tuple[datetime, int], ...] = ()
    newest: datetime | None = None
    warned: tuple[Warned, ...] = ()
    schema: str = field(default=SCHEMA)


@cache
def _adapter() -> TypeAdapter[Kept]:
    from pydantic import TypeAdapter

    return TypeAdapter(Kept)


def _path(stream: str, pull_id: str) -> str:
    return f"profile/{stream}/{pull_id}.json"


def put(store: ObjectStore, stream: str, kept: Kept) -> None:
    """Write the numbers of a pull. Nobody reads them before a record, or the evidence, names the pull."""
    import obstore

    obstore.put(store, _path(stream, kept.numbers.pull_id), _adapter().dump_json(kept))


def get(store: ObjectStore, stream: str, pull_id: str) -> Kept | None:
    """The numbers of a pull; None where it left none, or left them in another version's form. Raises FixConfiguration where they are broken."""
    import obstore
    from pydantic import ValidationError

    path = _path(stream, pull_id)
    try:
        body = bytes(obstore.get(store, path).bytes())
    except FileNotFoundError:
        return None
    try:
        return _parsed(body)
    except (json.JSONDecodeError, UnicodeDecodeError, ValidationError) as error:
        raise FixConfiguration("landing.numbers_broken", path=path) from error


@lru_cache(maxsize=1024)
def _parsed(body: bytes) -> Kept | None:
    # The same green days teach each pull of a stream. They are fetched each time, and understood once.
    found: Any = json.loads(body)
    return _adapter().validate_json(body) if isinstance(found, dict) and found.get("schema") == SCHEMA else None


def of(store: ObjectStore, stream: str, pull_ids: Iterable[str]) -> Mapping[str, Numbers]:
    """The numbers of those of the pulls that left any, by pull id."""
    found = ((pull_id, get(store, stream, pull_id)) for pull_id in pull_ids)
    return {pull_id: kept.numbers for pull_id, kept in found if kept is not None}
