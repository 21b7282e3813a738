"""What Dagster saw, as plain data: ticks, runs and check records. defs/witness.py reads them; nothing here asks for anything."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import datetime
from typing import Literal

RunStatus = Literal["queued", "started", "succeeded", "failed", "stopped"]
CheckStatus = Literal["planned", "succeeded", "failed", "skipped", "execution_failed"]
Severity = Literal["error", "warn"]
#: The checks every stream carries, in the order they are judged. A run without one of them proves nothing.
STREAM_CHECKS = ("drift", "schema", "access", "values", "bands", "balance")


@dataclass(frozen=True)
class Tick:
    """One tick of a schedule or sensor. ``at`` is the exact scheduled second (UTC); ``run_ids`` are the runs it launched; ``streams``
    are those whose slots it fills (none: it keeps an index fresh between them)."""

    kind: Literal["schedule", "sensor"]
    name: str
    at: datetime
    status: str
    run_ids: tuple[str, ...]
    streams: tuple[str, ...]

    @property
    def label(self) -> str:
        """How the ledger names this tick."""
        return f"{self.kind}:{self.name}@{self.at:%Y-%m-%dT%H:%M:%SZ}"


@dataclass(frozen=True)
class Run:
    """One run. A run that is nobody's retry is its own root. Instants are UTC.

    ``retry_number`` and ``will_retry`` are tags of the daemon's automatic retry, on the retry and on the run it tries again; anybody who launches a
    run may write such. ``auto_retry_run_id`` is the run that the daemon, in this one's log, says it launched to try it again. ``backfill``: launched by a backfill or over a partition
    range. ``streams``: those that it pulls (None: not known, so any); a retry from the point of failure leaves out what went well.
    ``failed_streams``: the streams whose own steps failed in it; None when that is not known, and then a failed run failed for all of them.
    """

    run_id: str
    root_run_id: str
    parent_run_id: str | None
    status: RunStatus
    started_at: datetime | None
    finished_at: datetime | None
    retry_number: int | None = None
    will_retry: bool = False
    auto_retry_run_id: str | None = None
    backfill: bool = False
    streams: tuple[str, ...] | None = None
    failed_streams: tuple[str, ...] | None = None

    def concerns(self, stream: str) -> bool:
        """True unless this run is known to leave ``stream`` alone."""
        return self.streams is None or stream in self.streams

    def failed_for(self, stream: str) -> bool:
        """True when this run ended badly for ``stream``."""
        own = self.concerns(stream) if self.failed_streams is None else stream in self.failed_streams
        return self.status in ("failed", "stopped") and own


@dataclass(frozen=True)
class CheckFact:
    """One check record. Only ``succeeded`` and ``failed`` say anything, and only joined to their run: an empty ``run_id`` was posted by hand."""

    stream: str
    name: str
    run_id: str
    status: CheckStatus
    passed: bool | None
    severity: Severity
    recorded_at: datetime


@dataclass(frozen=True)
class Runless:
    """A check result or a materialization that names no run: somebody posted it. ``subject`` is the stream, or the asset's key."""

    kind: Literal["check", "materialization"]
    subject: str
    name: str
    at: datetime


@dataclass(frozen=True)
class Witnessed:
    """Everything Dagster can say about the days to be sealed."""

    ticks: tuple[Tick, ...] = ()
    runs: tuple[Run, ...] = ()
    checks: tuple[CheckFact, ...] = ()
    runless: tuple[Runless, ...] = ()
