"""``fortnight serve``: MCP and HTTP retrieval as the asking person; development tokens for sandbox and staging."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.output import JsonOption, LangOption, ProjectOption, emit, line, open_project, row, spoken

if TYPE_CHECKING:
    from pipelines.clock import Clock
    from pipelines.project import Project
    from pipelines.serving.callers.tokens import Caller

app = typer.Typer(help="Answer agents and apps, as the person who asks, by MCP and HTTP.", invoke_without_command=True)
TOKEN_VARIABLE = "FORTNIGHT_TOKEN"
PORT = 8765


def proven(project: Project, clock: Clock) -> Caller | None:
    """Who stands behind this command, by the token in the environment; None where there is no token. Raises AnswerWithheld for one that proves
    nothing."""
    token = project.variables.get(TOKEN_VARIABLE, "")
    if not token:
        return None
    from pipelines.serving.callers.entrance import tokens_of

    return tokens_of(project).verify(token, clock.now())


@app.callback()
def serve(
    ctx: typer.Context,
    index: Annotated[str | None, typer.Option("--index", help="Default: the project's first index.", show_default=False)] = None,
    host: Annotated[str, typer.Option("--host", help="Address to listen at. Put TLS in front of anything but this machine.")] = "127.0.0.1",
    port: Annotated[int, typer.Option("--port", min=0, max=65535, help="0 takes any free one.")] = PORT,
    stdio: Annotated[bool, typer.Option("--stdio", help="MCP on standard input and output, as whom FORTNIGHT_TOKEN proves.")] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Answer agents and apps, as the person who asks, by MCP and HTTP, until interrupted."""
    if ctx.invoked_subcommand is not None:
        return
    with spoken(lang, json_):
        opened = open_project(project)
        from connectors.errors import FixConfiguration

        name = index or next(iter(opened.file.indexes), None)
        if name is None:
            raise FixConfiguration("serving.no_index", project=opened.name)
        opened.index(name)
        from pipelines.clock import WallClock
        from pipelines.serving.callers.entrance import tokens_of
        from pipelines.serving.doors.opening import BACKLOG, listen, reception_of, server_of

        tokens = tokens_of(opened)
        if stdio:
            import asyncio

            from pipelines.serving.doors.mcp import over_stdio

            token = opened.variables.get(TOKEN_VARIABLE, "")
            if not token:
                raise FixConfiguration("serving.no_token_variable", variable=TOKEN_VARIABLE)
            asyncio.run(over_stdio(reception_of(opened, name, WallClock()), tokens, token))
            return
        bound = listen(host, port)
        where = f"http://{f'[{host}]' if ':' in host else host}:{bound.getsockname()[1]}"
        url = opened.file.serving.url or where
        reception = reception_of(opened, name, WallClock())
        reception.warm()
        server = server_of(reception, tokens, url)
        # Before it is said that it serves: whoever reads that may connect.
        bound.listen(BACKLOG)
        payload = {"index": name, "url": where, "mcp": f"{where}/mcp", "openapi": f"{where}/openapi.json"}
        emit("serve", payload, json_, lambda: line("serving.started", lang, index=name, url=where))
        server.run(sockets=[bound])


@app.command()
def token(
    as_: Annotated[str, typer.Option("--as", help="Mail address of the person.")],
    minutes: Annotated[int, typer.Option("--minutes", min=1, max=1440, help="How long it is good.")] = 60,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Print a development token for a person (never in production)."""
    with spoken(lang, json_):
        opened = open_project(project)
        from datetime import timedelta

        from pipelines.clock import WallClock
        from pipelines.serving.callers.entrance import development_tokens

        now = WallClock().now()
        made = development_tokens(opened).issue(as_, now, timedelta(minutes=minutes))
        until = (now + timedelta(minutes=minutes)).isoformat()
    emit("token", {"token": made, "as": as_, "expires_at": until}, json_, lambda: row(made, indent=0))
