"""The check ``evaluation`` of a candidate: how well it answers the project's own questions, with the worst of them. The examining is in ``serving``.

https://docs.dagster.io/guides/test/asset-checks
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import dagster as dg

from connectors.errors import FortnightError
from connectors.messages import sentence
from pipelines.defs.checks import table_schema
from pipelines.defs.resources import ProjectResource
from pipelines.project import Project
from pipelines.pull.outcome import Progress

if TYPE_CHECKING:
    from pipelines.index.embedding import Embedder
    from pipelines.index.evaluation.summary import Figures, Summary
    from pipelines.index.releases import Manifest
    from pipelines.landing.warehouse import Warehouse

EVALUATION = "evaluation"
_SLICES = ("slice", "questions", "recall@1", "recall@5", "recall@10", "MRR@10", "95 % of recall@5")
_WORST = ("id", "place", "person", "question", "expected", "first", "leaked")


def evaluation_specs(project: Project, index: str, key: dg.AssetKey, partitions: dg.PartitionsDefinition[str]) -> list[dg.AssetCheckSpec]:
    """The check, where the project has questions for the index. Not blocking: the gate reads what it says from the ledger."""
    if project.file.indexes[index].evaluation is None:
        return []
    return [
        dg.AssetCheckSpec(
            EVALUATION,
            asset=key,
            partitions_def=partitions,
            description="The test part of the evaluation set, asked as its people: recall@5 at its target, no forbidden document shown.",
        )
    ]


def evaluation_check(
    files: ProjectResource, index: str, made: Manifest, key: dg.AssetKey, embedder: Embedder, warehouse: Warehouse
) -> dg.AssetCheckResult:
    """Examine today's candidate, or show what was found where nothing changed since. ERROR below the target or with a leak, WARN with a lower
    bound below it; what could not be examined fails, and says why."""
    from pipelines.serving.examination.evaluate import examine_candidate, unexamined

    def report(done: int, total: int) -> None:
        files.report(Progress(f"index/{index}", "examine", done, total))

    try:
        found, reused = examine_candidate(files.project, index, made, files.clock, embedder, report, warehouse)
    except FortnightError as error:
        unexamined(files.project, index, error.say(), files.clock)
        return dg.AssetCheckResult(
            asset_key=key, check_name=EVALUATION, passed=False, severity=dg.AssetCheckSeverity.ERROR, description=error.say()
        )
    return evaluation_result(found, reused, key)


def evaluation_result(found: Summary, reused: bool, key: dg.AssetKey) -> dg.AssetCheckResult:
    """A summary as a check: numbers that plot themselves, slices and worst questions as inline tables."""
    from pipelines.index.evaluation.summary import refused

    error = refused(found)
    told = error.say() if error else sentence("evaluation.reaches" if found.surely else "evaluation.reaches.barely")
    at = sentence("evaluation.check.repeated", {"at": f"{found.examined_at:%Y-%m-%d %H:%M}Z"}) if reused else ""
    metadata: dict[str, dg.MetadataValue[Any]] = {
        "recall_at_5": dg.MetadataValue.float(found.figures.recall_at_5),
        "lower_bound": dg.MetadataValue.float(found.figures.lower),
        "mrr_at_10": dg.MetadataValue.float(found.figures.mrr_at_10),
        "questions": dg.MetadataValue.int(found.figures.questions),
        "hits_at_5": dg.MetadataValue.int(found.figures.hits_at_5),
        "leaks": dg.MetadataValue.int(found.leaks),
        "not_counted": dg.MetadataValue.int(len(found.apart)),
        "target": dg.MetadataValue.float(found.target),
        "release": dg.MetadataValue.text(found.release),
        "model": dg.MetadataValue.text(found.model),
        "examined_at": dg.MetadataValue.text(found.examined_at.isoformat()),
        "slices": _table(_SLICES, [_figures("all", found.figures), *(_figures(name, one) for name, one in found.slices.items())]),
    }
    if found.worst:
        metadata["worst_questions"] = _table(
            _WORST,
            [
                (one.id, str(one.place or "-"), one.person, one.question, ", ".join(one.expected), one.first, ", ".join(one.leaked))
                for one in found.worst
            ],
        )
    return dg.AssetCheckResult(
        asset_key=key,
        check_name=EVALUATION,
        passed=found.surely,
        severity=dg.AssetCheckSeverity.WARN if found.reaches else dg.AssetCheckSeverity.ERROR,
        description=f"{told} ({at})" if at else told,
        metadata=metadata,
    )


def _figures(name: str, found: Figures) -> tuple[str, ...]:
    shares = (found.recall_at_1, found.recall_at_5, found.recall_at_10, found.mrr_at_10)
    return (name, str(found.questions), *(f"{share:.3f}" for share in shares), f"{found.low:.3f} to {found.high:.3f}")


def _table(names: tuple[str, ...], rows: list[tuple[str, ...]]) -> dg.MetadataValue[Any]:
    records = [dg.TableRecord(dict(zip(names, row, strict=True))) for row in rows]
    return dg.MetadataValue.table(records, schema=table_schema(list(names)))
