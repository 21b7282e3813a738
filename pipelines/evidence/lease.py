"""The sealer's lease: one of all sealers, on any machine, works at a time. Numbered records, put if absent; each ends by itself.

The ledger does not depend on it: two sealers that ran all the same would meet at the chain's head, and one would write nothing.
"""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager
from datetime import datetime, timedelta
from typing import TYPE_CHECKING

from pydantic import AwareDatetime, BaseModel, ConfigDict, ValidationError

from connectors.errors import FixConfiguration
from pipelines.clock import Clock
from pipelines.evidence.chain import instant_text
from pipelines.evidence.errors import LedgerBusy
from pipelines.landing.published import open_store

if TYPE_CHECKING:
    from obstore.store import ObjectStore

FOLDER = "evidence/lease"
LASTS = timedelta(minutes=15)


class Lease(BaseModel):
    """Who seals, and until when at the latest. ``holder`` tells the machine and the process."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    number: int
    holder: str
    until: AwareDatetime


@contextmanager
def leased(root: str, holder: str, clock: Clock, lasts: timedelta = LASTS) -> Generator[Lease]:
    """Hold the lease while a block runs, and give it back. Raises LedgerBusy while another holder's has not run out, and FixConfiguration for a
    record that cannot be read: whether somebody seals is then not known.
    """
    store = open_store(root)
    lease = _take(store, holder, clock.now(), lasts)
    try:
        yield lease
    finally:
        _give_back(store, lease)


def _take(store: ObjectStore, holder: str, now: datetime, lasts: timedelta) -> Lease:
    import obstore
    from obstore.exceptions import AlreadyExistsError

    number, held = _newest(store)
    # A lease from further ahead than one can last is another clock's: it says nothing about this moment.
    if held is not None and now < held.until <= now + lasts:
        raise LedgerBusy("ledger.busy", holder=held.holder, until=instant_text(held.until))
    mine = Lease(number=number + 1, holder=holder, until=now + lasts)
    try:
        obstore.put(store, _place(mine.number), mine.model_dump_json().encode(), mode="create")
    except AlreadyExistsError:
        raise LedgerBusy("ledger.busy", holder="another sealer", until=instant_text(mine.until)) from None
    for old in _numbers(store):
        if old < mine.number - 1:
            obstore.delete(store, _place(old))
    return mine


def _give_back(store: ObjectStore, lease: Lease) -> None:
    """End it now. The record stays, so that numbers only grow."""
    import obstore

    number, _ = _newest(store)
    if number == lease.number:
        obstore.put(store, _place(number), b"")


def _newest(store: ObjectStore) -> tuple[int, Lease | None]:
    """The highest number so far, and its lease where it was not given back."""
    import obstore

    numbers = _numbers(store)
    if not numbers:
        return 0, None
    raw = bytes(obstore.get(store, _place(numbers[-1])).bytes())
    try:
        return numbers[-1], Lease.model_validate_json(raw) if raw else None
    except ValidationError as error:
        raise FixConfiguration("ledger.lease_unreadable", path=_place(numbers[-1])) from error


def _numbers(store: ObjectStore) -> list[int]:
    import obstore

    names = (str(meta["path"]).rsplit("/", 1)[-1] for chunk in obstore.list(store, prefix=FOLDER) for meta in chunk)
    return sorted(int(name.removesuffix(".json")) for name in names if name.removesuffix(".json").isdigit())


def _place(number: int) -> str:
    return f"{FOLDER}/{number:08d}.json"
