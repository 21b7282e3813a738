"""``fortnight contract``: a stream's promise, the live source held against it, and a person's yes to what changed."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from connectors.errors import FixConfiguration
from pipelines.cli.output import NO, JsonOption, LangOption, ProjectOption, cell, emit, language, line, open_project, row, spoken, word

if TYPE_CHECKING:
    from collections.abc import Sequence

    from expectations.changes import Change
    from expectations.versions import Difference
    from pipelines.consumers import Use

app = typer.Typer(help="Contracts: show one, diff it against the live source, accept what changed.", no_args_is_help=True)
StreamArgument = Annotated[str, typer.Argument(help="system/stream.")]


@app.command()
def show(stream: StreamArgument, project: ProjectOption = None, json_: JsonOption = False, lang: LangOption = None) -> None:
    """Print a contract as it was read, how much of it is described, and which indexes rely on it."""
    with spoken(lang, json_):
        opened = open_project(project)
        found = opened.contract(stream)
        from pipelines.consumers import uses

        used = uses(opened, found, [field.name for field in found.fields])
    told = found.described()
    payload = {
        "contract": found.model_dump(mode="json", by_alias=True),
        "fingerprint": found.fingerprint(),
        "described": {
            "score": round(told.score, 3),
            "fields": told.fields,
            "described": told.described,
            "numbers": told.numbers,
            "with_unit": told.with_unit,
            "owners": told.owners,
        },
        "consumers": _consumers(used),
    }

    def text() -> None:
        line("contract.shown", lang, stream=found.stream, version=found.version, fingerprint=found.fingerprint())
        for field in found.fields:
            row(cell(field.name, 28), cell(field.type, 22), field.source)
        line(
            "contract.described",
            lang,
            score=f"{told.score:.0%}",
            described=told.described,
            fields=told.fields,
            with_unit=told.with_unit,
            numbers=told.numbers,
            owners=told.owners,
        )
        _price(used, lang)

    emit("contract", payload, json_, text)


@app.command()
def diff(
    stream: StreamArgument,
    preview: Annotated[bool, typer.Option("--preview", help="What settings that are saved and not yet deployed would bring.")] = False,
    page: Annotated[Path | None, typer.Option("--page", help="Write a page for the owner of the source, in both languages.")] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Name every difference between the contract and the live source, what moved at the source since the last pull, and who relies on it.

    Exit 1 when there is one.
    """
    with spoken(lang, json_):
        opened = open_project(project)
        found = opened.contract(stream)
        from connectors.capabilities import Attributes, Previews
        from pipelines.consumers import columns_of, uses
        from pipelines.landing.warehouse import Warehouse
        from pipelines.pull.compare import held_against, last_seen, prepared
        from pipelines.pull.promise import waiting
        from pipelines.pull.rename import renames

        connector = opened.connect(found.system)
        try:
            if preview:
                if not isinstance(connector, Previews):
                    raise FixConfiguration("contract.no_preview", stream=stream, kind=connector.kind)
                drift = prepared(found, connector)
            else:
                drift = held_against(found, connector, last_seen(opened.root, stream))
            guessed = renames(opened, found, connector, drift) if drift.fingerprint and not preview else ()
            by = connector.deployed(found.told()) if drift.changes and drift.fingerprint and isinstance(connector, Attributes) else None
        finally:
            connector.close()
        used = uses(opened, found, columns_of(found, drift.changes))
        waits = waiting(Warehouse(opened.root), found)
        if page is not None:
            from pipelines.clock import WallClock
            from pipelines.reports.drift_page import render, save

            record = Warehouse(opened.root).published(stream)
            save(page, render(opened, found, drift, used, by, record, WallClock().now(), preview=preview))
    payload = {
        "stream": stream,
        "version": found.version,
        "changes": [
            {
                "kind": c.kind,
                "field": c.path,
                "label": c.label,
                "old": c.old,
                "new": c.new,
                "policy": c.policy,
                "reload": c.reload,
                "effect": c.effect,
            }
            for c in drift.changes
        ],
        # Why no pull lands under the contract as it stands, whatever the source says.
        "waits": {"code": waits.code, "message": waits.say(language(lang))} if waits else None,
        # Empty where the stream can't be described as it is now.
        "fingerprint": drift.fingerprint,
        "renames": [{"old": one.old, "new": one.new, "same": one.same, "rows": one.rows} for one in guessed],
        "consumers": _consumers(used),
        "deployed": {"by": by.by, "at": by.at.isoformat()} if by else None,
    }

    def text() -> None:
        if waits:
            row(waits.say(language(lang)), indent=0)
        elif not drift.changes:
            line("contract.nothing_ahead" if preview else "contract.as_promised", lang, stream=stream, version=found.version)
        _changes(drift.changes, lang)
        for one in guessed:
            line("contract.perhaps_renamed", lang, old=one.old, new=one.new, same=one.same, rows=one.rows)
        if by:
            line("contract.deployed", lang, by=by.by, at=by.at.astimezone().strftime("%Y-%m-%d %H:%M %Z"))
        _price(used if drift.changes else (), lang)
        if drift.blocking and drift.fingerprint and not preview:
            line("contract.accept", lang, stream=stream)
        if page is not None:
            line("contract.page", lang, path=page)

    emit("contract_diff", payload, json_, text)
    if drift.changes or waits:
        raise typer.Exit(NO)


@app.command()
def accept(
    stream: StreamArgument,
    by: Annotated[str, typer.Option("--by", help="Who accepts: a name or a mail address.")],
    why: Annotated[str, typer.Option("--why", help="The reason, as it will stand in the contract.")] = "",
    take: Annotated[
        list[str] | None,
        typer.Option("--take", help="A new field to read from now on: SOURCE or SOURCE=name. Others are left out by name."),
    ] = None,
    rename: Annotated[
        list[str] | None, typer.Option("--rename", help="OLD=NEW: a field that is gone became this new one; its column keeps its name.")
    ] = None,
    project: ProjectOption = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Write the contract's next version as the source is now. What breaks its readers needs a second person, who runs the same command."""
    with spoken(lang, json_):
        from zoneinfo import ZoneInfo

        from pipelines.clock import WallClock
        from pipelines.pull.accept import Asked, accept
        from pipelines.pull.compare import compare_schema, last_seen

        opened = open_project(project)
        found = opened.contract(stream)
        if not by.strip():
            raise FixConfiguration("contract.no_name", stream=stream)
        today = WallClock().now().astimezone(ZoneInfo(opened.file.timezone)).date()
        wanted, became = ({source: name for source, _, name in (one.partition("=") for one in given or ())} for given in (take, rename))
        connector = opened.connect(found.system)
        try:
            live, since = connector.describe(found.told()), last_seen(opened.root, stream)
        finally:
            connector.close()
        drift, _ = compare_schema(found, live, since)
        done = accept(opened, found, live, drift, since, Asked(by.strip(), today, why.strip(), wanted, became))
    payload = {
        "stream": stream,
        "version": done.contract.version if done else found.version,
        "written": done is not None,
        "second": done.second if done else False,
        "differences": [{"place": d.place, "old": d.old, "new": d.new, "effect": d.effect} for d in done.differences] if done else [],
    }

    def text() -> None:
        if done is None:
            line("contract.nothing_to_accept", lang, stream=stream, version=found.version)
            return
        _differences(done.differences, lang)
        line("contract.accepted", lang, stream=stream, version=done.contract.version, by=by.strip())
        if done.second:
            line("contract.second_needed", lang, stream=stream)

    emit("contract_accept", payload, json_, text)


@app.command()
def schema(json_: JsonOption = False, lang: LangOption = None) -> None:
    """Print the JSON Schema of a contract's file, by which an editor completes and checks it while it is written."""
    with spoken(lang, json_):
        import json

        from expectations.contract import Contract

        found = Contract.model_json_schema(by_alias=True)
    told = {**found, "$schema": "https://json-schema.org/draft/2020-12/schema", "title": "contracts/<system>/<stream>.yaml"}
    emit("contract_schema", {"json_schema": told}, json_, lambda: row(json.dumps(told, ensure_ascii=False, indent=2), indent=0))


def _changes(changes: Sequence[Change], lang: str | None) -> None:
    def value(kind: str, given: str) -> str:
        """Required, optional and nillable are our words; everything else is the source's own."""
        return word(f"drift.value.{given}", lang) if kind == "required" and given else given or "·"

    for c in changes:
        policy, effect = word(f"drift.policy.{c.policy}", lang), word(f"drift.effect.{c.effect}", lang)
        kind = word(f"drift.kind.{c.kind}", lang)
        row(cell(kind, 9), f"{c.path}  {value(c.kind, c.old)} → {value(c.kind, c.new)}  ({policy}; {effect})")


def _differences(found: Sequence[Difference], lang: str | None) -> None:
    for one in found:
        row(f"{one.place}  {one.old or '·'} → {one.new or '·'}  ({word(f'drift.effect.{one.effect}', lang)})")


def _price(used: Sequence[Use], lang: str | None) -> None:
    """Who relies on it, index by index."""
    for use in used:
        columns = ", ".join(use.columns) or "·"
        line("contract.used_by", lang, index=use.index, columns=columns, questions=len(use.questions), asked=use.asked)


def _consumers(used: Sequence[Use]) -> list[dict[str, Any]]:
    return [{"index": use.index, "columns": list(use.columns), "questions": list(use.questions), "asked": use.asked} for use in used]
