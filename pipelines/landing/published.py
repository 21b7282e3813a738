"""The numbered record that makes a pull visible: put if absent, highest number wins. Every reader goes through it, never through "latest"."""

from __future__ import annotations

import itertools
import re
from collections.abc import Mapping
from datetime import timedelta
from functools import lru_cache
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict, ValidationError

from connectors.errors import AnswerIsNo

if TYPE_CHECKING:
    from obstore.store import ObjectStore


#: How often, and for how long, an object store that is busy or down is asked again, before what asked it ends with what the store said.
RETRIES, RETRY_SECONDS = 6, 60


def store_options(root: str) -> dict[str, str] | None:
    """The same for Delta's library; None for a folder. Credentials and addresses come from the environment."""
    return {"max_retries": str(RETRIES), "retry_timeout": f"{RETRY_SECONDS}s"} if "://" in root else None


class Published(BaseModel):
    """What one pull published: table versions, counts, where the next pull goes on. Instants are ISO 8601 in UTC.

    ``access_at`` is when rights were last read, ``view`` the fingerprint of what decided then which rows we see, ``reconciled_at`` when
    everything was last read. ``facts`` is what the source looked like (``expectations.facts``), ``nulls`` the share of empty values of each
    column when everything was last read. ``unproven`` says, by codes of the message catalogue, what those rights rest on without proof.
    ``signed``: commits above this record's versions that are ours say so. ``restored`` is the record a person went back to, ``why`` their reason.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    stream: str
    pull_id: str
    published_at: str
    contract_version: int
    contract_fingerprint: str
    schema_fingerprint: str
    revision: str
    tables: Mapping[str, int]
    counts: Mapping[str, int]
    restricted: Mapping[str, str] = {}
    watermark: str | None = None
    cursor: Mapping[str, Any] | None = None
    access_at: str | None = None
    view: str = ""
    unproven: tuple[str, ...] = ()
    reconciled_at: str | None = None
    facts: Mapping[str, Any] | None = None
    nulls: Mapping[str, float] = {}
    signed: bool = False
    restored: int | None = None
    why: str = ""


def open_store(root: str) -> ObjectStore:
    """The object store at ``root``: a folder (made when absent) or a URI."""
    from obstore.store import LocalStore, from_url

    if "://" in root:
        return from_url(root, retry_config={"max_retries": RETRIES, "retry_timeout": timedelta(seconds=RETRY_SECONDS)})
    return LocalStore(prefix=root, mkdir=True)


def _folder(stream: str) -> str:
    return f"published/{stream}"


def numbers(store: ObjectStore, stream: str) -> list[int]:
    """The numbers of all records, in order. Raises AnswerIsNo for a file among them that no pull put there, or a number that is left out: who
    counts by hand does not know where we are.
    """
    import obstore

    found: list[int] = []
    for chunk in obstore.list(store, prefix=_folder(stream)):
        for meta in chunk:
            name = str(meta["path"]).rsplit("/", 1)[-1]
            if not re.fullmatch(r"\d{8,}\.json", name):
                raise AnswerIsNo(
                    "landing.foreign_record", stream=stream, place=str(meta["path"]), at=f"{meta['last_modified']:%Y-%m-%d %H:%M}Z"
                )
            found.append(int(name[:-5]))
    found.sort()
    for before, number in itertools.pairwise(found):
        if number != before + 1:
            raise AnswerIsNo("landing.foreign_number", stream=stream, number=number, before=before)
    return found


def read_record(store: ObjectStore, stream: str, number: int) -> Published:
    """One record. Raises AnswerIsNo where it is not what a pull of this stream writes under this number."""
    import obstore

    place = f"{_folder(stream)}/{number:08d}.json"
    try:
        record = _parsed(bytes(obstore.get(store, place).bytes()))
    except ValidationError as error:
        raise AnswerIsNo("landing.record_unreadable", stream=stream, place=place, reason=str(error).splitlines()[0]) from error
    if record.number != number or record.stream != stream:
        raise AnswerIsNo("landing.record_unreadable", stream=stream, place=place, reason=f"{record.stream} {record.number}")
    return record


@lru_cache(maxsize=256)
def _parsed(text: bytes) -> Published:
    # A pull looks at the newest record a dozen times. It is fetched each time, and understood once.
    return Published.model_validate_json(text)


def newest(store: ObjectStore, stream: str) -> Published | None:
    """The record with the highest number, or None when nothing was ever published."""
    found = numbers(store, stream)
    return read_record(store, stream, found[-1]) if found else None


def publish(store: ObjectStore, record: Published) -> None:
    """Put the record. Raises AnswerIsNo when that number exists: somebody else published meanwhile, and nothing of ours shows."""
    import obstore
    from obstore.exceptions import AlreadyExistsError

    path = f"{_folder(record.stream)}/{record.number:08d}.json"
    try:
        obstore.put(store, path, record.model_dump_json().encode(), mode="create")
    except AlreadyExistsError as error:
        raise AnswerIsNo("landing.published_meanwhile", stream=record.stream, number=record.number) from error
