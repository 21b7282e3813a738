"""What a pull reads: as asked, everything, or what moved since the last watermark."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime, timedelta
from typing import Any

from connectors.errors import FixConfiguration
from connectors.protocol import Schema, Window
from expectations import durations
from expectations.contract import Contract
from pipelines.landing.published import Published
from pipelines.pull.outcome import Request


@dataclass(frozen=True)
class Reading:
    """``window`` with the cursor to ``resume`` from, and ``why`` everything is read when it is (for the log).

    Where everything is read and there is a cursor too, what the feed tells comes first: what is found beyond that, it never told.
    """

    window: Window
    resume: Mapping[str, Any] | None = None
    why: str = ""

    @property
    def reconciles(self) -> bool:
        """Whether everything is read only to see whether the incremental way missed something."""
        return self.why in ("reconcile", "asked")

    @property
    def comparable(self) -> bool:
        """Whether a row that differs from the one held differs because the source does: contract and schema are what they were."""
        return self.why not in ("first", "contract", "schema")


def reading(
    contract: Contract,
    request: Request,
    before: Published | None,
    live: Schema,
    *,
    moved: bool,
    now: datetime,
    clock: datetime | None = None,
) -> Reading:
    """The window of this pull.

    Without a base the books can only balance over everything: the first pull is always whole. A change of rights, settings or contract
    moves no row's update time, yet it may move rows: then everything is read, as it is once in every ``cursor.reconcile``. ``moved``: rights
    did, or drift says that rows differ without having been saved. ``clock`` is the source's own time: where that went back behind the
    window's beginning, the last watermark was wrong, and what was saved meanwhile lies before it.
    """
    if before is None:
        return Reading(Window(), why="first")
    if request.window is not None:
        return Reading(request.window)
    why = _whole(contract, request, before, live, moved, now)
    if request.replay:
        # Held rows that can't be asked for alone come with all others.
        return Reading(Window(), why=why or "replay")
    resume = dict(before.cursor) if follows_feed(contract) and before.cursor else None
    if why or before.watermark is None or contract.cursor is None:
        return Reading(Window(), resume if why == "reconcile" else None, why)
    since = datetime.fromisoformat(before.watermark) - duration(contract.cursor.lookback)
    if clock is not None and clock < since and resume is None:
        return Reading(Window(), why="clock")
    return Reading(Window(since=since), resume)


def follows_feed(contract: Contract) -> bool:
    """Whether the stream goes on from the connector's own cursor, by a feed that names what is gone."""
    return contract.cursor is not None and contract.cursor.deletes == "feed"


def _whole(contract: Contract, request: Request, before: Published, live: Schema, moved: bool, now: datetime) -> str:
    if request.full:
        return "asked"
    if contract.cursor is None or before.watermark is None:
        return "no cursor"
    if before.contract_fingerprint != contract.fingerprint():
        return "contract"
    if before.schema_fingerprint != live.fingerprint:
        return "schema"
    # A source's own revision moves with any setting; what that did to rows shows only when they are read.
    if moved or before.revision != live.revision:
        return "moved"
    last = datetime.fromisoformat(before.reconciled_at or before.published_at)
    return "reconcile" if now - last >= duration(contract.cursor.reconcile) else ""


def duration(text: str) -> timedelta:
    """A duration of a contract. Raises FixConfiguration for what is none."""
    try:
        return durations.duration(text)
    except ValueError as error:
        raise FixConfiguration("contract.bad_duration", text=text) from error
