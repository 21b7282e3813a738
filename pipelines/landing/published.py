"""The numbered record that makes a pull visible: put if absent, highest number wins. Every reader goes through it, never through "latest"."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from pydantic import BaseModel, ConfigDict

from connectors.errors import AnswerIsNo

if TYPE_CHECKING:
    from obstore.store import ObjectStore


class Published(BaseModel):
    """What one pull published: table versions, counts, where the next pull goes on. Instants are ISO 8601 in UTC.

    ``access_at`` is when rights were last read, ``view`` the fingerprint of what decided then which rows we see, ``reconciled_at`` when
    everything was last read. ``facts`` is what the source looked like (``expectations.facts``), ``nulls`` the share of empty values of each
    column when everything was last read. ``unproven`` says, by codes of the message catalogue, what those rights rest on without proof.
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


def open_store(root: str) -> ObjectStore:
    """The object store at ``root``: a folder (made when absent) or a URI."""
    from obstore.store import LocalStore, from_url

    if "://" in root:
        return from_url(root)
    return LocalStore(prefix=root, mkdir=True)


def _folder(stream: str) -> str:
    return f"published/{stream}"


def newest(store: ObjectStore, stream: str) -> Published | None:
    """The record with the highest number, or None when nothing was ever published."""
    import obstore

    best = ""
    for chunk in obstore.list(store, prefix=_folder(stream)):
        for meta in chunk:
            path = str(meta["path"])
            if path.endswith(".json") and path.rsplit("/", 1)[-1][:-5].isdigit():
                best = max(best, path)
    if not best:
        return None
    return Published.model_validate_json(bytes(obstore.get(store, best).bytes()))


def publish(store: ObjectStore, record: Published) -> None:
    """Put the record. Raises AnswerIsNo when that number exists: somebody else published meanwhile, and nothing of ours shows."""
    import obstore
    from obstore.exceptions import AlreadyExistsError

    path = f"{_folder(record.stream)}/{record.number:08d}.json"
    try:
        obstore.put(store, path, record.model_dump_json().encode(), mode="create")
    except AlreadyExistsError as error:
        raise AnswerIsNo("landing.published_meanwhile", stream=record.stream, number=record.number) from error
