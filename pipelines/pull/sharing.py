"""What the pulls of one run share: a system's connector, which reads once what belongs to the whole of it, and the green days that teach."""

from __future__ import annotations

from pathlib import Path

from connectors.protocol import Connector
from pipelines.clock import Clock
from pipelines.project import Project
from pipelines.pull.green import Green
from pipelines.pull.outcome import Report, Request, Result, silent
from pipelines.pull.run import pull


class Sharing:
    """For one run, and for one thread of it. Whoever opened it closes it."""

    def __init__(self) -> None:
        self._open: dict[tuple[Path, str], Connector] = {}
        self._green: dict[Path, Green] = {}

    def pull(self, project: Project, request: Request, clock: Clock, report: Report = silent) -> Result:
        """One pull, as ``run.pull``. After one that did not succeed all that its connector holds is in doubt: the next one gets another."""
        system = project.contract(request.stream).system
        key = (project.folder, system)
        connector = self._open.pop(key, None) or project.connect(system, run=clock)
        green = self._green.setdefault(project.folder, Green(project))
        good = False
        try:
            result = pull(project, request, clock, report, connector, green)
            good = result.succeeded
        finally:
            if good:
                self._open[key] = connector
            else:
                connector.close()
        return result

    def close(self) -> None:
        while self._open:
            self._open.popitem()[1].close()
