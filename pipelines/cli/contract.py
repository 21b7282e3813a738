"""``fortnight contract``: a stream's promise, and the live source held against it."""

from __future__ import annotations

from typing import Annotated

import typer

from pipelines.cli.output import NO, JsonOption, LangOption, ProjectOption, emit, open_project, spoken

app = typer.Typer(help="Contracts: show one, or diff it against the live source.", no_args_is_help=True)
StreamArgument = Annotated[str, typer.Argument(help="system/stream.")]


@app.command()
def show(stream: StreamArgument, project: ProjectOption = None, json_: JsonOption = False, lang: LangOption = None) -> None:
    """Print a contract as it was read."""
    with spoken(lang, json_):
        found = open_project(project).contract(stream)
    payload = {"contract": found.model_dump(mode="json", by_alias=True), "fingerprint": found.fingerprint()}

    def text() -> None:
        typer.echo(f"{found.stream} version {found.version}  {found.fingerprint()}")
        for field in found.fields:
            typer.echo(f"  {field.name:<28} {field.type:<22} {field.source}")

    emit("contract", payload, json_, text)


@app.command()
def diff(stream: StreamArgument, project: ProjectOption = None, json_: JsonOption = False, lang: LangOption = None) -> None:
    """Name every difference between the contract and the live source. Exit 1 when there is one."""
    with spoken(lang, json_):
        opened = open_project(project)
        found = opened.contract(stream)
        from expectations.drift import compare

        connector = opened.connect(found.system)
        try:
            drift = compare(found, connector.describe(found.told()))
        finally:
            connector.close()
    payload = {
        "stream": stream,
        "version": found.version,
        "changes": [
            {"kind": c.kind, "field": c.path, "label": c.label, "old": c.old, "new": c.new, "policy": c.policy} for c in drift.changes
        ],
    }

    def text() -> None:
        if not drift.changes:
            typer.echo(f"{stream}: the live source is as contract version {found.version} says")
        for c in drift.changes:
            typer.echo(f"  {c.kind:<9} {c.path}  {c.old or '·'} → {c.new or '·'}  ({c.policy})")

    emit("contract_diff", payload, json_, text)
    if drift.changes:
        raise typer.Exit(NO)
