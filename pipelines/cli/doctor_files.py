"""What ``fortnight doctor`` finds in the project's own files, without asking any source: people, runbooks, and what alerts are sent with."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pipelines.cli.output import NO

if TYPE_CHECKING:
    from pipelines.cli.doctor import Finding
    from pipelines.project import Project


def own_files(project: Project) -> list[Finding]:
    """What stands in the way in people.yaml, in ``streams`` and ``runbook`` of an index, and in ``alerts``; of channels also, whether alerts arrive."""
    return _people(project) + _streams(project) + _runbooks(project) + _channels(project)


def _people(project: Project) -> list[Finding]:
    """People who cannot be read can sign nothing, and that is too late to learn when somebody wants to."""
    from connectors.errors import FixConfiguration
    from connectors.messages import Said
    from pipelines.cli.doctor import Finding
    from pipelines.people import FILE, read_people

    try:
        read_people(project.folder)
    except FixConfiguration as error:
        return [Finding(FILE, False, Said(error.say, error.code), error.exit_code)]
    return []


def _streams(project: Project) -> list[Finding]:
    from connectors.messages import Said
    from pipelines.cli.doctor import Finding

    return [
        Finding(f"indexes.{wrong.params['index']}.streams", False, Said(wrong.say, wrong.code), wrong.exit_code)
        for wrong in project.misnamed_streams()
    ]


def _runbooks(project: Project) -> list[Finding]:
    from connectors.messages import told
    from pipelines.cli.doctor import Finding
    from pipelines.evidence.declared import is_address

    return [
        Finding(f"indexes.{name}.runbook", False, told("doctor.runbook_address", address=index.runbook), NO)
        for name, index in project.file.indexes.items()
        if is_address(index.runbook)
    ]


def _channels(project: Project) -> list[Finding]:
    """Whether each channel has what it sends with, and whether alerts arrive. A channel that is down never fails a run, so it has to be said here."""
    from connectors.errors import FixConfiguration
    from connectors.messages import Said, told
    from pipelines.cli.doctor import Finding, has_storage
    from pipelines.landing.storing import storing
    from pipelines.reports.channels import ready
    from pipelines.reports.outbox import health

    found: list[Finding] = []
    unready: set[str] = set()
    for name, channel in project.file.alerts.channels.items():
        try:
            ready(project, name, channel)
        except FixConfiguration as error:
            unready.add(name)
            found.append(Finding(told("doctor.alerts", channel=name), False, Said(error.say, error.code), error.exit_code))
    if len(unready) == len(project.file.alerts.channels) or not has_storage(project):
        return found
    with storing(project.root):
        states = [one for one in health(project) if one[0] not in unready]
    return found + [Finding(told("doctor.alerts", channel=name), ok, said, 0 if ok else NO) for name, ok, said in states]
