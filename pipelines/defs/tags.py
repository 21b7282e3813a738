"""Run tags: what the runs page is filtered by. They are labels for people; evidence asks ticks, never tags.

https://docs.dagster.io/guides/build/assets/metadata-and-tags/tags
"""

from __future__ import annotations

from pipelines.pull.outcome import Trigger

SYSTEM, INDEX, KIND, TRIGGER, DAY = "fortnight/system", "fortnight/index", "fortnight/kind", "fortnight/trigger", "fortnight/day"
#: A run with this tag waits for pulls that are under way, and but one such run is launched at a time (``instance.yaml``): all that a schedule missed comes
#: at once. What keeps an index fresh all day has it not: its streams are pulled every few minutes, and some pull is nearly always under way.
WAITS = "fortnight/waits"
#: Two hours end any run: a source that neither answers nor hangs up is otherwise waited for until somebody looks.
MAX_RUNTIME = {"dagster/max_runtime": "7200"}


def job_tags(kind: str, *, system: str = "", index: str = "") -> dict[str, str]:
    """Tags of a job. What launches it overwrites the trigger; nobody does where a person did."""
    about = {SYSTEM: system} if system else {INDEX: index} if index else {}
    return {**MAX_RUNTIME, **about, KIND: kind, TRIGGER: "manual"}


def launch_tags(trigger: Trigger, day: str = "") -> dict[str, str]:
    """Tags of a run that a schedule or a sensor launches for a civil day (YYYY-MM-DD)."""
    return {TRIGGER: trigger, **({DAY: day} if day else {})}
