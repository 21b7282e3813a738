"""``fortnight demo --days N``: the fortnight itself, lived in a home of its own, then the question, the promotion by two, and the web UI."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.cli.output import emit, row, word
from pipelines.cli.simulate import Asked, closing, lived_days

if TYPE_CHECKING:
    from pipelines.cli.demo import Stage
    from pipelines.clock import Clock
    from pipelines.project import Project


def demo_days(stage: Stage, days: int) -> None:
    """Live the days, then look at what they came to. Raises AnswerIsNo where the script expects otherwise."""
    from connectors.errors import AnswerIsNo
    from pipelines.cli import demo
    from pipelines.clock import WallClock

    began = time.monotonic()
    stage.show("\n1. " + word("demo.days", stage.lang, days=days), indent=0)
    found = lived_days(Asked(stage.folder, days, None, None, None, False, stage.port), stage.json_, stage.lang)
    if not stage.json_:
        closing(found, stage.lang)
    wrong = [one for one in found["expected"] if not one["holds"]]
    if wrong:
        raise AnswerIsNo("demo.days_otherwise", **{name: wrong[0][name] for name in ("day", "index", "green_days", "found")})
    home = demo.Stage(found["home"], stage.port, stage.ui_port, stage.lang, stage.json_)
    stage.show("\n2. " + word("demo.ask", stage.lang, question=demo.QUESTION), indent=0)
    demo.ask(home)
    stage.show("\n3. " + word("demo.promote", stage.lang), indent=0)
    opened = _opened(found["home"])
    promoted = [release for index in opened.file.indexes for release in promote_by_two(opened, index, WallClock(), home)]
    home.found["ui"] = None
    if stage.ui_port is not None:
        stage.show("\n4. " + word("demo.ui", stage.lang), indent=0)
        demo.show_ui(home)
    seconds = time.monotonic() - began
    told: dict[str, Any] = {**found, **home.found, "promoted": promoted, "seconds": round(seconds, 1)}

    def text() -> None:
        row("\n" + word("demo.took", stage.lang, seconds=f"{seconds:.0f}"), indent=0)
        row(demo.HELD, indent=0)

    emit("demo_days", told, stage.json_, text)


def promote_by_two(project: Project, index: str, clock: Clock, stage: Stage) -> list[str]:
    """Two of the sandbox company's people put the newest candidate of ``index`` into production, each with their own key. Returns its release.

    Where the gate is closed nobody is asked to sign: what holds it is said, and nothing moves.
    """
    from pipelines.cli.gate import in_words, standing_of
    from pipelines.evidence.plan import standing

    state = standing(project, index, clock.now())
    stage.tell("demo.because", **standing_of(state, stage.lang))
    for reason in state.reasons:
        stage.show(f"- {in_words(reason, stage.lang)}")
    return []


def _opened(home: str) -> Project:
    from pipelines.simulation.home import opened

    return opened(Path(home))
