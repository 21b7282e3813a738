"""Resources: the project and its clock, handed to assets; and the connections to sources, opened by a run's first pull and closed with the run.

https://docs.dagster.io/guides/build/external-resources
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field, replace
from functools import cached_property
from pathlib import Path

import dagster as dg

from pipelines.clock import Clock, WallClock
from pipelines.project import Project, load
from pipelines.pull.outcome import Report, silent
from pipelines.pull.sharing import Sharing

#: For an asset that every stream has: it names the project by its key. Who asks for it by an annotated argument has Dagster inspect the function many
#: times over, which is felt with hundreds of streams.
FILES = {"project_files"}
#: For an asset that pulls.
SOURCES = {"sources"}


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


@dg.resource(description="Connections to sources, for as long as a run lasts.")
def sources(_: dg.InitResourceContext) -> Iterator[Sharing]:
    """Dagster opens it once for the steps of a run that share a process, and closes it after the last, however that ended."""
    sharing = Sharing()
    try:
        yield sharing
    finally:
        sharing.close()
