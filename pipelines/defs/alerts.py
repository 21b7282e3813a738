"""The alerts sensor: reads what is new in ledger and runs, keeps it in the outbox, sends what is due. Launches nothing and fails nothing.

https://docs.dagster.io/guides/automate/sensors
"""

from __future__ import annotations

from collections.abc import Iterable
from datetime import date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from connectors.errors import FortnightError
from pipelines.clock import Clock, WallClock
from pipelines.defs.assets import origin_of
from pipelines.defs.tags import DAY
from pipelines.evidence.chain import Head
from pipelines.evidence.claims import Claim
from pipelines.evidence.errors import LedgerBroken
from pipelines.evidence.plan import claims_of, closed_of, ledger_of, own_rows, standing
from pipelines.project import Project, load
from pipelines.reports.events import FailedRun, WaitingDrift, of_broken, of_calendar, of_drift, of_rows, of_runs, of_state
from pipelines.reports.outbox import Sweep, deliver, post, read_sweep

SECONDS = 60
#: So far back a sweep looks for runs again: an instance's own times may lag behind. What was told stays told.
_OVERLAP = timedelta(minutes=10)
#: A run of this day may have claims under the day before, where it began before midnight.
_CLAIM_DAYS = timedelta(days=1)


def alert_sensors(project: Project) -> list[dg.SensorDefinition]:
    """One sensor where project.yaml declares channels; none otherwise."""
    if not project.file.alerts.channels:
        return []
    folder = project.folder

    @dg.sensor(
        name="alerts",
        minimum_interval_seconds=SECONDS,
        default_status=dg.DefaultSensorStatus.RUNNING,
        description="Tells people what happened, what it means and what to do: once per event, again and again until it arrived.",
    )
    def alerts(context: dg.SensorEvaluationContext) -> dg.SkipReason:
        live, clock = load(folder), WallClock()
        try:
            found = f"{sweep(live, context.instance, clock)} new"
        except FortnightError as error:
            # What was found before is sent all the same.
            found = error.say()
        sent = deliver(live, clock.now())
        return dg.SkipReason(f"{found}; {sent['arrived']} arrived, {sent['failed']} to be sent again")

    return [alerts]


def sweep(project: Project, instance: dg.DagsterInstance, clock: Clock) -> int:
    """Keep what happened since the last sweep; how many events are new. The first one only notes where everything stands.

    Raises what was foreseen and hinders reading (a file of the project that is no such file), once all that could be read is kept.
    """
    now = clock.now()
    today = now.astimezone(ZoneInfo(project.file.timezone)).date()
    before = read_sweep(project)
    known = before or Sweep(runs_until=now)
    failed = list(_failed(instance, known.runs_until or now))
    claims = _claims(project, failed)
    events = of_runs(_told(run, claims.get(run.run_id, [])) for run in failed)
    drifting = [claim for found in claims.values() for claim in found if claim.drift_waiting]
    events += of_drift(WaitingDrift(claim.stream, claim.day.isoformat(), claim.drift_waiting) for claim in drifting)
    # Where the chain can't be read, what was read before is where reading goes on.
    head, seq, states = Head(known.seq, "?"), known.seq, dict(known.states)
    wrong: FortnightError | None = None
    try:
        ledger = ledger_of(project)
        head = ledger.head()
        if before is not None and head.seq > known.seq:
            events += of_rows(row for row in own_rows(project, ledger.read(kinds=("seal", "finding"))) if row.seq > known.seq)
        seq = head.seq
        for index in project.file.indexes if head.seq else ():
            state = standing(project, index, now)
            events += of_state(known.states.get(index), state, head.seq)
            states[index] = state.eligibility
        closed = closed_of(project)
        events += of_calendar(closed.years if closed else (), today)
    except LedgerBroken as error:
        events += of_broken(error.code, error.params, today)
    except FortnightError as error:
        wrong = error
    new = post(project, events, head, Sweep(seq=seq, runs_until=now, states=states), now)
    if wrong is not None:
        raise wrong
    return new


def _failed(instance: dg.DagsterInstance, since: datetime) -> Iterable[dg.DagsterRun]:
    """Runs that ended in failure, that nothing will retry, and that nobody was waiting for at a terminal."""
    filters = dg.RunsFilter(statuses=[dg.DagsterRunStatus.FAILURE], updated_after=since - _OVERLAP)
    for record in instance.get_run_records(filters=filters):
        run = record.dagster_run
        if run.tags.get("dagster/will_retry") == "true":
            continue
        if origin_of(dict(run.tags), run.run_id, run.root_run_id, []).trigger != "manual":
            yield run


def _claims(project: Project, runs: list[dg.DagsterRun]) -> dict[str, list[Claim]]:
    days = [day for run in runs if (day := _day(run)) is not None]
    if not days:
        return {}
    wanted = {run.run_id for run in runs}
    found: dict[str, list[Claim]] = {}
    for claim in claims_of(project).read(since=min(days) - _CLAIM_DAYS):
        if claim.run_id in wanted:
            found.setdefault(claim.run_id, []).append(claim)
    return found


def _day(run: dg.DagsterRun) -> date | None:
    key = run.tags.get("dagster/partition") or run.tags.get("dagster/asset_partition_range_start") or run.tags.get(DAY)
    try:
        return date.fromisoformat(key) if key else None
    except ValueError:
        return None


def _told(run: dg.DagsterRun, claims: list[Claim]) -> FailedRun:
    day = _day(run)
    errors = tuple((claim.stream, claim.error) for claim in claims if claim.error)
    return FailedRun(run.root_run_id or run.run_id, run.run_id, run.job_name, day.isoformat() if day else "", errors)
