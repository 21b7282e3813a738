"""Partitions: one per civil day of the project's time zone. What a day means for evidence belongs in ``pipelines/evidence``.

https://docs.dagster.io/guides/build/partitions-and-backfills
"""

from __future__ import annotations

from datetime import UTC, date, datetime, timedelta
from zoneinfo import ZoneInfo

import dagster as dg

from connectors.protocol import Window
from pipelines.project import Project


def daily(project: Project) -> dg.DailyPartitionsDefinition:
    """Days from the project's start; today's partition exists from midnight, so that the slot of a day lies in its own partition."""
    return dg.DailyPartitionsDefinition(start_date=project.file.start, timezone=project.file.timezone, end_offset=1)


def window_of(project: Project, keys: list[str]) -> Window:
    """The window that covers these days, from the first midnight to the midnight after the last."""
    zone = ZoneInfo(project.file.timezone)
    first, last = date.fromisoformat(min(keys)), date.fromisoformat(max(keys))
    start = datetime(first.year, first.month, first.day, tzinfo=zone)
    end = datetime(last.year, last.month, last.day, tzinfo=zone) + timedelta(days=1)
    return Window(since=start.astimezone(UTC), until=end.astimezone(UTC))
