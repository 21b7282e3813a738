"""What an attacker, a careless hand or a half-done change could do to rows, rights and the gate – and must not."""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conformance.live import write_yaml
from deltalake import DeltaTable, write_deltalake
from ruamel.yaml import YAML

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pipelines" / "pull"))
sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "pipelines" / "evidence"))
from conformance.live import ACCEPTED
from scripted import STREAM as BOOKS
from scripted import Row, Source, names, project_of, run
from worlds import DATE, STREAM, TOKYO, at, calendar, ready, witnessed_days

from connectors.errors import FixConfiguration, FortnightError
from infra.sandbox import process
from pipelines.clock import FixedClock, WallClock
from pipelines.evidence.chain import signing_bytes
from pipelines.evidence.claims import ClaimStore, Endpoint, Environment
from pipelines.evidence.decisions import decision_entry, people_entry, with_signature
from pipelines.evidence.facts import fact_entry
from pipelines.evidence.history import policy_entry
from pipelines.evidence.ledger import Ledger
from pipelines.evidence.plan import claims_of, gate_policy, ledger_of
from pipelines.evidence.reasons import reason
from pipelines.evidence.sealer import seal_closed_days
from pipelines.evidence.seals import SealPolicy
from pipelines.evidence.signing import make_key, sign
from pipelines.landing.warehouse import Warehouse
from pipelines.people import Key, People, Person
from pipelines.project import Project, load
from pipelines.pull.outcome import Request, Result
from pipelines.pull.run import pull
from pipelines.serving.callers.identity import person_id
from pipelines.serving.retrieval import Asker, Release, Service, fetch

ROOT = Path(__file__).resolve().parents[2]
ONE = timedelta(days=1)
INDEX = "product-support"


def own_project(folder: Path, home: Path, *streams: str) -> Project:
    """A copy of the example project, pointed at ``home``, whose index is made of these streams alone."""
    shutil.copytree(ROOT / "infra" / "project", folder, ignore=shutil.ignore_patterns(".fortnight", "data", ".env"))
    (folder / ".env").write_text("".join(f"{name}={value}\n" for name, value in process.environment(home).items()), encoding="utf-8")
    file = YAML(typ="safe").load((folder / "project.yaml").read_text(encoding="utf-8"))
    file["indexes"] = {INDEX: {"streams": list(streams)}}
    write_yaml(folder / "project.yaml", file)
    return load(folder)


def pulled(project: Project, *streams: str) -> None:
    for stream in streams:
        result = pull(project, Request(stream), WallClock())
        assert result.succeeded, result.error


# --- access ---------------------------------------------------------------------------------------------------------------------


@pytest.fixture
def sharepoint(tmp_path: Path) -> Iterator[Path]:
    process.up(tmp_path / "sandbox", base_port=0, only=("sharepoint",))
    yield tmp_path / "sandbox"
    process.down(tmp_path / "sandbox")


@pytest.fixture
def kintone(tmp_path: Path) -> Iterator[Path]:
    process.up(tmp_path / "sandbox", base_port=0, only=("kintone",))
    yield tmp_path / "sandbox"
    process.down(tmp_path / "sandbox")


def test_access_read_in_the_future_is_not_fresh() -> None:
    """A clock set back must not make an old overlay fresh for as long as it was set back."""
    from pipelines.index.overlay import Overlay
    from pipelines.index.releases import Coverage, Manifest

    now = datetime(2026, 11, 2, tzinfo=UTC)
    later = now + 30 * ONE
    made = Manifest(
        index=INDEX,
        number=1,
        created_at=now,
        inputs={},
        model_id="m",
        revision="1",
        dim=1,
        chunker="c",
        table="t",
        documents={},
        chunks=0,
        access=Coverage(chunks=0, resolved=0, scopes_unresolved={}),
        omitted=(),
        content_hash="sha256:x",
    )

    class Nothing:
        model_id, revision, dim = "m", "1", 1

        def fetch(self, chunk: str, principals: frozenset[str]) -> None:
            return None

        def record(self, row: object) -> None:
            return None

    nothing: Any = Nothing()
    service = Service(nothing, Overlay(later, {}, {}, {}), nothing)
    with pytest.raises(FortnightError):
        fetch(Release(made, nothing), "id", Asker("x", {BOOKS: frozenset({"user:kintone:x"})}, later, "t"), service, now=now)


def test_two_names_that_only_case_folding_makes_one_are_two_people() -> None:
    assert person_id("Misaki.Sato@sakura-seiki.example") == person_id("misaki.sato@sakura-seiki.example")
    assert person_id("mi\u017faki.sato@sakura-seiki.example") != person_id("misaki.sato@sakura-seiki.example")


# --- pull -----------------------------------------------------------------------------------------------------------------------

ID = {"name": "id", "source": "id", "type": "int64", "required": True}
NAME = {"name": "名前", "source": "name", "type": "string"}
AT = {"name": "updated_at", "source": "at", "type": "timestamp[us, UTC]"}


def three() -> Source:
    return Source({number: Row(f"部品{number}") for number in (1, 2, 3)})


def pulls(project: Project, source: Source, count: int) -> None:
    for turn in range(count):
        source.later()
        source.put(1, name=f"名前{turn}")
        assert run(project, source).succeeded


def test_a_column_added_to_the_contract_stands_in_current(tmp_path: Path) -> None:
    source = three()
    assert run(project_of(tmp_path / "project", fields=[ID, AT]), source).succeeded
    project = project_of(tmp_path / "project", version=2, accepted=ACCEPTED, fields=[ID, NAME, AT])
    assert run(project, source).succeeded
    rows = Warehouse(project.root).current(BOOKS)
    assert rows is not None and "名前" in rows.column_names
    assert names(project) == {1: "部品1", 2: "部品2", 3: "部品3"}


def test_a_column_taken_out_of_the_contract_leaves_no_value_in_current(tmp_path: Path) -> None:
    source = three()
    assert run(project_of(tmp_path / "project"), source).succeeded
    project = project_of(tmp_path / "project", version=2, accepted=ACCEPTED, fields=[ID, AT])
    assert run(project, source).succeeded
    rows = Warehouse(project.root).current(BOOKS)
    assert rows is not None
    assert "名前" not in rows.column_names or rows["名前"].null_count == rows.num_rows


def test_the_books_count_what_was_written_and_not_what_was_meant_to_be(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    project, source = project_of(tmp_path / "project"), three()
    real = Warehouse.merge

    def loses_a_row(self: Warehouse, table: str, stream: str, batches: Any, schema: pa.Schema) -> Any:
        return real(self, table, stream, [batch.slice(1) for batch in batches] if table == "current" else batches, schema)

    monkeypatch.setattr(Warehouse, "merge", loses_a_row)
    result = run(project, source)
    assert not result.succeeded or len(names(project)) == 3


def answered(project: Project, source: Source, **request: Any) -> Result | None:
    """A pull that ends as it may: with a result, or with an error that says what to do."""
    try:
        return run(project, source, **request)
    except FortnightError:
        return None


def test_a_file_put_beside_the_published_records_by_hand_is_named_and_stops_the_pull(tmp_path: Path) -> None:
    project, source = project_of(tmp_path / "project"), three()
    pulls(project, source, 1)
    stray = Path(project.root) / "published" / BOOKS / "notes.json"
    stray.write_text("{}", encoding="utf-8")
    error = run(project, source).error
    assert error is not None and "notes.json" in error.say("en") and "notes.json" in error.say("ja")
    stray.unlink()
    pulls(project, source, 1)
    assert names(project)[1] == "名前0"


def test_a_table_somebody_deleted_is_named_each_time_and_every_such_pull_is_claimed(tmp_path: Path) -> None:
    project, source = project_of(tmp_path / "project"), three()
    pulls(project, source, 3)
    shutil.rmtree(Path(project.root) / "current" / BOOKS)
    for full in (False, True, True):
        answered(project, source, full=full)
    assert len(claims_of(project).read()) == 6


def test_records_somebody_deleted_do_not_take_the_history_with_them(tmp_path: Path) -> None:
    """Without its records a stream looks like one whose first pull was killed; that pull's leavings are deleted."""
    project, source = project_of(tmp_path / "project"), three()
    pulls(project, source, 1)
    landed = sorted((Path(project.root) / "landing").rglob("*.parquet"))
    shutil.move(Path(project.root) / "published", tmp_path / "published")
    for _ in range(2):
        source.later()
        refused = answered(project, source)
        assert refused is None or not refused.succeeded
    assert sorted((Path(project.root) / "landing").rglob("*.parquet")) == landed
    shutil.move(tmp_path / "published", Path(project.root) / "published")
    pulls(project, source, 1)


# --- gate and ledger ------------------------------------------------------------------------------------------------------------


def lived(project: Project, days: int, environment: Environment, facts: Environment | None = None) -> Ledger:
    """A project whose one stream was green for ``days`` days in ``environment``, and that has every readiness fact."""
    ledger, store = ledger_of(project), claims_of(project)
    dates = [DATE + number * ONE for number in range(days)]
    claims, seen = witnessed_days(dates)
    for each in claims:
        store.append(replace(each, environment=environment, endpoint=Endpoint("sha256:e", environment == "sandbox")))
    ready_in(project, ledger, environment, facts or environment)
    seal_closed_days(ledger, store, seen, calendar(), SealPolicy(environment), at(dates[-1] + ONE), "wall")
    return ledger


def ready_in(project: Project, ledger: Ledger, environment: Environment, facts: Environment) -> None:
    ledger.push([policy_entry(INDEX, gate_policy(project, INDEX).fingerprint(), environment, "wall", at(DATE))])
    ledger.push([fact_entry(fact, facts, "wall") for fact in ready(INDEX)])
    key = project.folder / "suzuki"
    suzuki = Person(id="suzuki", roles=("business",), keys=(Key(key=make_key(key, "suzuki")),))
    ledger.push([people_entry(People(people=(suzuki,)), environment, "wall", at(DATE))])
    terms = reason("decision.week_one", contracts="sha256:all")
    week_one = decision_entry("week-one", INDEX, terms, "-", ledger.head(), environment, "wall", at(DATE), "suzuki")
    ledger.push([with_signature(week_one, sign(signing_bytes(week_one), key))])


def gate_of(project: Project, day_number: int) -> str:
    """What the product says of the index on that day; ``refused`` where it will not say."""
    from pipelines.defs.index_assets import gate_state

    try:
        return gate_state(project, INDEX, FixedClock(at(DATE + day_number * ONE, 7), "wall")).eligibility
    except FortnightError:
        return "refused"


def project_in(folder: Path, environment: Environment, schedule: dict[str, Any] | None = None, **index: Any) -> Project:
    systems = {"kintone": {"kind": "kintone", "base_url": "https://x.example"}}
    spec = {"streams": [STREAM]} | index
    write_yaml(
        folder / "project.yaml",
        {"name": "gates", "environment": environment, "timezone": TOKYO, "systems": systems, "indexes": {INDEX: spec}}
        | ({"schedule": schedule} if schedule else {}),
    )
    return load(folder)


#: The least a stream needs to owe a slot.
CONTRACT: dict[str, Any] = {"stream": STREAM, "version": 1, "source": {}, "key": ["id"], "fields": [ID]}


def test_fourteen_green_days_of_this_environment_open_the_gate(tmp_path: Path) -> None:
    """The world of the tests below: without it they would say nothing."""
    project = project_in(tmp_path, "production")
    lived(project, 14, "production")
    assert gate_of(project, 14) == "eligible"


def test_green_days_of_a_sandbox_do_not_count_when_the_project_is_called_production(tmp_path: Path) -> None:
    project = project_in(tmp_path, "production")
    lived(project, 14, "sandbox")
    assert gate_of(project, 14) != "eligible"


def test_facts_measured_in_a_sandbox_do_not_hold_in_production(tmp_path: Path) -> None:
    project = project_in(tmp_path, "production")
    lived(project, 14, "production", facts="sandbox")
    assert gate_of(project, 14) != "eligible"


def test_a_seal_written_into_the_ledger_by_hand_opens_nothing(tmp_path: Path) -> None:
    project = project_in(tmp_path, "production")
    ledger = lived(project, 13, "production")
    table = DeltaTable(ledger.location).to_pyarrow_table()
    last = max((row for row in table.to_pylist() if row["kind"] == "seal"), key=lambda row: row["seq"])
    forged = last | {"seq": max(table["seq"].to_pylist()) + 1, "day": last["day"] + ONE, "hash": "0" * 64}
    write_deltalake(ledger.location, pa.Table.from_pylist([forged], schema=table.schema), mode="append")
    assert not ledger_of(project).verify().ok
    assert gate_of(project, 14) != "eligible"


def test_taking_a_stream_out_of_an_index_is_a_change_of_its_gate(tmp_path: Path) -> None:
    both = gate_policy(project_in(tmp_path, "production", streams=[STREAM, "kintone/faq"]), INDEX)
    one = gate_policy(project_in(tmp_path, "production", streams=[STREAM]), INDEX)
    assert both.fingerprint() != one.fingerprint()


def test_a_day_that_failed_is_not_made_a_holiday_by_editing_the_project(tmp_path: Path) -> None:
    from pipelines.defs.instance import instance_of
    from pipelines.defs.seal import seal_project

    schedule: dict[str, Any] = {"days": "jp_business", "closed": {"years": [2026], "days": []}}
    project = project_in(tmp_path, "production", schedule=schedule)
    write_yaml(tmp_path / "contracts" / f"{STREAM}.yaml", CONTRACT)
    claims, _ = witnessed_days([DATE])
    for each in claims:
        claims_of(project).append(replace(each, outcome="failed", error="source.unavailable"))

    def sealed(number: int) -> list[str]:
        project = load(tmp_path)
        with instance_of(project) as instance:
            return [seal.verdict for seal in seal_project(project, instance, FixedClock(at(DATE + number * ONE), "wall"))]

    assert sealed(1) == ["missing"]
    project_in(tmp_path, "production", schedule=schedule | {"closed": {"years": [2026], "days": [(DATE + ONE).isoformat()]}})
    assert sealed(2) == ["missing"], "edited after the day had begun"
    project_in(tmp_path, "production", schedule=schedule | {"closed": {"years": [2026], "days": [(DATE + 3 * ONE).isoformat()]}})
    assert sealed(3) == ["missing"] and sealed(4) == ["missing"], "written down on the morning of the day itself: too late for it"
    codes = [reason.code for row in ledger_of(project).read(kinds=("finding",)) for reason in row.entry.reasons]
    assert codes.count("seal.calendar_changed_late") == 2


def test_a_claim_written_by_hand_that_leaves_out_the_warned_check_makes_no_day_green(tmp_path: Path) -> None:
    ledger, store = Ledger(str(tmp_path / "ledger")), ClaimStore(str(tmp_path / "claims"))
    (claim,), seen = witnessed_days([DATE])
    warned = tuple(replace(check, passed=check.severity != "warn") for check in claim.checks)
    facts = tuple(replace(fact, status="failed", passed=False) if fact.severity == "warn" else fact for fact in seen.checks)
    store.append(replace(claim, checks=warned))
    store.append(
        replace(claim, pull_id="by-hand", checks=tuple(c for c in warned if c.passed), finished_at=claim.finished_at + timedelta(seconds=1))
    )
    (seal,) = seal_closed_days(ledger, store, replace(seen, checks=facts), calendar(), SealPolicy("production"), at(DATE + ONE), "wall")
    assert seal.verdict == "red"


def test_a_gate_of_one_day_is_no_gate_in_production(tmp_path: Path) -> None:
    with pytest.raises(FixConfiguration, match="14"):
        project_in(tmp_path, "production", gate={"green_days": 1})
    assert project_in(tmp_path, "staging", gate={"green_days": 1})


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """What another test left in the environment would outrank this project's own ``.env``."""
    for name in [name for name in os.environ if name.startswith(("KINTONE_", "ERP_", "SHAREPOINT_", "FORTNIGHT_"))]:
        monkeypatch.delenv(name)
