"""``fortnight sandbox``: the local kintone, ERP and SharePoint, up and down, and their clock."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Annotated

import typer

from pipelines.cli.output import NO, USAGE, JsonOption, ProjectOption

app = typer.Typer(help="The local, protocol-faithful kintone, ERP and SharePoint.", no_args_is_help=True)
PortOption = Annotated[int, typer.Option("--port", min=0, max=65530, help="First of six ports on localhost; 0 takes any free ones.")]


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
) -> None:
    """Start the three servers in the background (loopback only) and write the project's .env."""
    from pipelines.cli.output import spoken

    with spoken(None, json_):
        from infra.sandbox import process

        home = home_of(project)
        try:
            process.up(home, base_port=port)
        except process.SandboxError as error:
            if json_:
                typer.echo(json.dumps({"schema": "fortnight.error/1", "code": "sandbox.not_up", "message": str(error)}, ensure_ascii=False))
            else:
                typer.echo(str(error), err=True)
            raise typer.Exit(USAGE) from None
        write_environment(project)
        found = process.describe(home)
        if json_:
            typer.echo(json.dumps({"schema": "fortnight.sandbox_addresses/1", **found}, ensure_ascii=False))
        else:
            typer.echo(
                f"kintone     {found['kintone']['base_url']}\nERP         {found['erp']['wsdl']}\nSharePoint  {found['sharepoint']['graph']}"
            )


@app.command()
def status(project: ProjectOption = None, json_: JsonOption = False) -> None:
    """Say which servers run, where, and what time it is there. Exit 1 when any of them does not answer."""
    from pipelines.cli.output import spoken

    with spoken(None, json_):
        from infra.sandbox import process

        running = process.status(home_of(project))
        servers = [
            {"name": one.name, "http": f"http://localhost:{one.http_port}", "https": f"https://localhost:{one.https_port}"}
            for one in (running.servers if running else ())
        ]
        now = str(process.control(home_of(project), "clock", {})["now"]) if running else None
        if json_:
            typer.echo(json.dumps({"schema": "fortnight.sandbox/1", "running": running is not None, "now": now, "servers": servers}))
        else:
            lines = [f"{one['name']:<12}{one['https']}  {one['http']}" for one in servers] + ([f"{'clock':<12}{now}"] if now else [])
            typer.echo("\n".join(lines) or "the sandbox is not running; start it with `fortnight sandbox up`")
        if running is None:
            raise typer.Exit(NO)


@app.command()
def down(project: ProjectOption = None) -> None:
    """Stop the servers. Saying it twice does no harm."""
    from pipelines.cli.output import spoken

    with spoken():
        from infra.sandbox import process

        process.down(home_of(project))
        typer.echo("the sandbox is stopped")


@app.command()
def advance(
    days: Annotated[float, typer.Argument(help="Days to move the sandbox's clock forward.")],
    project: ProjectOption = None,
    json_: JsonOption = False,
) -> None:
    """Let the company live some days: orders come in, documents change. Says what time it is there afterwards."""
    from pipelines.cli.output import emit, spoken

    with spoken(None, json_):
        from infra.sandbox import process

        try:
            now = process.advance(home_of(project), days)
        except process.SandboxError as error:
            typer.echo(str(error), err=True)
            raise typer.Exit(USAGE) from None
        emit("sandbox_clock", {"now": now.isoformat()}, json_, lambda: typer.echo(now.isoformat()))
