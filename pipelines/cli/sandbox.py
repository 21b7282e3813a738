"""``fortnight sandbox``: the local kintone, ERP and SharePoint, up and down, their clock, and what can be broken in them."""

from __future__ import annotations

import re
from collections.abc import Generator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.output import NO, JsonOption, LangOption, ProjectOption, cell, emit, language, line, row, spoken, word

if TYPE_CHECKING:
    from connectors.errors import FixConfiguration

app = typer.Typer(help="The local, protocol-faithful kintone, ERP and SharePoint.", no_args_is_help=True)
PortOption = Annotated[int, typer.Option("--port", min=0, max=65520, help="First of seven ports on localhost; 0 takes any free ones.")]
SystemArgument = Annotated[str, typer.Argument(help="The system: kintone, erp or sharepoint.")]
_DURATION = re.compile(r"(?P<number>\d+(?:\.\d+)?)(?P<unit>[dhm]?)")
_MINUTES = {"": 1_440, "d": 1_440, "h": 60, "m": 1}


def home_of(project: str | None) -> Path:
    """Where a project's sandbox keeps its state."""
    from pipelines.cli.output import open_project

    return open_project(project).home / "sandbox"


def write_environment(project: str | None) -> None:
    """Put the sandbox's addresses and credentials where the project's ``env_file`` reads them."""
    from infra.sandbox import process
    from pipelines.cli.output import open_project

    opened = open_project(project)
    if opened.file.env_file:
        lines = [f"{name}={value}" for name, value in process.environment(opened.home / "sandbox").items()]
        target = opened.folder / opened.file.env_file
        target.touch(mode=0o600)
        target.write_text("# Written by `fortnight sandbox up`; for the sandbox only.\n" + "\n".join(lines) + "\n", encoding="utf-8")


@app.command()
def up(
    project: ProjectOption = None,
    port: PortOption = 18080,
    json_: Annotated[bool, typer.Option("--json", help="Print what is where as JSON.")] = False,
    lang: LangOption = None,
) -> None:
    """Start the three servers in the background (loopback only) and write the project's .env."""
    with _sandbox(lang, json_):
        from infra.sandbox import process

        home = home_of(project)
        process.up(home, base_port=port)
        write_environment(project)
        found = process.describe(home)

    def text() -> None:
        for name, address in (
            ("kintone", found["kintone"]["base_url"]),
            ("ERP", found["erp"]["wsdl"]),
            ("", found["erp"]["hanbai"]["wsdl"]),
            ("", found["erp"]["zumen"]["wsdl"]),
            ("SharePoint", found["sharepoint"]["graph"]),
        ):
            row(cell(name, 11), address, indent=0)

    emit("sandbox_addresses", found, json_, text)


@app.command()
def status(project: ProjectOption = None, json_: JsonOption = False, lang: LangOption = None) -> None:
    """Say which servers run, where, and what time it is there. Exit 1 when any of them does not answer."""
    with _sandbox(lang, json_):
        from infra.sandbox import process

        running = process.status(home_of(project))
        servers = [
            {"name": one.name, "http": f"http://localhost:{one.http_port}", "https": f"https://localhost:{one.https_port}"}
            for one in (running.servers if running else ())
        ]
        now = str(process.control(home_of(project), "clock", {})["now"]) if running else None

    def text() -> None:
        for one in servers:
            row(cell(one["name"], 11), one["https"], one["http"], indent=0)
        if now is None:
            line("sandbox.is_down", lang)
        else:
            row(cell(word("sandbox.clock", lang), 11), now, indent=0)

    emit("sandbox", {"running": running is not None, "now": now, "servers": servers}, json_, text)
    if running is None:
        raise typer.Exit(NO)


@app.command()
def down(project: ProjectOption = None, json_: JsonOption = False, lang: LangOption = None) -> None:
    """Stop the servers. Saying it twice does no harm."""
    with _sandbox(lang, json_):
        from infra.sandbox import process

        process.down(home_of(project))
    emit("sandbox_down", {"running": False}, json_, lambda: line("sandbox.stopped", lang))


@app.command()
def advance(
    duration: Annotated[str, typer.Argument(help="How far to move the clock forward: 2 or 2d (days), 3h, 90m.")],
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Let the company live some days: orders come in, documents change. Says what time it is there afterwards."""
    with _sandbox(lang, json_):
        from infra.sandbox import process

        now = process.advance(home_of(project), _minutes(duration) / 1_440)
    emit("sandbox_clock", {"now": now.isoformat()}, json_, lambda: line("sandbox.now", lang, now=now.isoformat(timespec="seconds")))


@app.command("break")
def break_(
    system: SystemArgument,
    name: Annotated[str | None, typer.Argument(help="What to break; without it, everything that can be broken is listed.")] = None,
    target: Annotated[str | None, typer.Option("--app", help="The app's code or id; default: ORDERS.")] = None,
    service: Annotated[str | None, typer.Option("--service", help="One of the ERP's services: SakuraErp, hanbai or zumen.")] = None,
    site: Annotated[str | None, typer.Option("--site", help="A site of SharePoint: quality or jinji.")] = None,
    list_: Annotated[str | None, typer.Option("--list", help="A SharePoint list's title.")] = None,
    item: Annotated[str | None, typer.Option("--item", help="A file or folder, as a path from its library's title on.")] = None,
    group: Annotated[str | None, typer.Option("--group", help="A site's group by title, or an Entra group by code.")] = None,
    field: Annotated[str | None, typer.Option("--field", help="A field's code, an element's or a column's name.")] = None,
    option: Annotated[str | None, typer.Option("--option", help="An option of the field, a state, or an enumeration's value.")] = None,
    to: Annotated[str | None, typer.Option("--to", help="The new code or name, or the folder to move to.")] = None,
    kind: Annotated[str | None, typer.Option("--kind", help="The new field's type; for maintenance, 503 or 502.")] = None,
    login: Annotated[str | None, typer.Option("--login", help="A user's login.")] = None,
    identity: Annotated[int | None, typer.Option("--id", min=1, help="The new id of an app, or the space to move it to.")] = None,
    count: Annotated[int | None, typer.Option("--count", min=1, help="How many requests or records.")] = None,
    skip: Annotated[int | None, typer.Option("--skip", min=0, help="How many requests go by first.")] = None,
    bytes_: Annotated[
        int | None, typer.Option("--bytes", min=0, help="After how many bytes an answer is cut, or how many come at a time.")
    ] = None,
    milliseconds: Annotated[
        int | None, typer.Option("--ms", min=0, help="How long every answer, or the next few bytes of it, waits.")
    ] = None,
    minutes: Annotated[float | None, typer.Option("--minutes", min=0, help="After how long late records are seen.")] = None,
    path: Annotated[str | None, typer.Option("--path", help="Only requests whose path holds this.")] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Break something in the sandbox's kintone, ERP or SharePoint, as an owner, an administrator or the network would; or list what there is."""
    with _sandbox(lang, json_):
        _known(system)
        home = home_of(project)
        if name is None:
            return _list(home, system, json_, lang)
        given: dict[str, Any] = {
            "app": target,
            "service": service,
            "site": site,
            "list": list_,
            "item": item,
            "group": group,
            "field": field,
            "option": option,
            "to": to,
            "kind" if name == "maintenance" else "type": kind,
            "login": login,
            "space" if name == "move-app" else "id": identity,
            "count": count,
            "skip": skip,
            "bytes": bytes_,
            "milliseconds": milliseconds,
            "minutes": minutes,
            "path": path,
        }
        _existing(home, system, name)
        from infra.sandbox import process

        body = {"name": name} | {key: value for key, value in given.items() if value is not None}
        done = process.control(home, "break", body, server=system)
    facts = {key: value for key, value in done.items() if key not in ("name", "healable")}

    def text() -> None:
        line("sandbox.broken", lang, system=system, name=name)
        for key, value in facts.items():
            row(cell(key, 12), str(value))
        line("sandbox.heal_with" if done["healable"] else "sandbox.not_healable", lang, system=system, name=name)

    emit("sandbox_break", {"system": system, "name": name, "healable": done["healable"], "facts": facts}, json_, text)


@app.command()
def heal(
    system: Annotated[
        str | None, typer.Argument(help="The system: kintone, erp or sharepoint; without it, faults of all are taken away.")
    ] = None,
    name: Annotated[str | None, typer.Argument(help="One break; without it, all of them.")] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Take faults away and undo what `break` did, where it can be undone: the newest first."""
    with _sandbox(lang, json_):
        from infra.sandbox import process

        if system is not None:
            _known(system)
        home = home_of(project)
        running = {one.name for one in (process.status(home) or _not_running(home)).servers}
        if system is not None and name is not None:
            _existing(home, system, name)
        healed: list[str] = []
        codes: list[dict[str, str]] = []
        for server in sorted(running if system is None else {system}):
            answer = process.control(home, "heal", {} if name is None else {"name": name}, server=server)
            healed += [str(one) for one in answer.get("healed", ())]
            # Faults without a name are counted.
            healed += [f"{server} ({answer['unmet']})"] if answer.get("unmet") else []
            codes += answer.get("codes") or ()

    def text() -> None:
        line("sandbox.healed" if healed else "sandbox.healthy", lang, names=", ".join(healed))
        for one in codes:
            line("sandbox.code_set_again", lang, app=one["app"], code=one["code"])

    emit("sandbox_heal", {"healed": healed}, json_, text)


def _known_breaks(home: Path, system: str) -> list[dict[str, str]]:
    from infra.sandbox import process

    return process.control(home, "breaks", {}, server=system)["breaks"]


def _existing(home: Path, system: str, name: str) -> None:
    from connectors.errors import FixConfiguration

    if name not in [one["name"] for one in _known_breaks(home, system)]:
        raise FixConfiguration("sandbox.no_such_break", system=system, name=name)


def _list(home: Path, system: str, json_: bool, lang: str | None) -> None:
    from pipelines.cli.breaks import OPTIONS

    known = _known_breaks(home, system)

    def text() -> None:
        for one in known:
            options = " ".join(OPTIONS[system].get(one["name"], ()))
            row(cell(one["name"], 20), one[language(lang)], f" [{options}]" if options else "", indent=0)

    emit("sandbox_breaks", {"system": system, "breaks": known}, json_, text)


def _minutes(duration: str) -> float:
    from connectors.errors import FixConfiguration

    match = _DURATION.fullmatch(duration.strip())
    if match is None:
        raise FixConfiguration("sandbox.bad_duration", duration=duration)
    return float(match["number"]) * _MINUTES[match["unit"]]


def _known(system: str) -> None:
    from connectors.errors import FixConfiguration
    from pipelines.cli.breaks import OPTIONS

    if system not in OPTIONS:
        raise FixConfiguration("sandbox.no_breaks", system=system)


def _not_running(home: Path) -> Any:
    from infra.sandbox import process

    raise process.SandboxError(str(home), code="not_running", home=home)


@contextmanager
def _sandbox(lang: str | None, json_: bool) -> Generator[None]:
    """What the sandbox refuses is a foreseen error like any other."""
    from infra.sandbox import process

    with spoken(lang, json_):
        try:
            yield
        except process.SandboxError as error:
            raise _said(error) from None


def _said(error: Any) -> FixConfiguration:
    from connectors.errors import FixConfiguration

    facts = {name: str(value) for name, value in error.facts.items()}
    if error.code == "port_taken":
        return FixConfiguration("sandbox.port_taken", port=facts["port"])
    if error.code == "not_running":
        return FixConfiguration("sandbox.not_running", home=facts["home"])
    if error.code == "without":
        return FixConfiguration("sandbox.without", system=facts["server"])
    if error.code == "refused":
        return FixConfiguration("sandbox.refused", verb=facts["verb"], server=facts["server"], reason=facts["reason"].rstrip("."))
    return FixConfiguration("sandbox.not_up", reason=str(error).rstrip("."))
