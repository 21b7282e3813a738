"""``fortnight doctor``: proves addresses, credentials and rights of every system before anything is pulled."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from pipelines.cli.output import JsonOption, LangOption, ProjectOption, emit, language, open_project, spoken


def doctor(
    system: Annotated[str | None, typer.Argument(help="Only this system.", show_default=False)] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Check each system's address, credentials and rights, and every contract file. The exit code is that of the worst finding."""
    from connectors.errors import FortnightError

    with spoken(lang, json_):
        opened = open_project(project)
        names = [system] if system else list(opened.file.systems)
        found: list[dict[str, Any]] = [
            {"subject": f"contract {stream}", "ok": False, "found": error.say(language(lang)), "exit": error.exit_code}
            for stream, error in opened.broken.items()
        ]
        for name in names:
            try:
                connector = opened.connect(name)
                try:
                    health = connector.check()
                finally:
                    connector.close()
            except FortnightError as error:
                found.append({"subject": name, "ok": False, "found": error.say(language(lang)), "exit": error.exit_code})
                continue
            found += [{"subject": f"{name}: {probe}", "ok": ok, "found": said, "exit": 0 if ok else 1} for probe, ok, said in health.probes]
    worst = max((entry["exit"] for entry in found), default=0)

    def text() -> None:
        for entry in found:
            typer.echo(f"  {'ok  ' if entry['ok'] else 'FAIL'} {entry['subject']:<36} {entry['found']}")

    emit("doctor", {"findings": found, "ok": worst == 0}, json_, text)
    raise typer.Exit(worst)
