"""What is worth an alert: new rows of the ledger, changed standing of indexes, a calendar that ends. Plain data in, events out."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date

from pipelines.evidence.chain import ChainRow
from pipelines.evidence.gate import GateState
from pipelines.reports.alerts import Event

#: A red day is told with its reasons; what every seal carries is none.
_NO_REASONS = frozenset({"seal.judged_under"})
#: A calendar must be known for so many days ahead.
HORIZON = 365


@dataclass(frozen=True)
class FailedRun:
    """A run that ended in failure and that nothing will retry. ``errors``: stream, and the stable code of what its pull said."""

    root_run_id: str
    run_id: str
    job: str
    day: str
    errors: tuple[tuple[str, str], ...] = ()


@dataclass(frozen=True)
class WaitingDrift:
    """Differences of a stream from its contract that a pull stopped at."""

    stream: str
    day: str
    count: int


def of_rows(rows: Iterable[ChainRow]) -> list[Event]:
    """Red and missing days, one event a day, and security findings, one a day and subject. ``rows`` are new rows in chain order."""
    red: dict[date, list[ChainRow]] = defaultdict(list)
    findings: dict[tuple[str, str], list[ChainRow]] = defaultdict(list)
    for row in rows:
        entry = row.entry
        if entry.kind == "seal" and entry.verdict in ("red", "missing") and entry.day is not None:
            red[entry.day].append(row)
        elif entry.kind == "finding":
            findings[entry.day.isoformat() if entry.day else "-", str(entry.subject)].append(row)
    return [
        *(
            Event(
                "day_red",
                f"day-{day.isoformat()}-{found[0].seq}",
                {"day": day.isoformat(), "count": len(found)},
                "/assets/evidence/ledger",
                details=_reasons(found),
            )
            for day, found in sorted(red.items())
        ),
        *(
            Event(
                "security_finding",
                f"finding-{found[0].seq}",
                {"day": day, "subject": subject},
                "/assets/evidence/ledger",
                details=_reasons(found),
            )
            for (day, subject), found in sorted(findings.items())
        ),
    ]


def _reasons(rows: Sequence[ChainRow]) -> tuple[tuple[str, str, dict[str, object]], ...]:
    return tuple(
        (str(row.entry.subject), reason.code, dict(reason.params))
        for row in rows
        for reason in row.entry.reasons
        if reason.code not in _NO_REASONS
    )


def of_state(before: str | None, state: GateState, seq: int) -> list[Event]:
    """The index went elsewhere. Its first standing is no news; that it still is where it was is none either."""
    if before is None or before == state.eligibility:
        return []
    params = {
        "index": state.index,
        "before": before,
        "after": state.eligibility,
        "green": state.green_days,
        "required": state.required_days,
    }
    details = tuple((state.index, reason.code, dict[str, object](reason.params)) for reason in state.reasons)
    key = f"gate-{state.index}-{state.eligibility}-{seq}"
    return [Event("gate_changed", key, params, f"/assets/index/{state.index}", state.eligibility, details)]


def of_runs(runs: Iterable[FailedRun]) -> list[Event]:
    """One event for a run and all its retries."""
    return [
        Event(
            "run_failed",
            f"run-{run.root_run_id}",
            {"job": run.job, "run": run.run_id[:8], "day": run.day or "-"},
            f"/runs/{run.run_id}",
            details=tuple((stream, "alert.run_failed.error", {"code": code}) for stream, code in run.errors),
        )
        for run in runs
    ]


def of_drift(waiting: Iterable[WaitingDrift]) -> list[Event]:
    """One event a stream and day: tomorrow it is said again, if nobody has decided."""
    return [
        Event(
            "drift_waits",
            f"drift-{one.stream.replace('/', '.')}-{one.day}",
            {"stream": one.stream, "count": one.count},
            f"/assets/{one.stream}?view=checks&checkDetail=drift",
        )
        for one in waiting
    ]


def of_calendar(years: Sequence[int], today: date) -> list[Event]:
    """The frozen table of closed days ends within a year. Said once for each table."""
    if not years:
        return []
    left = (date(max(years), 12, 31) - today).days
    if left > HORIZON:
        return []
    return [Event("calendar_ends", f"calendar-{max(years)}", {"last": max(years), "days": max(left, 0)}, "/assets/evidence/ledger")]


def of_broken(code: str, params: Mapping[str, object], today: date) -> list[Event]:
    """The ledger does not verify, for the reason that ``code`` says: told once a day until somebody restored it."""
    told = {name: str(value) for name, value in params.items()}
    facts: dict[str, str | int] = {"day": today.isoformat(), "subject": "ledger"}
    return [
        Event(
            "security_finding",
            f"ledger-{today.isoformat()}",
            facts,
            "/assets/evidence/ledger",
            details=(("ledger", code, told),),
        )
    ]
