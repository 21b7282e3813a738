"""``fortnight demo --days N``: the fortnight itself, lived in a home of its own, then the question, the promotion by two, and the web UI."""

from __future__ import annotations

import time
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pipelines.cli.output import emit, row, word
from pipelines.cli.simulate import Asked, closing, expectation, lived_days

if TYPE_CHECKING:
    from pipelines.cli.demo import Stage
    from pipelines.clock import Clock
    from pipelines.project import Project


def demo_days(stage: Stage, days: int) -> None:
    """Live the days, then look at what they came to. Raises AnswerIsNo where the script has it otherwise."""
    from pipelines.cli import demo
    from pipelines.simulation.home import night_after

    began = time.monotonic()
    stage.show("\n1. " + word("demo.days", stage.lang, days=days), indent=0)
    found = lived_days(Asked(stage.folder, days, None, None, None, False, stage.port), stage.json_, stage.lang)
    if not stage.json_:
        closing(found, stage.lang)
    home = demo.Stage(found["home"], stage.port, stage.ui_port, stage.lang, stage.json_)
    stage.show("\n2. " + word("demo.ask", stage.lang, question=demo.QUESTION), indent=0)
    # Who looks at the days hours later finds access too old to answer by, as anywhere: the question belongs to their last night.
    night = night_after(Path(found["home"]))
    demo.ask(home, night)
    stage.show("\n3. " + word("demo.promote", stage.lang), indent=0)
    opened = _opened(found["home"])
    promoted = [told for index in opened.file.indexes for told in promoted_by_two(opened, index, night, home)]
    as_the_script_says(found, stage.lang)
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


def promoted_by_two(project: Project, index: str, clock: Clock, stage: Stage) -> list[dict[str, Any]]:
    """What came of the script's promotion of ``index``: the release that production points to, who signed for it, and the reviews that fell
    due since. Nothing where the pointer never moved; then what holds it is said."""
    from pipelines.cli.gate import standing_of
    from pipelines.cli.why import Teller
    from pipelines.evidence.plan import book_of, gate_policy, today_of
    from pipelines.evidence.standing import history_in, state_of
    from pipelines.index.releases import production

    book, policy, today = book_of(project), gate_policy(project, index), today_of(project, clock.now())
    history = history_in(book, index, policy, today)
    state, record = state_of(book, index, policy, today, history), production(project.root, index)
    stage.tell("demo.because" if state.reasons else "demo.stands", **standing_of(state, stage.lang))
    for said in Teller(stage.lang, project.file.timezone, len(state.streams)).lines(state.reasons):
        stage.show(f"- {said}")
    if record is None:
        stage.tell("demo.not_promoted", **standing_of(state, stage.lang))
        return []
    due = [day.isoformat() for day in history.review_days]
    signed = [day for day in due if day in {each.isoformat() for each in history.reviewed}]
    told: dict[str, Any] = {"release": f"{index}/{record.release}", "signed_by": record.actor, "reviews_due": due, "reviewed": signed}
    stage.tell("demo.promoted", **told)
    stage.tell("demo.reviews", count=policy.review_days, due=", ".join(due) or "-", done=", ".join(signed) or "-")
    return [told]


def as_the_script_says(found: dict[str, Any], lang: str | None) -> None:
    """Raises AnswerIsNo for the first thing that was not as the script has it: a day that ended otherwise, a decision that was refused."""
    from connectors.errors import AnswerIsNo

    for one in found["expected"]:
        if not one["holds"]:
            wanted, there = expectation(one, lang)
            raise AnswerIsNo("demo.days_otherwise", day=one["day"], index=one["index"], wanted=wanted, found=there, home=found["home"])
    for day in found["days"]:
        for one in day["refused"]:
            raise AnswerIsNo("demo.refused", day=day["day"], what=word(f"simulate.did.{one['do']}", lang))


def _opened(home: str) -> Project:
    from pipelines.simulation.home import opened

    return opened(Path(home))
