"""``fortnight index rollback``, ``history``, ``drill`` and ``replay``: going back, rehearsing it, and asking what was answered then."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.index import IndexArgument, hit_payload, show_hit
from pipelines.cli.output import NO, JsonOption, LangOption, ProjectOption, cell, emit, line, mark, open_project, row, spoken, word

if TYPE_CHECKING:
    from pipelines.index.releases import Production

ByOption = Annotated[str, typer.Option("--by", help="Who does this: a name or mail address.")]


def rollback(
    index: IndexArgument,
    by: ByOption,
    reason: Annotated[str, typer.Option("--reason", help="Why, for whoever reads the history.")],
    to: Annotated[
        int | None, typer.Option("--to", min=1, help="The number of the release; default: the one before.", show_default=False)
    ] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Point production at the release before, or at one that was in production earlier. What was deleted or closed since stays so."""
    with spoken(lang, json_):
        import time

        started = time.perf_counter()
        opened = open_project(project)
        opened.index(index)
        from connectors.errors import FixConfiguration
        from pipelines.clock import WallClock
        from pipelines.index.models import embedder_of
        from pipelines.index.rollback import Model, roll_back

        if not by.strip() or not reason.strip():
            raise FixConfiguration("rollback.no_reason")
        served = embedder_of(opened, index=index)
        model = Model(served.model_id, served.revision, served.dim)
        now = roll_back(opened.root, index, model, at=WallClock().now(), actor=by.strip(), reason=reason.strip(), to=to)
        seconds = round(time.perf_counter() - started, 3)
    payload = {"index": index, "production": _position(now), "seconds": seconds}
    told = {"index": index, "release": now.release, "seconds": seconds, "position": now.number}
    emit("index_rollback", payload, json_, lambda: line("rollback.done", lang, **told))


def history(index: IndexArgument, project: ProjectOption = None, json_: JsonOption = False, lang: LangOption = None) -> None:
    """List every position of the production pointer, newest last: which release, since when, who put it there and why."""
    with spoken(lang, json_):
        opened = open_project(project)
        opened.index(index)
        from pipelines.index.releases import production_history

        found = production_history(opened.root, index)

    def text() -> None:
        for position in found:
            release, at = f"{position.index}/{position.release}", f"{position.at:%Y-%m-%d %H:%M}Z"
            row(f"{position.number:>3}", cell(release, 24), at, f"{position.actor}: {position.reason}")
        if not found:
            line("rollback.nothing_in_production", lang, index=index)

    emit("index_history", {"index": index, "positions": [_position(position) for position in found]}, json_, text)


def drill(index: IndexArgument, by: ByOption, project: ProjectOption = None, json_: JsonOption = False, lang: LangOption = None) -> None:
    """Rehearse a promotion and the way back, beside production, with two candidates. Exit 1 where anything deleted or closed comes back."""
    with spoken(lang, json_):
        opened = open_project(project)
        from connectors.errors import FixConfiguration
        from pipelines.clock import WallClock
        from pipelines.serving.examination.drill import LIMIT
        from pipelines.serving.examination.drill import drill as run

        if not by.strip():
            raise FixConfiguration("rollback.no_reason")
        done = run(opened, index, by.strip(), WallClock())
    payload: dict[str, Any] = {
        "index": index,
        "older": done.older,
        "newer": done.newer,
        "passed": done.passed,
        "forward_seconds": done.forward,
        "back_seconds": done.back,
        "seconds": done.seconds,
        "limit_seconds": LIMIT,
        "proofs": [
            {"code": proof.code, "passed": proof.passed, "message": word(proof.code, lang, **proof.params)} for proof in done.proofs
        ],
    }

    def text() -> None:
        for proof in done.proofs:
            row(mark("ok" if proof.passed else "fail", lang), word(proof.code, lang, **proof.params))
        told = {"older": done.older, "newer": done.newer, "forward": done.forward, "back": done.back}
        line("drill.passed" if done.passed else "drill.failed", lang, index=index, seconds=done.seconds, limit=LIMIT, **told)

    emit("index_drill", payload, json_, text)
    if not done.passed:
        raise typer.Exit(NO)


def replay(
    index: IndexArgument,
    query: Annotated[str, typer.Argument(help="The question, in Japanese or English.")],
    at: Annotated[str, typer.Option("--at", help='"2026-11-24 14:30" in the project\'s time zone, or ISO 8601.')],
    as_: Annotated[str, typer.Option("--as", help="Mail address of the person who asks.")],
    k: Annotated[int, typer.Option("--k", min=1, max=50, help="How many hits.")] = 5,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Ask the release that was in production then, as a person. What was deleted or closed since is left out, and said to be (audited)."""
    with spoken(lang, json_):
        opened = open_project(project)
        from connectors.errors import FixConfiguration
        from pipelines.cli.serve import proven
        from pipelines.clock import WallClock
        from pipelines.serving.examination.past import instant_of
        from pipelines.serving.examination.past import replay as run

        if not query.strip() or len(query) > 2000:
            raise FixConfiguration("serving.bad_question", length=len(query.strip()))
        instant, clock = instant_of(opened, at), WallClock()
        looking = proven(opened, clock) if opened.environment == "production" else None
        found = run(opened, index, query, as_, instant, k, clock, looking=looking)
    answer = found.answer
    payload: dict[str, Any] = {
        "query": query,
        "as": as_,
        "index": index,
        "at": instant.isoformat(),
        "production": _position(found.position),
        "trace_id": answer.trace_id,
        "reason": answer.reason.value,
        "hits": [hit_payload(hit) for hit in answer.hits],
        "denied": [{"rank": each.rank, "why": each.why} for each in found.denied],
    }

    def text() -> None:
        for hit in answer.hits:
            if hit.snippet:
                show_hit(hit)
            else:
                # In production whoever looks gets ids.
                row(f"{hit.rank}.", hit.chunk, hit.document)
        if not answer.hits:
            row(word("search.nothing", lang, person=as_, reason=answer.reason.value))
        why = ", ".join(word(f"replay.denial.{each.why}", lang, rank=each.rank) for each in found.denied)
        row(word("replay.denied" if found.denied else "replay.denied_none", lang, k=k, count=len(found.denied), reasons=why))
        told = {"release": f"{index}/{found.position.release}", "position": found.position.number, "trace_id": answer.trace_id}
        row(word("replay.from", lang, at=f"{instant:%Y-%m-%d %H:%M %Z}", since=f"{found.position.at:%Y-%m-%d %H:%M}Z", **told))

    emit("index_replay", payload, json_, text)


def _position(position: Production) -> dict[str, Any]:
    return {
        "position": position.number,
        "release": f"{position.index}/{position.release}",
        "at": position.at.isoformat(),
        "actor": position.actor,
        "reason": position.reason,
    }
