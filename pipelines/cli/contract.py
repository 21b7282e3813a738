"""``fortnight contract``: a stream's promise, and the live source held against it."""

from __future__ import annotations

from typing import Annotated, Any

import typer

from connectors.errors import FixConfiguration
from pipelines.cli.output import NO, JsonOption, LangOption, ProjectOption, cell, emit, line, open_project, row, spoken, word

app = typer.Typer(help="Contracts: show one, or diff it against the live source.", no_args_is_help=True)
StreamArgument = Annotated[str, typer.Argument(help="system/stream.")]


@app.command()
def show(stream: StreamArgument, project: ProjectOption = None, json_: JsonOption = False, lang: LangOption = None) -> None:
    """Print a contract as it was read."""
    with spoken(lang, json_):
        found = open_project(project).contract(stream)
    payload = {"contract": found.model_dump(mode="json", by_alias=True), "fingerprint": found.fingerprint()}

    def text() -> None:
        line("contract.shown", lang, stream=found.stream, version=found.version, fingerprint=found.fingerprint())
        for field in found.fields:
            row(cell(field.name, 28), cell(field.type, 22), field.source)

    emit("contract", payload, json_, text)


@app.command()
def diff(
    stream: StreamArgument,
    preview: Annotated[bool, typer.Option("--preview", help="What settings that are saved and not yet deployed would bring.")] = False,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Name every difference between the contract and the live source, and what moved at the source since the last pull. Exit 1 when there is one."""
    with spoken(lang, json_):
        opened = open_project(project)
        found = opened.contract(stream)
        from expectations.drift import ahead
        from pipelines.pull.compare import held_against, last_seen

        connector = opened.connect(found.system)
        try:
            if preview:
                look: Any = getattr(connector, "preview", None)
                if look is None:
                    raise FixConfiguration("contract.no_preview", stream=stream, kind=connector.kind)
                seen = look(found.told())
                drift = ahead(found, seen.live, seen.coming, live_rights=seen.live_rights, coming_rights=seen.coming_rights)
            else:
                drift = held_against(found, connector, last_seen(opened.root, stream))
        finally:
            connector.close()
    payload = {
        "stream": stream,
        "version": found.version,
        "changes": [
            {"kind": c.kind, "field": c.path, "label": c.label, "old": c.old, "new": c.new, "policy": c.policy, "reload": c.reload}
            for c in drift.changes
        ],
        # Empty where the stream can't be described as it is now.
        "fingerprint": drift.fingerprint,
    }
    # What a contract does not state can only be accepted by naming what was looked at.
    acceptable = drift.decisive and bool(drift.blocking) and drift.fingerprint not in ("", found.source.get("fingerprint"))

    def value(kind: str, given: str) -> str:
        """Required, optional and nillable are our words; everything else is the source's own."""
        return word(f"drift.value.{given}", lang) if kind == "required" and given else given or "·"

    def text() -> None:
        if not drift.changes:
            line("contract.nothing_ahead" if preview else "contract.as_promised", lang, stream=stream, version=found.version)
        for c in drift.changes:
            policy = word(f"drift.policy.{c.policy}", lang)
            row(cell(word(f"drift.kind.{c.kind}", lang), 9), f"{c.path}  {value(c.kind, c.old)} → {value(c.kind, c.new)}  ({policy})")
        if acceptable:
            line("contract.accept", lang, fingerprint=drift.fingerprint)

    emit("contract_diff", payload, json_, text)
    if drift.changes:
        raise typer.Exit(NO)
