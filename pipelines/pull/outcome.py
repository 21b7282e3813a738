"""What a pull is told and what it tells: the request, the checks with their tables, the result."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Literal

from connectors.errors import FortnightError
from connectors.messages import Said, joined, told
from connectors.protocol import Window
from expectations.balance import Balance
from expectations.contract import Severity
from expectations.drift import Drift
from pipelines.evidence.witness import STREAM_CHECKS

Trigger = Literal["schedule", "sensor", "retry", "manual", "backfill"]
CHECKS = STREAM_CHECKS


@dataclass(frozen=True)
class Origin:
    """Who launched this pull, as the launcher knows it. Evidence believes none of it until Dagster's own records agree."""

    trigger: Trigger = "manual"
    run_id: str = ""
    root_run_id: str = ""
    slot: datetime | None = None
    day: str = ""


@dataclass(frozen=True)
class Request:
    """One pull to do. ``window`` None means: go on from the last published watermark, or read everything the first time.

    ``accept_gone``: a person has looked, and what vanished is deleted. ``replay``: the keys of held rows that are read anew, and no others
    where the source allows that.
    """

    stream: str
    window: Window | None = None
    full: bool = False
    accept_gone: bool = False
    replay: tuple[str, ...] = ()
    origin: Origin = Origin()


@dataclass(frozen=True)
class Check:
    """One judged check. ``rows`` is its table (all values text), ``numbers`` what plots itself over time."""

    name: str
    passed: bool
    severity: Severity
    summary: str
    rows: tuple[Mapping[str, str], ...] = ()
    numbers: Mapping[str, float] = field(default_factory=dict[str, float])


def failing(check: Check) -> str:
    """The first rows of a failed check, as one phrase: what a person must know without opening the table."""
    wrong = [row for row in check.rows if row.get("verdict") == "FAIL"]
    return in_short(wrong) if wrong else check.summary


def in_short(wrong: Sequence[Mapping[str, str]]) -> Said:
    """The first three rules of a check's table, each with its column and what was expected and observed, and how many more there are."""
    listed = [
        told(
            "check.row_wrong",
            column=row.get("column") or told("check.whole_table"),
            rule=row["expectation"].removeprefix("expect_"),
            expected=row["expected"],
            observed=row["observed"],
        )
        for row in wrong[:3]
    ]
    return joined([*listed, told("check.more_wrong", count=len(wrong) - 3)] if len(wrong) > 3 else listed, "; ")


@dataclass(frozen=True)
class Result:
    """How a pull ended. ``error`` is set unless it succeeded; nothing was published unless ``published`` has a number."""

    stream: str
    pull_id: str
    started_at: datetime
    finished_at: datetime
    outcome: Literal["succeeded", "stopped", "failed"]
    checks: tuple[Check, ...]
    counts: Mapping[str, int]
    drift: Drift | None = None
    balance: Balance | None = None
    published: int | None = None
    versions: Mapping[str, int] = field(default_factory=dict[str, int])
    endpoint: str = ""
    sandbox: bool = False
    contract_version: int = 0
    contract_fingerprint: str = ""
    error: FortnightError | None = None

    @property
    def succeeded(self) -> bool:
        return self.outcome == "succeeded"


@dataclass(frozen=True)
class Progress:
    """A step forward: which step of which stream, how far, of how many when that is known."""

    stream: str
    step: str
    done: int = 0
    total: int | None = None


Report = Callable[[Progress], None]


def silent(_: Progress) -> None:
    """The reporter that says nothing."""
