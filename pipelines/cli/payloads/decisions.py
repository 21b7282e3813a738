"""What the commands of the gate print that decide, explain and prove."""

from __future__ import annotations

import datetime
from typing import Literal

from pydantic import Field

from pipelines.cli.payloads.parts import Cause, Part, Payload
from pipelines.evidence.gate import DayVerdict
from pipelines.evidence.history import Eligibility


class Try(Part):
    """One pull of the day as the sealer saw it. ``counted`` says whether it could fill the slot."""

    pull_id: str | None
    run_id: str | None
    trigger: str | None
    outcome: str | None
    counted: bool
    reasons: tuple[Cause, ...]


class DayExplained(Part):
    stream: str
    day: datetime.date
    verdict: DayVerdict
    row: int
    reasons: tuple[Cause, ...]
    tries: tuple[Try, ...]


class Explained(Payload):
    """``fortnight gate explain``: every day of the window that is not green (or the one asked for), with the rows it rests on."""

    schema_: Literal["fortnight.gate_explain/1"] = Field(alias="schema")
    index: str
    eligibility: Eligibility
    reasons: tuple[Cause, ...]
    days: tuple[DayExplained, ...]


class WhatIf(Payload):
    """``fortnight gate what-if``: the answer under another policy, had it been pinned from the first day. Nothing is written."""

    schema_: Literal["fortnight.gate_what_if/1"] = Field(alias="schema")
    index: str
    now: Eligibility
    eligibility: Eligibility
    green_days: int
    required_days: int
    reasons: tuple[Cause, ...]


class Decision(Payload):
    """A signed decision. ``waits`` says that a second person has yet to sign; ``production`` is the release that came to serve by it."""

    schema_: Literal["fortnight.decision/1"] = Field(alias="schema")
    verb: str
    subject: str
    row: int
    actor: str
    first: str | None
    waits: bool
    production: int | None


class Stopped(Payload):
    """``fortnight suspend`` and ``gate decide revoke``."""

    schema_: Literal["fortnight.stopped/1"] = Field(alias="schema")
    verb: str
    index: str
    row: int
    actor: str
    signed: bool


class Certified(Payload):
    """``fortnight gate certify``. ``signed``: somebody answers for it with their own key."""

    schema_: Literal["fortnight.certified/1"] = Field(alias="schema")
    index: str
    eligibility: Eligibility
    file: str
    rows: int
    head: str
    signed: bool


class CertificateVerified(Payload):
    """``fortnight gate verify FILE``: judged from the file alone. ``signed_by`` promoted the release; ``answered_for_by`` signed the certificate, with
    ``key`` as ``ssh-keygen -l`` shows it."""

    schema_: Literal["fortnight.certificate_verified/1"] = Field(alias="schema")
    ok: bool
    file: str
    project: str
    environment: str
    index: str
    today: datetime.date
    eligibility: Eligibility | None
    green_days: int | None
    rows: int
    head: str
    release: int | None
    signed_by: tuple[str, ...]
    answered_for_by: str | None
    key: str | None
    faults: tuple[Cause, ...]


class LedgerVerified(Payload):
    """``fortnight gate verify``: ``broken_at`` is the first bad row; ``anchors`` are the published heads that were looked for and found."""

    schema_: Literal["fortnight.ledger_verified/1"] = Field(alias="schema")
    ok: bool
    rows: int
    head: str
    broken_at: int | None
    why: str | None
    anchors: tuple[int, ...]
    by_place: int = Field(default=0, description="Rows whose details were moved and not looked at (`--without-archive`).")


class LedgerArchived(Payload):
    """``fortnight gate archive``: ``rows`` whose details were moved now; ``kept_from`` is the first day whose details the ledger keeps."""

    schema_: Literal["fortnight.ledger_archived/1"] = Field(alias="schema")
    rows: int
    kept_from: datetime.date | None
    archive: str


class HeadSigned(Payload):
    """``fortnight gate sign-head``."""

    schema_: Literal["fortnight.head_signed/1"] = Field(alias="schema")
    seq: int
    head: str
    file: str


class CalendarShown(Payload):
    """``fortnight gate calendar``. ``ends`` says what to do when the table ends within a year."""

    schema_: Literal["fortnight.gate_calendar/1"] = Field(alias="schema")
    file: str | None
    years: tuple[int, ...]
    holidays: int
    company: int
    ends: str | None
