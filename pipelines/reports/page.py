"""The source map as files: one bilingual HTML page that needs nothing beside it, ``source-map.yaml``, and the proposals."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any
from zoneinfo import ZoneInfo

from connectors.capabilities import OperationShape
from connectors.messages import Language, retold, sentence
from expectations.contract import FieldSpec
from expectations.reading import read_contract
from pipelines.reports.contract_yaml import contract_text, plain_yaml
from pipelines.reports.html import environment, thousands
from pipelines.reports.propose import Question
from pipelines.reports.source_map import MappedStream, MappedSystem, SourceMap

if TYPE_CHECKING:
    from pipelines.project import Project

_TEMPLATE = "source_map.html.j2"


@dataclass(frozen=True)
class Written:
    """Where the map's files are. ``kept`` are contracts that were there before, which nothing touched."""

    html: Path
    yaml: Path
    proposals: tuple[Path, ...]
    kept: tuple[str, ...]


def write_map(source_map: SourceMap, project: Project, out: Path | None = None, *, into_contracts: bool = False) -> Written:
    """Write page, YAML and a proposal for each stream without a contract.

    The page is ``source-map.html``; a map of one system, or one that a system failed in, has a name of its own and replaces no whole one.
    Everything goes below ``out`` (default ``.fortnight/map`` of the project); ``into_contracts`` puts the proposals into the project's
    ``contracts/``. A contract that exists, even a broken one, is never written over. Each proposal is read back as a contract before this returns.
    """
    folder = out or project.home / "map"
    folder.mkdir(parents=True, exist_ok=True)
    base = project.folder / "contracts" if into_contracts else folder / "proposals"
    if not into_contracts:
        _forget(base, source_map)
    proposals: list[Path] = []
    kept: list[str] = []
    for one in source_map.streams:
        path = base / f"{one.stream}.yaml"
        if one.contracted or (project.folder / "contracts" / f"{one.stream}.yaml").exists():
            kept.append(one.stream)
            continue
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(contract_text(one.contract, one.questions, one.offer.notes), encoding="utf-8")
        read_contract(path)
        proposals.append(path)
    name = _name(source_map, project)
    html, yaml = folder / f"{name}.html", folder / f"{name}.yaml"
    html.write_text(render(source_map), encoding="utf-8")
    yaml.write_text(plain_yaml(plain(source_map)), encoding="utf-8")
    return Written(html, yaml, tuple(proposals), tuple(kept))


def _name(source_map: SourceMap, project: Project) -> str:
    """A map of some systems, or one that a system failed in, stands beside the last whole map and never replaces it."""
    if any(system.error is not None for system in source_map.systems):
        return "source-map-incomplete"
    names = [system.name for system in source_map.systems]
    return "source-map" if set(names) == set(project.file.systems) else "-".join(["source-map", *sorted(names)])


def _forget(base: Path, source_map: SourceMap) -> None:
    """Remove the last map's proposals of the systems mapped now, so that what got another name or a contract does not linger."""
    for system in source_map.systems:
        if system.error is None and any(base.parent.glob("source-map*.yaml")):
            for old in (base / system.name).glob("*.yaml"):
                old.unlink()


def plain(source_map: SourceMap) -> dict[str, Any]:
    """The map as plain values, the same in ``source-map.yaml`` and in ``--json``. Questions are codes with their English sentence."""
    return {
        "project": source_map.project,
        "environment": source_map.environment,
        "made_at": source_map.made_at.isoformat(timespec="seconds"),
        "totals": asdict(source_map.totals),
        "systems": [_plain_system(system) for system in source_map.systems],
    }


def _plain_system(system: MappedSystem) -> dict[str, Any]:
    found: dict[str, Any] = {"system": system.name, "kind": system.kind, "endpoint": system.endpoint, "sandbox": system.sandbox}
    if system.error:
        found["error"] = {"code": system.error.code, "message": system.error.say()}
    found["probes"] = [{"probe": str(name), "ok": ok, "found": str(said)} for name, ok, said in system.probes]
    if system.skipped:
        found["skipped"] = [error.say() for error in system.skipped]
    if system.unoffered:
        found["contracts_without_object"] = list(system.unoffered)
    if system.operations:
        found["operations"] = [_plain_operation(one, system.reading(one)) for one in system.operations]
    found["streams"] = [_plain_stream(one) for one in system.streams]
    return found


def _plain_operation(one: OperationShape, stream: str) -> dict[str, Any]:
    return {
        "service": one.service,
        "operation": one.operation,
        "form": one.form,
        "takes": list(one.inputs),
        "gives": list(one.outputs),
        "rows": one.rows,
        "paging": one.paging,
        "dropped": str(one.dropped),
        "stream": stream or None,
    }


def _plain_stream(one: MappedStream) -> dict[str, Any]:
    contract = one.contract
    return {
        "stream": one.stream,
        "title": one.title,
        "contract": contract.version if one.contracted else None,
        "rows": one.offer.rows,
        "full_load_calls": one.calls,
        "key": list(contract.key),
        "cursor": contract.cursor.field if contract.cursor else None,
        "document": contract.document is not None,
        "files": contract.content is not None,
        "access": {**asdict(one.access), "unproven": list(one.access.unproven)} if one.access else None,
        "fields": [_plain_field(field) for field in contract.fields],
        "notes": list(one.offer.notes),
        "differences": [f"{change.kind} {change.path}: {change.old or '-'} -> {change.new or '-'}" for change in one.changes],
        "open": [{"code": q.code, "says": sentence(q.code, q.params, "en")} for q in one.questions],
    }


def _plain_field(field: FieldSpec) -> dict[str, Any]:
    found: dict[str, Any] = {
        "name": field.name,
        "source": field.source,
        "label": field.label,
        "type": field.type,
        "required": field.required,
    }
    if field.fields:
        found["fields"] = [_plain_field(inner) for inner in field.fields]
    return found


def render(source_map: SourceMap) -> str:
    """The HTML page. Styles are inside; it loads nothing and runs no script."""
    made = source_map.made_at.astimezone(ZoneInfo(source_map.timezone))
    return environment().get_template(_TEMPLATE).render(
        map=source_map, totals=source_map.totals, made=made, decisions=decisions(source_map.streams), rows_of=field_rows, say=_say, retold=retold,
        thousands=thousands,
    )  # fmt: skip


def _say(question: Question, lang: Language) -> str:
    return sentence(question.code, question.params, lang)


@dataclass(frozen=True)
class Decision:
    """One kind of open question with the streams that have it."""

    code: str
    ja: str
    en: str
    streams: tuple[str, ...]


def decisions(streams: Sequence[MappedStream]) -> tuple[Decision, ...]:
    """Open questions by kind, the most frequent first."""
    found: dict[str, list[str]] = {}
    for one in streams:
        for code in dict.fromkeys(question.code for question in one.questions):
            found.setdefault(code, []).append(one.stream)
    order = Counter({code: len(names) for code, names in found.items()})
    return tuple(
        Decision(code, sentence(f"{code}.title", lang="ja"), sentence(f"{code}.title", lang="en"), tuple(found[code]))
        for code, _ in order.most_common()
    )


def field_rows(fields: Sequence[FieldSpec], depth: int = 0) -> list[tuple[int, FieldSpec]]:
    """Fields and, under each nested one, its inner fields, with their depth."""
    return [entry for field in fields for entry in ((depth, field), *field_rows(field.fields, depth + 1))]
