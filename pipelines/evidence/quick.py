"""Where an index stands, cheap enough to be asked every few seconds: judged anew only when the ledger's head, the day or the policy is another."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date, datetime

from pipelines.evidence.chain import Head
from pipelines.evidence.gate import GatePolicy, GateState
from pipelines.evidence.plan import gate_policy, ledger_of, standing, today_of
from pipelines.project import Project


@dataclass
class Watch:
    """The last answer for each index of one project, and what it was given on. One for each process that serves."""

    project: Project
    _last: dict[str, tuple[Head, date, GatePolicy, GateState]] = field(default_factory=dict[str, tuple[Head, date, GatePolicy, GateState]])

    def standing(self, index: str, now: datetime) -> GateState:
        """Where ``index`` stands at ``now`` (aware). Raises what ``plan.standing`` raises: who can't know must not serve."""
        head, today, policy = ledger_of(self.project).head(), today_of(self.project, now), gate_policy(self.project, index)
        known = self._last.get(index)
        if known is None or known[:3] != (head, today, policy):
            known = (head, today, policy, standing(self.project, index, now))
            self._last[index] = known
        return known[3]


_WATCHES: dict[str, Watch] = {}


def standing_quick(project: Project, index: str, now: datetime) -> GateState:
    """``Watch.standing`` of this process's watch over ``project``."""
    watch = _WATCHES.get(project.root)
    if watch is None or watch.project is not project:
        watch = _WATCHES[project.root] = Watch(project)
    return watch.standing(index, now)
