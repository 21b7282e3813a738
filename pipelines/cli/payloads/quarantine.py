"""What ``quarantine`` prints."""

from __future__ import annotations

import datetime
from typing import Literal

from pydantic import Field

from pipelines.cli.payloads.parts import Cause, Part, Payload


class Reason(Part):
    """One fault of a row: ``code`` is stable, ``message`` the same in words. ``detail`` says where in the column, in the connector's words;
    it is empty where the column's values are withheld.
    """

    column: str
    code: str
    message: str
    detail: str | None = None


class Held(Part):
    """A held row: ``days`` are whole days, ``overdue`` says that it is held for longer than the project's ``retention``."""

    stream: str
    key: str
    held_since: datetime.datetime
    days: int
    overdue: bool
    reasons: tuple[Reason, ...]


class QuarantineList(Payload):
    """``fortnight quarantine list``: the rows that are held now. ``overdue`` counts those of them that are."""

    schema_: Literal["fortnight.quarantine_list/1"] = Field(alias="schema")
    retention: str
    held: tuple[Held, ...]
    overdue: int


class Before(Part):
    """An earlier time that the row was held."""

    held_since: datetime.datetime
    left_at: datetime.datetime | None
    codes: tuple[str, ...]


class QuarantineShow(Payload):
    """``fortnight quarantine show``: ``values`` as the source sent them by the contract's columns, without those ``withheld``.

    ``pull_id``, ``judged_at`` and ``contract_version`` are of the pull that first found just these reasons. ``left_at`` is null while the row
    is held. ``raw`` is given with ``--raw`` only, and of a row that left neither that nor a value is known any more.
    """

    schema_: Literal["fortnight.quarantine_show/1"] = Field(alias="schema")
    stream: str
    key: str
    held_since: datetime.datetime
    days: int
    overdue: bool
    reasons: tuple[Reason, ...]
    left_at: datetime.datetime | None
    version: str
    pull_id: str
    judged_at: datetime.datetime
    contract_version: int
    values: dict[str, str]
    withheld: tuple[str, ...]
    raw: str | None
    before: tuple[Before, ...]


class QuarantineReplay(Payload):
    """``fortnight quarantine replay``: of the rows ``asked`` for, the keys of those that landed, that are gone at the source, and that stay.

    ``pull_id`` is null where nothing was held any more, so that no pull was made; ``published`` where nothing was published.
    """

    schema_: Literal["fortnight.quarantine_replay/1"] = Field(alias="schema")
    stream: str
    asked: int
    landed: tuple[str, ...]
    gone: tuple[str, ...]
    held: tuple[str, ...]
    newly: tuple[str, ...]
    pull_id: str | None
    published: int | None
    error: Cause | None
