"""Resources: the project and its clock, handed to assets. Connections are opened inside a pull and closed with it.

https://docs.dagster.io/guides/build/external-resources
"""

from functools import cached_property
from pathlib import Path

import dagster as dg
from pydantic import PrivateAttr

from pipelines.clock import Clock, WallClock
from pipelines.project import Project, load
from pipelines.pull.outcome import Report, silent


class ProjectResource(dg.ConfigurableResource[Project]):
    """The project at ``folder``. A clock and a progress report may be put in by whoever runs the job in its own process."""

    folder: str
    _clock: Clock = PrivateAttr(default_factory=WallClock)
    _report: Report = PrivateAttr(default_factory=lambda: silent)

    def watched(self, clock: Clock, report: Report) -> "ProjectResource":
        """The same project under another clock, telling ``report`` of each step."""
        made = ProjectResource(folder=self.folder)
        made._clock, made._report = clock, report
        return made

    @cached_property
    def project(self) -> Project:
        return load(Path(self.folder))

    @property
    def clock(self) -> Clock:
        return self._clock

    @property
    def report(self) -> Report:
        return self._report
