"""Schedules: the daily slot of each system, the index after them, the seal after the day has closed, the audit and the archive behind it;
memberships every quarter of an hour; subscriptions where there are any. When a slot is due is the calendar's to say.

https://docs.dagster.io/guides/automate/schedules
"""

from collections.abc import Mapping
from datetime import UTC
from zoneinfo import ZoneInfo

import dagster as dg

from pipelines.defs.access_assets import roster_systems
from pipelines.defs.jobs import (
    AssetJob,
    agreement_job_name,
    books_job_name,
    by_system,
    index_job_name,
    roster_job_name,
    subscriptions_job_name,
    system_job_name,
    tables_job_name,
    versions_job_name,
)
from pipelines.defs.keys import stream_key
from pipelines.defs.tags import WAITS, launch_tags
from pipelines.evidence.calendar import due_slots
from pipelines.evidence.plan import cadence_of, closed_of, default_cadence
from pipelines.project import Project
from pipelines.pull import notes
from pipelines.pull.subscribing import subscribing

#: How late a right taken away by a group shows.
_QUARTER = "*/15 * * * *"
#: Who keeps old versions matters to nobody from one day to the next.
_SUNDAY = "40 4 * * 0"
#: Files are tidied while nobody pulls.
_SUNDAY_LATER = "10 3 * * 0"


def schedules(project: Project, found: dict[str, AssetJob]) -> list[dg.ScheduleDefinition]:
    """One schedule per job. Those of streams launch only on days the project's calendar makes due, and say so when they skip."""
    due = project.file.schedule
    made = [_slots(project, system, found[system_job_name(system)]) for system in by_system(project)]
    later = due.hour * 60 + due.minute + 90
    behind = {WAITS: "pulls"}
    made += [_daily(project, found[index_job_name(name)], later // 60 % 24, later % 60, tags=behind) for name in project.file.indexes]
    for system in roster_systems(project):
        made.append(_once_pulled(project, system, found[roster_job_name(system)], "often", _QUARTER))
        made.append(_once_pulled(project, system, found[versions_job_name(system)], "weekly", _SUNDAY))
        # Behind the pulls, so that both sides speak of the same day.
        made.append(_once_pulled(project, system, found[agreement_job_name(system)], "daily", f"{later % 60} {later // 60 % 24} * * *"))
    for system in by_system(project):
        # Behind the candidates, which are looked at too.
        books = later + 30
        made.append(_once_pulled(project, system, found[books_job_name(system)], "daily", f"{books % 60} {books // 60 % 24} * * *"))
        made.append(_once_pulled(project, system, found[tables_job_name(system)], "weekly", _SUNDAY_LATER))
    made += [_subscribed(project, system, found[subscriptions_job_name(system)]) for system in subscribing(project)]
    made.append(_daily(project, found["seal"], due.seal_hour, 10, partitioned=False))
    if project.file.indexes:
        # At night, behind the seal: whoever asks meanwhile is answered.
        made.append(_daily(project, found["audit"], due.seal_hour, 40, partitioned=False))
    made.append(_archive(project, found["archive"]))
    return made


def _slots(project: Project, system: str, job: AssetJob) -> dg.ScheduleDefinition:
    """A tick at every time of day at which some stream of the system is due; it launches those that are due on that very slot."""
    zone, streams = ZoneInfo(project.file.timezone), by_system(project)[system]
    cadences = {stream: cadence_of(project, stream) for stream in streams}
    times = sorted({at for cadence in cadences.values() for at in cadence.times})

    @dg.schedule(
        job=job,
        name=f"{job.name}_daily",
        cron_schedule=[f"{at.minute} {at.hour} * * *" for at in times] if len(times) > 1 else f"{times[0].minute} {times[0].hour} * * *",
        execution_timezone=project.file.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def slot(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        at = context.scheduled_execution_time
        day = at.astimezone(zone).date()
        closed = closed_of(project)
        owing = [stream for stream in streams if at.astimezone(UTC) in due_slots(cadences[stream], day, project.file.timezone, closed)]
        if not owing:
            return dg.SkipReason(
                f"no stream of {system} is due at {at.astimezone(zone):%Y-%m-%d %H:%M} in the project's calendar ({_said(project)})"
            )
        # All of them: the job's own selection, as a hand-launched run has it.
        selection = None if len(owing) == len(streams) else [stream_key(stream) for stream in owing]
        return dg.RunRequest(partition_key=day.isoformat(), asset_selection=selection, tags=launch_tags("schedule", day.isoformat()))

    return slot


def _once_pulled(project: Project, system: str, job: AssetJob, how: str, cron: str) -> dg.ScheduleDefinition:
    """A schedule that waits until some stream of the system was published."""
    streams = by_system(project)[system]

    @dg.schedule(
        job=job,
        name=f"{job.name}_{how}",
        cron_schedule=cron,
        execution_timezone=project.file.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def waiting(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        from pipelines.landing.warehouse import Warehouse

        warehouse = Warehouse(project.root)
        if not any(warehouse.published(stream) for stream in streams):
            return dg.SkipReason(f"no stream of {system} was published yet: there is nothing to ask about")
        return dg.RunRequest(tags=launch_tags("schedule"))

    return waiting


def _subscribed(project: Project, system: str, job: AssetJob) -> dg.ScheduleDefinition:
    """Four times a day, and within a quarter of an hour of a notice that asks for it. Off until an operator has opened the receiver's door."""
    zone = ZoneInfo(project.file.timezone)

    @dg.schedule(
        job=job,
        name=f"{job.name}_often",
        cron_schedule=_QUARTER,
        execution_timezone=project.file.timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
    )
    def subscribed(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        at = context.scheduled_execution_time.astimezone(zone)
        if (at.hour % 6, at.minute) == (0, 0) or notes.version(project.root, "renewals", system):
            return dg.RunRequest(tags=launch_tags("schedule"))
        return dg.SkipReason(f"no notice asks for a renewal; the subscriptions of {system} are looked after every six hours")

    return subscribed


def _archive(project: Project, job: AssetJob) -> dg.ScheduleDefinition:
    """Off until an operator turns it on: for one commit the ledger is not append-only, and that is for a person to decide. Behind the seal, whose
    lease it needs."""
    return dg.ScheduleDefinition(
        job=job,
        name=f"{job.name}_weekly",
        cron_schedule=f"40 {(project.file.schedule.seal_hour + 1) % 24} * * 0",
        execution_timezone=project.file.timezone,
        default_status=dg.DefaultScheduleStatus.STOPPED,
        tags=launch_tags("schedule"),
    )


def _daily(
    project: Project, job: AssetJob, hour: int, minute: int, *, partitioned: bool = True, tags: Mapping[str, str] | None = None
) -> dg.ScheduleDefinition:
    zone = ZoneInfo(project.file.timezone)

    @dg.schedule(
        job=job,
        name=f"{job.name}_daily",
        cron_schedule=f"{minute} {hour} * * *",
        execution_timezone=project.file.timezone,
        default_status=dg.DefaultScheduleStatus.RUNNING,
    )
    def daily_slot(context: dg.ScheduleEvaluationContext) -> dg.RunRequest | dg.SkipReason:
        day = context.scheduled_execution_time.astimezone(zone).date()
        if partitioned and not due_slots(default_cadence(project), day, project.file.timezone, closed_of(project)):
            return dg.SkipReason(f"{day} is not due in the project's calendar ({_said(project)})")
        told = {**launch_tags("schedule", day.isoformat()), **(tags or {})}
        return dg.RunRequest(partition_key=day.isoformat() if partitioned else None, tags=told)

    return daily_slot


def _said(project: Project) -> str:
    days = project.file.schedule.days
    return days if isinstance(days, str) else ", ".join(days)
