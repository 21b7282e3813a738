"""Resources: the project and its clock, handed to assets. Connections are opened inside a pull and closed with it.

https://docs.dagster.io/guides/build/external-resources
"""

from __future__ import annotations

from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

from pipelines.clock import Clock, WallClock
from pipelines.project import Project, load
from pipelines.pull.outcome import Report, silent

#: For an asset that every stream has: it names the project by its key. Who asks for it by an annotated argument has Dagster inspect the function many
#: times over, which is felt with hundreds of streams.
FILES = {"project_files"}


@dataclass(frozen=True)
class ProjectResource:
    """The project at ``folder``, read once a process. A clock and a progress report may be put in by whoever runs the job in its own process.

    No ConfigurableResource: Dagster makes those anew from their config for every run, and would drop clock and report on the way.
    """

    folder: str
    clock: Clock = field(default_factory=WallClock)
    report: Report = silent
    #: Where a source is spoken to. Certificates and tokens know one time, the machine's: a process that travels steps out of it here.
    outside: Callable[[], AbstractContextManager[object]] = nullcontext

    def watched(self, clock: Clock, report: Report) -> ProjectResource:
        """The same project under another clock, telling ``report`` of each step."""
        return replace(self, clock=clock, report=report)

    @cached_property
    def project(self) -> Project:
        return load(Path(self.folder))
