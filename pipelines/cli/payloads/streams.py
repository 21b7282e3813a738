"""What ``doctor``, ``contract``, ``pull`` and ``backfill`` print."""

from __future__ import annotations

import datetime
from typing import Any, Literal

from pydantic import AwareDatetime, Field

from expectations.changes import Effect, Kind
from expectations.contract import Contract, Severity
from expectations.policy import Policy
from pipelines.cli.payloads.parts import Cause, Part, Payload


class Finding(Part):
    """``exit`` is the exit code this finding asks for; ``code`` that of ``found``, where it is one sentence of the catalogue."""

    subject: str
    ok: bool
    code: str | None
    found: str
    exit: int


class Doctor(Payload):
    """``fortnight doctor``."""

    schema_: Literal["fortnight.doctor/1"] = Field(alias="schema")
    findings: tuple[Finding, ...]
    ok: bool


class Described(Part):
    """How much of a contract is said in words: ``score`` (0 to 1) is what is said of what could be, over descriptions, units and owners."""

    score: float
    fields: int
    described: int
    numbers: int
    with_unit: int
    owners: int


class Consumer(Part):
    """An index that shows some of the columns in question, and the ids of its evaluation questions answered from them, of ``asked``."""

    index: str
    columns: tuple[str, ...]
    questions: tuple[str, ...]
    asked: int


class ContractShown(Payload):
    """``fortnight contract show``."""

    schema_: Literal["fortnight.contract/1"] = Field(alias="schema")
    contract: Contract
    fingerprint: str
    described: Described
    consumers: tuple[Consumer, ...]


class Change(Part):
    """``reload``: rows that no window would bring differ now, so everything must be read once."""

    kind: Kind
    field: str
    label: str
    old: str
    new: str
    policy: Policy
    reload: bool
    effect: Effect


class Deployed(Part):
    """Who last changed the settings of the source, and when."""

    by: str
    at: AwareDatetime


class Renaming(Part):
    """What a field that is gone may be called now: of ``rows`` rows that held a value, ``same`` hold it under the new code."""

    old: str
    new: str
    same: int
    rows: int


class ContractDiff(Payload):
    """``fortnight contract diff``: no changes means that the live source is as the contract says. ``fingerprint`` is that of the source now,
    empty where the stream can't be described. ``waits`` is why no pull lands under the contract as it stands, null where nothing is in the way.
    """

    schema_: Literal["fortnight.contract_diff/1"] = Field(alias="schema")
    stream: str
    version: int
    changes: tuple[Change, ...]
    fingerprint: str
    waits: Cause | None
    renames: tuple[Renaming, ...]
    consumers: tuple[Consumer, ...]
    deployed: Deployed | None


class Difference(Part):
    """One difference between two versions of a contract: ``place`` is a key of it."""

    place: str
    old: str
    new: str
    effect: Effect


class ContractSchema(Payload):
    """``fortnight contract schema``: the JSON Schema of a contract's file."""

    schema_: Literal["fortnight.contract_schema/1"] = Field(alias="schema")
    json_schema: dict[str, Any]


class ContractAccept(Payload):
    """``fortnight contract accept``. ``written``: whether anything waited for a yes; ``second``: whether another person's is still needed.
    ``differences`` are those to the last version that rows were published under.
    """

    schema_: Literal["fortnight.contract_accept/1"] = Field(alias="schema")
    stream: str
    version: int
    written: bool
    second: bool
    differences: tuple[Difference, ...]


class Check(Part):
    name: str
    passed: bool
    severity: Severity
    summary: str


class Pull(Payload):
    """``fortnight pull``. ``published`` is the number of the published record, null where nothing was published; ``counts`` are rows."""

    schema_: Literal["fortnight.pull/1"] = Field(alias="schema")
    stream: str
    outcome: Literal["succeeded", "stopped", "failed"]
    pull_id: str
    published: int | None
    counts: dict[str, int]
    checks: tuple[Check, ...]
    error: Cause | None


class Backfill(Payload):
    """``fortnight backfill``. Both days belong to the range."""

    schema_: Literal["fortnight.backfill/1"] = Field(alias="schema")
    stream: str
    from_: datetime.date = Field(alias="from")
    to: datetime.date
    days: int
    run_id: str
    succeeded: bool


class BackfillPlan(Payload):
    """``fortnight backfill --plan``."""

    schema_: Literal["fortnight.backfill_plan/1"] = Field(alias="schema")
    stream: str
    from_: datetime.date = Field(alias="from")
    to: datetime.date
    days: int
    source_rows: int
    page: int
    calls_at_most: int
