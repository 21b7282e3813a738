"""What people decide with their own key: accept, promote, sign off, suspend, resume, revoke, excuse, book a slot, leave a day out."""

from __future__ import annotations

from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any
from zoneinfo import ZoneInfo

import typer

from pipelines.cli.output import JsonOption, LangOption, ProjectOption, emit, line, open_project, spoken, word

if TYPE_CHECKING:
    from pipelines.evidence.reasons import Reason
    from pipelines.evidence.taking import Asked, Taken
    from pipelines.project import Project

app = typer.Typer(help="Decisions that stand in the ledger, each signed with a person's own SSH key.", no_args_is_help=True)
KeyOption = Annotated[Path, typer.Option("--sign-with", help="Your SSH key (Ed25519); people.yaml must list its public half.")]
WhyOption = Annotated[str, typer.Option("--why", help="The reason, for those who read the ledger later.")]
IndexArgument = Annotated[str, typer.Argument(help="The index's name in project.yaml.")]
FromOption = Annotated[str, typer.Option("--from", help="Start, such as 2026-12-01T22:00, in the project's time zone.")]
UntilOption = Annotated[str, typer.Option("--until", help="End, in the project's time zone.")]


@app.command()
def accept(
    stream: Annotated[str, typer.Argument(help="system/stream")],
    sign_with: KeyOption,
    why: WhyOption = "",
    additive: Annotated[bool, typer.Option("--additive", help="It takes nothing away: one signature, and the count goes on.")] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Accept the contract a stream is pulled under now, in place of the one its days were sealed under. A breaking change needs two persons."""
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.evidence.asking import acceptance

        taken = _take(opened, acceptance(opened, stream, why, additive=additive), sign_with)
    _say("accept", stream, taken, None, json_, lang)


@app.command()
def exclude(
    stream: Annotated[str, typer.Argument(help="system/stream")],
    day: Annotated[str, typer.Option("--day", help="The sealed day (YYYY-MM-DD).")],
    sign_with: KeyOption,
    why: WhyOption = "",
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Leave a sealed day out of the count: it reads as excused, never as green. A red day needs two persons; to take a green one away, one is enough."""
    with spoken(lang, json_):
        opened = open_project(project)
        from pipelines.evidence.asking import exclusion

        taken = _take(opened, exclusion(opened, stream, civil(day), why), sign_with)
    _say("exclude", stream, taken, None, json_, lang)


@app.command()
def excuse(
    subject: Annotated[str, typer.Argument(help="A system, or system/stream.")],
    from_: FromOption,
    until: UntilOption,
    sign_with: KeyOption,
    why: WhyOption = "",
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Declare a maintenance window of a source before it begins: its slots are excused, never green. One that begins before the next nightly seal needs
    two approvers."""
    _window("excuse", "decision.window", subject, from_, until, sign_with, why, project, json_, lang)


@app.command()
def slot(
    index: IndexArgument,
    from_: FromOption,
    until: UntilOption,
    sign_with: KeyOption,
    why: WhyOption = "",
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Book a tuning slot: changes of an index's configuration inside of it raise no finding."""
    _window("slot", "decision.slot", index, from_, until, sign_with, why, project, json_, lang)


@app.command()
def revoke(
    index: IndexArgument,
    why: WhyOption = "",
    sign_with: Annotated[Path | None, typer.Option("--sign-with", help="Your SSH key.", show_default=False)] = None,
    by: Annotated[str, typer.Option("--by", help="Your name, where no key is at hand.")] = "",
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Take the mark away for good: the count starts again, and two persons must resume it first."""
    _stop("revoke", index, why, sign_with, by, project, json_, lang)


def sign_off(
    index: IndexArgument,
    sign_with: KeyOption,
    day: Annotated[
        str | None, typer.Option("--day", help="The operator's review of this day; without it, the first week.", show_default=False)
    ] = None,
    why: WhyOption = "",
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Sign off the first week (business owner), or with --day the daily review after promotion (operator)."""
    with spoken(lang, json_):
        opened = open_project(project)
        opened.index(index)
        from connectors.errors import AnswerIsNo
        from pipelines.clock import WallClock
        from pipelines.evidence.asking import first_week, review
        from pipelines.evidence.plan import today_of

        if day is None:
            asked = first_week(opened, index, why or "-")
        else:
            on = civil(day)
            if not 0 <= (today_of(opened, WallClock().now()) - on).days <= 1:
                raise AnswerIsNo("decide.not_a_day_to_review", day=day)
            asked = review(index, on, why or "-")
        taken = _take(opened, asked, sign_with)
    _say(asked.verb, index, taken, None, json_, lang)


def promote(
    index: IndexArgument,
    release: Annotated[int, typer.Option("--release", min=1, help="The candidate's number (fortnight index releases).")],
    sign_with: KeyOption,
    why: WhyOption = "",
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Sign for a release. The first person proposes; with a second person's signature production points to it. Only while eligible."""
    with spoken(lang, json_):
        opened = open_project(project)
        opened.index(index)
        from pipelines.clock import WallClock
        from pipelines.index.promotion import promote_decided, proposed

        clock = WallClock()
        taken = _take(opened, proposed(opened, index, release, why or "-", clock), sign_with)
        moved = None if taken.waits else promote_decided(opened, index, clock.now())
    _say("promote", index, taken, moved, json_, lang)


def suspend(
    index: IndexArgument,
    why: WhyOption = "",
    sign_with: Annotated[Path | None, typer.Option("--sign-with", help="Your SSH key.", show_default=False)] = None,
    by: Annotated[str, typer.Option("--by", help="Your name, where no key is at hand.")] = "",
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Stop an index at once: one row of the ledger, which servers see within seconds. Two persons resume it."""
    _stop("suspend", index, why, sign_with, by, project, json_, lang)


def resume(
    index: IndexArgument,
    sign_with: KeyOption,
    why: WhyOption = "",
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Resume a suspended or revoked index. Needs two persons."""
    with spoken(lang, json_):
        opened = open_project(project)
        opened.index(index)
        from pipelines.evidence.asking import resumption

        taken = _take(opened, resumption(index, why), sign_with)
    _say("resume", index, taken, None, json_, lang)


def civil(given: str) -> date:
    """A civil day as typed. Raises FixConfiguration for anything else."""
    from connectors.errors import FixConfiguration

    try:
        return date.fromisoformat(given)
    except ValueError:
        raise FixConfiguration("decide.bad_day", given=given) from None


def _take(project: Project, asked: Asked, key: Path) -> Taken:
    from connectors.errors import FixConfiguration
    from pipelines.clock import WallClock
    from pipelines.evidence.declare import declare_all, declare_people
    from pipelines.evidence.signing import public_half, sign
    from pipelines.evidence.taking import Signer, take

    if not asked.why.strip():
        raise FixConfiguration("decide.no_why")
    clock = WallClock()
    signer = Signer(public_half(key), lambda message: sign(message, key))
    if asked.verb in ("suspend", "revoke"):
        declare_people(project, clock.now(), clock.kind)
    else:
        declare_all(project, clock.now(), clock.kind)
    return take(project, asked, signer, clock.now(), clock.kind)


def _window(
    verb: Any,
    code: str,
    subject: str,
    from_: str,
    until: str,
    key: Path,
    why: str,
    project: str | None,
    json_: bool,
    lang: str | None,
) -> None:
    with spoken(lang, json_):
        opened = open_project(project)
        from connectors.errors import AnswerIsNo, FixConfiguration
        from pipelines.clock import WallClock
        from pipelines.evidence.chain import instant_text
        from pipelines.evidence.reasons import reason
        from pipelines.evidence.taking import Asked

        if verb == "slot":
            opened.index(subject)
        elif "/" in subject:
            opened.contract(subject)
        elif subject not in opened.file.systems:
            raise FixConfiguration("project.unknown_system", system=subject, known=", ".join(sorted(opened.file.systems)))
        starts, ends = _instant(opened, from_), _instant(opened, until)
        if ends <= starts:
            raise FixConfiguration("decide.ends_first", until=until, starts=from_)
        if starts <= WallClock().now():
            raise AnswerIsNo("decide.too_late", starts_at=f"{starts.astimezone(ZoneInfo(opened.file.timezone)):%Y-%m-%d %H:%M}")
        terms: Reason = reason(code, starts_at=instant_text(starts), ends_at=instant_text(ends))
        taken = _take(opened, Asked(verb, subject, subject if verb == "slot" else "", terms, why), key)
    _say(verb, subject, taken, None, json_, lang)


def _instant(project: Project, given: str) -> datetime:
    from connectors.errors import FixConfiguration

    try:
        found = datetime.fromisoformat(given)
    except ValueError:
        raise FixConfiguration("decide.bad_instant", given=given) from None
    return (found if found.tzinfo else found.replace(tzinfo=ZoneInfo(project.file.timezone))).astimezone(UTC)


def _stop(verb: Any, index: str, why: str, key: Path | None, by: str, project: str | None, json_: bool, lang: str | None) -> None:
    with spoken(lang, json_):
        opened = open_project(project)
        opened.index(index)
        from connectors.errors import FixConfiguration
        from pipelines.clock import WallClock
        from pipelines.evidence.taking import Asked, stop

        if not why.strip():
            raise FixConfiguration("decide.no_why")
        if key is not None:
            taken = _take(opened, Asked(verb, index, index, None, why), key)
            at, actor = taken.row, taken.actor
        elif by.strip():
            clock = WallClock()
            at, actor = stop(opened, index, verb, why, by.strip(), clock.now(), clock.kind), by.strip()
        else:
            raise FixConfiguration("decide.unnamed")
    payload = {"verb": verb, "index": index, "row": at, "actor": actor, "signed": key is not None}
    emit("stopped", payload, json_, lambda: line("decide.stopped", lang, index=index, row=at))


def _say(verb: str, subject: str, taken: Taken, moved: Any, json_: bool, lang: str | None) -> None:
    promoted = moved.record.release if moved is not None and moved.record is not None else None
    payload = {
        "verb": verb,
        "subject": subject,
        "row": taken.row,
        "actor": taken.actor,
        "first": taken.first,
        "waits": taken.waits,
        "production": promoted,
    }

    def text() -> None:
        line("decide.signed", lang, actor=taken.actor, row=taken.row)
        if taken.first is not None:
            line("decide.agreed", lang, first=taken.first, actor=taken.actor)
        if taken.waits:
            line("decide.two_approvers" if verb == "excuse" else "decide.second_needed", lang)
        if moved is not None:
            params = dict(moved.why.params)
            if "eligibility" in params:
                params["eligibility"] = word(f"gate.eligibility.{params['eligibility']}", lang)
            line(moved.why.code, lang, **params)

    emit("decision", payload, json_, text)
