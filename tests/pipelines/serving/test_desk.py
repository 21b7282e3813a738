"""The desk: what one question reads of a project's storage hangs together, stream by stream."""

from __future__ import annotations

from collections.abc import Mapping
from datetime import UTC, datetime, timedelta
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conformance.live import write_contract, write_yaml

from connectors.errors import AnswerIsNo
from connectors.protocol import Reject
from pipelines.index.build import cut
from pipelines.index.documents import file_suffix
from pipelines.index.inputs import stream_inputs
from pipelines.index.overlay import Overlay
from pipelines.index.parse import Parser
from pipelines.landing.published import Published
from pipelines.landing.quarantine import after
from pipelines.landing.rows import Stamp
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load
from pipelines.serving.desk import as_person, directories, newest_access, pinned

INDEX, FAQ, DEFECTS = "support", "kintone/faq", "kintone/defects"
MONDAY = datetime(2026, 11, 2, 5, tzinfo=UTC)
SATO, EVERYONE, SALES = "misaki.sato@sakura-seiki.example", "everyone:kintone", "group:kintone:eigyo"
SCOPES = pa.schema(
    [
        ("scope", pa.string()),
        ("title", pa.string()),
        ("principals", pa.list_(pa.string())),
        ("reason", pa.string()),
        ("resolved", pa.bool_()),
    ]
)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    systems = {"kintone": {"kind": "kintone", "base_url": "https://x.example"}}
    write_yaml(
        tmp_path / "project.yaml",
        {"name": "desk", "environment": "staging", "systems": systems, "indexes": {INDEX: {"streams": [FAQ, DEFECTS]}}},
    )
    made = load(tmp_path)
    fields = [{"name": "id", "source": "$id", "type": "int64", "required": True}, {"name": "title", "source": "題", "type": "string"}]
    for stream in (FAQ, DEFECTS):
        contract = {"stream": stream, "version": 1, "source": {}, "key": ["id"], "fields": fields, "document": {"title": "title"}}
        write_contract(made, contract)
    return load(tmp_path)


def publish(
    project: Project,
    stream: str,
    at: datetime,
    *,
    groups: tuple[str, ...] = (),
    scope: str = "all",
    readers: str = EVERYONE,
    by: Warehouse | None = None,
    **more: Any,
) -> None:
    """What one pull leaves: one row in ``scope``, which ``readers`` may read, and Sato in ``groups``; ``by`` what else it wrote."""
    warehouse = by or Warehouse(project.root)
    account: Mapping[str, object] = {"principal": "user:kintone:sato", "system": "kintone", "login": SATO, "mail": "", "name": ""}
    tables = {
        "current": pa.table(
            {"id": [1], "title": ["題"], "_key": ["1"], "_scope": [scope], "_op": ["upsert"], "_row_hash": ["h"]}
        ).append_column("_pull_id", [[warehouse.by]]),
        "scopes": pa.Table.from_pylist([{"scope": scope, "title": scope, "principals": [readers], "reason": "", "resolved": True}], SCOPES),
        "accounts": pa.Table.from_pylist([{**account, "active": True}]),
        "members": pa.table({"group": pa.array(groups, pa.string()), "member": pa.array(["user:kintone:sato"] * len(groups), pa.string())}),
    }
    for table, rows in tables.items():
        warehouse.replace(table, stream, rows)
    before = warehouse.published(stream)
    warehouse.publish(
        Published(
            number=before.number + 1 if before else 1,
            stream=stream,
            pull_id=warehouse.by,
            published_at=at.isoformat(),
            contract_version=1,
            contract_fingerprint="c",
            schema_fingerprint="s",
            revision="1",
            tables=warehouse.versions(stream),
            counts={},
            **more,
        )
    )


def asked(project: Project) -> tuple[Mapping[str, frozenset[str]], datetime, Overlay]:
    """Under what Sato asks, how old that is, and today's access."""
    pins = pinned(project, INDEX, Warehouse(project.root))
    found, read_at = directories(project, pins)
    return as_person(SATO, found, read_at, "t", "test").closures, read_at, newest_access(project, pins, INDEX)


def test_somebody_taken_out_of_a_group_loses_it_stream_by_stream_and_the_oldest_pull_says_how_old_that_is(project: Project) -> None:
    for stream in (FAQ, DEFECTS):
        publish(project, stream, MONDAY, groups=(SALES,))
    publish(project, FAQ, MONDAY + timedelta(hours=1))
    closures, read_at, overlay = asked(project)
    assert SALES not in closures[FAQ] and SALES in closures[DEFECTS]
    assert read_at == overlay.read_at == MONDAY


def test_rights_carried_over_by_a_pull_that_did_not_read_them_do_not_get_younger(project: Project) -> None:
    for stream in (FAQ, DEFECTS):
        publish(project, stream, MONDAY, access_at=(MONDAY - timedelta(hours=20)).isoformat())
    _, read_at, overlay = asked(project)
    assert read_at == overlay.read_at == MONDAY - timedelta(hours=20)


def publishing_meanwhile(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    """From now on another pull of FAQ is published between the reading of its rows and that of its scopes."""
    real = Warehouse.open

    def opening(self: Warehouse, table: str, stream: str, version: int | None = None) -> Any:
        found = real(self, table, stream, version)
        if (table, stream) == ("current", FAQ):
            monkeypatch.setattr(Warehouse, "open", real)
            publish(project, FAQ, MONDAY + timedelta(hours=1), scope="all", readers=SALES)
        return found

    monkeypatch.setattr(Warehouse, "open", opening)


def test_a_question_never_sees_rows_of_one_pull_under_the_rights_of_another(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in (FAQ, DEFECTS):
        publish(project, stream, MONDAY)
    publishing_meanwhile(project, monkeypatch)
    *_, overlay = asked(project)
    assert overlay.scopes[FAQ] == {"all": frozenset({EVERYONE})} and overlay.read_at == MONDAY
    *_, after = asked(project)
    assert after.scopes[FAQ] == {"all": frozenset({SALES})}


def test_a_candidate_is_built_from_one_record_of_each_stream(project: Project, monkeypatch: pytest.MonkeyPatch) -> None:
    for stream in (FAQ, DEFECTS):
        publish(project, stream, MONDAY)
    publishing_meanwhile(project, monkeypatch)
    made = stream_inputs(project, INDEX, Warehouse(project.root))[0]
    assert (made.published.published, made.scopes["principals"].to_pylist()) == (1, [[EVERYONE]])


def test_an_index_with_a_stream_nobody_published_answers_nobody(project: Project) -> None:
    publish(project, FAQ, MONDAY)
    with pytest.raises(AnswerIsNo, match=DEFECTS):
        pinned(project, INDEX, Warehouse(project.root))


def test_an_attachment_taken_off_its_row_leaves_todays_access_though_the_content_table_remembers_it(project: Project) -> None:
    files = {"name": "files", "source": "添付", "type": "list", "fields": [{"name": "ref", "source": "fileKey", "type": "string"}]}
    fields = [
        {"name": "id", "source": "$id", "type": "int64", "required": True},
        {"name": "title", "source": "題", "type": "string"},
        files,
    ]
    document = {"document": {"title": "title", "files": True}, "content": {"kind": "list", "ref": "files"}}
    write_contract(project, {"stream": FAQ, "version": 2, "source": {}, "key": ["id"], "fields": fields, **document})
    project, warehouse = load(project.folder), Warehouse(project.root)
    for stream in (FAQ, DEFECTS):
        publish(project, stream, MONDAY)
    warehouse.replace("content", FAQ, pa.table({"_key": ["1#a", "1#b"], "key": ["1", "1"], "ref": ["a", "b"], "sha256": ["x", "y"]}))
    named = pa.array([[{"ref": "a"}]], pa.list_(pa.struct([("ref", pa.string())])))
    rows = pa.table({"id": [1], "_key": ["1"], "_scope": ["all"], "_op": ["upsert"], "_row_hash": ["h2"]}).append_column("files", named)
    warehouse.replace("current", FAQ, rows)
    record = warehouse.published(FAQ)
    assert record is not None
    warehouse.publish(record.model_copy(update={"number": record.number + 1, "tables": warehouse.versions(FAQ)}))
    *_, overlay = asked(project)
    assert overlay.files == {"kintone/faq#1" + file_suffix("a")}


def test_a_document_of_which_a_part_is_held_is_in_no_new_release_and_no_release_shows_it(project: Project) -> None:
    parts, at = "kintone/defect-parts", Stamp("kintone/defect-parts", "p", MONDAY, 1)
    fields = [{"name": name, "source": name, "type": "int64"} for name in ("id", "part")]
    write_contract(
        project,
        {
            "stream": parts,
            "version": 1,
            "source": {},
            "key": ["id", "part"],
            "fields": fields,
            "parent": {"stream": DEFECTS, "key": ["id"]},
        },
    )
    project = load(project.folder)
    for stream in (FAQ, DEFECTS):
        publish(project, stream, MONDAY)

    def shown(*held: str) -> tuple[set[str], list[int], list[str]]:
        """What the desk shows today, of how many rows each stream gives documents, and what the index says it left out."""
        rejects = [Reject(key, "part", "value.range", "{}", (), "1") for key in held]
        warehouse = Warehouse(project.root)
        table = after(warehouse.read("quarantine", parts), rejects, set(held), at, timedelta(90))
        assert table is not None
        warehouse.replace("quarantine", parts, table)
        publish(project, parts, MONDAY, by=warehouse)
        inputs = stream_inputs(project, INDEX, warehouse)
        with Parser() as parser:
            made = cut(inputs, parser)
        return set(asked(project)[2].live), [one.rows.num_rows for one in inputs], [f"{one.document} {one.code}" for one in made.skipped]

    whole = ({f"{FAQ}#1", f"{DEFECTS}#1"}, [1, 1], [])
    assert shown() == whole
    assert shown("[1,7]") == ({f"{FAQ}#1"}, [1, 0], [f"{DEFECTS}#1 torn"])
    assert shown("[2,7]") == whole, "that is a part of another document"
    assert shown() == whole
