"""``fortnight access refresh``, ``agree`` and ``versions``: what of a system is asked apart from its streams."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipelines.cli.access import SystemArgument
from pipelines.cli.output import NO, JsonOption, LangOption, ProjectOption, emit, line, open_project, row, shown, spoken, word

#: Of the pairs that do not agree, so many are shown.
_SHOWN = 20


def refresh(system: SystemArgument, project: ProjectOption = None, json_: JsonOption = False, lang: LangOption = None) -> None:
    """Read who is in what anew: people, groups and their members. No row and no document is touched.

    Exit 1 where some group could not be read: what only such a group opens, nobody reads.
    """
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.clock import WallClock
        from pipelines.pull.roster import refresh as run

        found = run(opened, system, WallClock())
    payload: dict[str, Any] = {
        "system": system,
        "published": found.published,
        "read_at": found.read_at.isoformat(),
        "accounts": found.accounts,
        "members": found.members,
        "came": found.came,
        "left": found.left,
        "groups": found.groups,
        "asked": found.asked,
        "unread": [{"group": group, "reason": reason} for group, reason in sorted(found.unread.items())],
    }

    def text() -> None:
        line("roster.refreshed", lang, **payload)
        for group, reason in sorted(found.unread.items()):
            row(word("roster.unread", lang, group=found.name(group), reason=reason))

    emit("access_refresh", payload, json_, text)
    if found.unread:
        raise typer.Exit(NO)


def agree(
    system: SystemArgument,
    pairs: Annotated[int, typer.Option("--pairs", min=1, max=5000, help="How many pairs of a person and a row to ask about.")] = 200,
    sample: Annotated[
        str | None, typer.Option("--sample", help="A text that chooses the pairs; the same one chooses the same again.", show_default=False)
    ] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Ask the source who may read what, pair by pair, and compare: exit 1 unless both agree on every pair that has no reason to differ."""
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.clock import WallClock
        from pipelines.serving.examination.agreement import agree as run
        from pipelines.serving.examination.agreement import agreement_check

        clock = WallClock()
        found = run(opened, system, clock, sample or clock.now().isoformat(), pairs=pairs)
        check = agreement_check(found)
    differing = [pair for pair in found.pairs if pair.verdict in ("open", "closed", "narrower")]
    payload: dict[str, Any] = {
        "system": system,
        "sample": found.sample,
        "at": found.at.isoformat(),
        "rate": found.rate,
        **{name: found.count(name) for name in ("agree", "open", "closed", "narrower", "unsaid")},
        "differing": [vars(pair) for pair in differing],
    }

    def text() -> None:
        row(shown(check.summary, lang), indent=0)
        for pair in [pair for pair in differing if pair.verdict != "narrower"][:_SHOWN]:
            answers = {"ours": pair.ours, "source": pair.source}
            row(word("agreement.pair", lang, verdict=pair.verdict, person=pair.principal, stream=pair.stream, row=pair.key, **answers))

    emit("access_agree", payload, json_, text)
    if not check.passed:
        raise typer.Exit(NO)


def versions(
    system: SystemArgument,
    largest: Annotated[int, typer.Option("--largest", min=1, max=100_000, help="For how many of the largest files.")] = 1000,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Ask what the largest files take with all their versions, for the access report. Two units a file."""
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.clock import WallClock
        from pipelines.pull.versions import weigh

        found = weigh(opened, system, WallClock(), largest=largest)
    payload: dict[str, Any] = {**vars(found), "at": found.at.isoformat()}

    def text() -> None:
        facts = {name: f"{payload[name]:,}" for name in ("asked", "files", "versions", "bytes", "current_bytes")}
        line("versions.weighed", lang, system=system, **facts)

    emit("access_versions", payload, json_, text)
