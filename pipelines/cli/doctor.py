"""``fortnight doctor``: proves addresses, credentials and rights of every system before anything is pulled."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.output import NO, JsonOption, LangOption, ProjectOption, cell, emit, mark, open_project, row, shown, spoken

if TYPE_CHECKING:
    from connectors.capabilities import Examines, Previews
    from connectors.protocol import Connector
    from expectations.contract import Contract
    from pipelines.project import Project


@dataclass(frozen=True)
class Finding:
    """What was looked at, whether it is well, what was found, and the exit code it asks for. Both texts may be ``Said``."""

    subject: str
    ok: bool
    found: str
    exit: int


def doctor(
    system: Annotated[str | None, typer.Argument(help="Only this system.", show_default=False)] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Check each system's address, credentials and rights, and every contract file. The exit code is that of the worst finding."""
    from connectors.capabilities import Examines, Identifies
    from connectors.errors import FortnightError
    from connectors.messages import Said, joined, told
    from pipelines.cli.doctor_files import own_files

    with spoken(lang, json_):
        opened = open_project(project)
        found = [
            Finding(told("doctor.contract", stream=stream), False, Said(error.say, error.code), error.exit_code)
            for stream, error in opened.broken.items()
        ]
        for name in [system] if system else list(opened.file.systems):
            try:
                connector = opened.connect(name)
                try:
                    health = connector.check()
                    probed = [Finding(_subject(name, probe), ok, said, 0 if ok else _asked(said)) for probe, ok, said in health.probes]
                    found += probed
                    examined = isinstance(connector, Examines | Identifies)
                    streams = [one for one in opened.contracts.values() if one.system == name] if examined else []
                    if health.ok and isinstance(connector, Examines | Identifies):
                        found += [_looked_at(opened, connector, one) for one in streams]
                    elif streams:
                        skipped = told("doctor.not_examined", streams=joined(one.stream for one in streams))
                        worst_probe = max((one.exit for one in probed), default=NO)
                        found.append(Finding(_subject(name, told("doctor.streams")), False, skipped, worst_probe))
                    if health.ok:
                        found += _told(opened, name, connector)
                finally:
                    connector.close()
            except FortnightError as error:
                found.append(Finding(name, False, Said(error.say, error.code), error.exit_code))
        found += stored(opened, system) + ([] if system else closed_days(opened) + evidence(opened) + own_files(opened))
    worst = max((one.exit for one in found), default=0)
    payload = {
        "findings": [
            {
                "subject": one.subject,
                "ok": one.ok,
                "code": one.found.code or None if isinstance(one.found, Said) else None,
                "found": shown(one.found, lang),
                "exit": one.exit,
            }
            for one in found
        ],
        "ok": worst == 0,
    }

    def text() -> None:
        for one in found:
            row(mark("ok" if one.ok else "fail", lang), cell(shown(one.subject, lang), 36), shown(one.found, lang))

    emit("doctor", payload, json_, text)
    raise typer.Exit(worst)


def closed_days(project: Project) -> list[Finding]:
    """Whether the table of closed days, where streams keep business days, ends within a year; it fails once it has ended, and where there is none."""
    from connectors.messages import told
    from pipelines.clock import WallClock
    from pipelines.evidence.frozen import FILE, ending
    from pipelines.evidence.plan import cadence_of, closed_of, today_of

    if not any(cadence_of(project, stream).days == "jp_business" for stream in project.contracts):
        return []
    today = today_of(project, WallClock().now())
    closed = closed_of(project)
    if closed is None:
        return [Finding(FILE, False, told("gate.not_frozen", years=f"{today.year}-{today.year + 1}"), NO)]
    ends = ending(closed, today)
    if ends is None:
        return []
    still = ends.params["next"] != today.year
    return [Finding(FILE, still, told(ends.code, **ends.params), 0 if still else NO)]


def evidence(project: Project) -> list[Finding]:
    """Whether the ledger can be read, every file of it, and holds as far as the gate builds on it; nothing where it does, or nothing is there yet."""
    from connectors.messages import Said
    from pipelines.evidence.errors import LedgerBroken
    from pipelines.evidence.plan import book_of, ledger_of

    try:
        wrong = ledger_of(project).damaged()
        if wrong is None:
            book_of(project)
    except LedgerBroken as error:
        wrong = error
    return [] if wrong is None else [Finding("evidence/ledger", False, Said(wrong.say, wrong.code), wrong.exit_code)]


def has_storage(project: Project) -> bool:
    """Whether there is a storage to look into; one on another machine is taken to be there."""
    from pathlib import Path

    return "://" in project.root or Path(project.root).is_dir()


def stored(project: Project, system: str | None = None) -> list[Finding]:
    """What lies in the storage and was written by no pull, and contracts that say something else than rows were published under and wait for
    people; nothing where all is ours, or nothing is there yet.
    """
    from connectors.messages import told
    from pipelines.landing.provenance import stray_blobs
    from pipelines.landing.storing import storing
    from pipelines.landing.warehouse import Warehouse

    if not has_storage(project):
        return []
    with storing(project.root):
        blobs = stray_blobs(Warehouse(project.root).store)
    found = [Finding("blobs", False, told("landing.stray_file", place=place, at=at), NO) for place, at in blobs]
    return found + [
        one for stream in project.contracts if system in (None, stream.partition("/")[0]) for one in _of_stream(project, stream)
    ]


def _of_stream(project: Project, stream: str) -> list[Finding]:
    from connectors.errors import FortnightError
    from connectors.messages import Said
    from pipelines.index.books import whole
    from pipelines.landing.snapshot import snapshot
    from pipelines.landing.storing import storing
    from pipelines.landing.warehouse import Warehouse
    from pipelines.pull.promise import waiting

    try:
        with storing(project.root):
            warehouse = Warehouse(project.root)
            if (waits := waiting(warehouse, project.contract(stream))) is not None:
                return [Finding(stream, False, Said(waits.say, waits.code), waits.exit_code)]
            pin = snapshot(warehouse, stream)
            if pin is not None:
                return [Finding(stream, False, one, NO) for one in whole(pin)]
            warehouse.untouched(stream)
            return []
    except FortnightError as error:
        return [Finding(stream, False, Said(error.say, error.code), error.exit_code)]


def _looked_at(project: Project, connector: Connector, contract: Contract) -> Finding:
    """What is another at the source than it was, and, where a pull goes on all the same, what it would meet now and soon."""
    from connectors.capabilities import Examines, Identifies, Previews
    from connectors.messages import Said, joined

    compared = _compared(project, connector, contract) if isinstance(connector, Identifies) else None
    if compared is not None and (not compared.ok or not isinstance(connector, Examines)):
        return compared
    assert isinstance(connector, Examines)
    examined = _examined(connector, contract)
    soon = _prepared(connector, contract) if examined.ok and isinstance(connector, Previews) else ""
    if soon:
        examined = Finding(contract.stream, True, joined((examined.found, soon), "; "), 0)
    if compared is None or not examined.ok:
        return examined
    both = joined((compared.found, examined.found), "; ")
    return Finding(contract.stream, True, Said(both.say, compared.found.code if isinstance(compared.found, Said) else ""), 0)


def _examined(connector: Examines, contract: Contract) -> Finding:
    """What a pull of this stream would meet."""
    from connectors.errors import FortnightError
    from connectors.messages import Said

    try:
        return Finding(contract.stream, True, connector.examine(contract.told()), 0)
    except FortnightError as error:
        return Finding(contract.stream, False, Said(error.say, error.code), error.exit_code)


def _prepared(connector: Previews, contract: Contract) -> str:
    """What waits at the source to be put in force and will touch the contract then; empty where nothing does."""
    from connectors.errors import AccessRefused, FortnightError
    from connectors.messages import Said, told
    from pipelines.pull.compare import in_words, prepared

    try:
        drift = prepared(contract, connector)
    except AccessRefused as error:
        return told("doctor.ahead_closed", code=error.code)
    except FortnightError as error:
        return Said(error.say, error.code)
    if not drift.changes:
        return ""
    return told("doctor.ahead_stops" if drift.blocking else "doctor.ahead", changes=in_words(drift.changes, now=True))


def _compared(project: Project, connector: Connector, contract: Contract) -> Finding:
    """What is another at the source than the contract says, or than it was at the last pull."""
    from connectors.errors import FortnightError
    from connectors.messages import Said, told
    from pipelines.pull.compare import held_against, in_words, last_seen

    try:
        drift = held_against(contract, connector, last_seen(project.root, contract.stream))
    except FortnightError as error:
        return Finding(contract.stream, False, Said(error.say, error.code), error.exit_code)
    found = in_words(drift.changes, now=True, first=drift.first) if drift.changes else told("check.drift_none")
    return Finding(contract.stream, not drift.blocking, found, NO if drift.blocking else 0)


def _told(project: Project, system: str, connector: Connector) -> list[Finding]:
    """Whether the source tells our receiver of each stream's changes, where the project says that it shall."""
    from connectors.capabilities import Subscribes
    from connectors.errors import FortnightError
    from connectors.messages import Said, told
    from pipelines.pull.subscribing import standing, subscribing

    if system not in subscribing(project) or not isinstance(connector, Subscribes):
        return []
    try:
        return [
            Finding(told("doctor.told", stream=one.stream), True, told("doctor.told_until", until=f"{one.until:%Y-%m-%d %H:%M}Z"), 0)
            if one.until
            else Finding(told("doctor.told", stream=one.stream), False, told("doctor.told_by_nobody", system=system.replace("-", "_")), NO)
            for one in standing(project, system, connector)
        ]
    except FortnightError as error:
        return [Finding(told("doctor.told", stream=system), False, Said(error.say, error.code), error.exit_code)]


def _asked(said: str) -> int:
    """The exit code a failed probe asks for: that of the error it met; where it met none, what was found is the answer, and it is no."""
    from connectors.messages import Said

    return (said.exit if isinstance(said, Said) else 0) or NO


def _subject(system: str, probe: str) -> str:
    from connectors.messages import Said, retold

    return Said(lambda lang: f"{system}: {retold(probe, lang)}")
