"""Runs that are under way, and waiting for them: after a pause the daemon launches all it missed at once, and an index is built of what pulls bring."""

from __future__ import annotations

import time
from collections.abc import Callable, Collection, Sequence

import dagster as dg
from dagster import DagsterRunStatus as Status

#: Seconds after which an index is built all the same: a pull that hangs must not hold it up for the day.
PATIENCE = 1800
_LOOK_EVERY = 5
_UNDER_WAY = [Status.QUEUED, Status.NOT_STARTED, Status.STARTING, Status.STARTED, Status.CANCELING]


def wait_for(
    instance: dg.DagsterInstance,
    jobs: Collection[str],
    say: Callable[[str], None],
    sleep: Callable[[float], None] = time.sleep,
    patience: float = PATIENCE,
) -> bool:
    """Wait until no run of ``jobs`` is queued or under way, and return whether that came to be within ``patience`` seconds."""
    waited = 0.0
    while left := under_way(instance, jobs):
        if waited >= patience:
            say(f"not waited for any longer: {', '.join(left)}")
            return False
        if not waited:
            say(f"waits for {', '.join(left)}")
        sleep(_LOOK_EVERY)
        waited += _LOOK_EVERY
    return True


def under_way(instance: dg.DagsterInstance, jobs: Collection[str]) -> Sequence[str]:
    """The runs of ``jobs`` that have not ended, as ``job run``."""
    runs = instance.get_runs(dg.RunsFilter(statuses=_UNDER_WAY))
    return sorted(f"{run.job_name} {run.run_id}" for run in runs if run.job_name in jobs)
