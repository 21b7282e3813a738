"""A document is shown whole or not at all, also where its parts are a stream of their own."""

from __future__ import annotations

from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from conformance.live import write_contract, write_yaml

from connectors.errors import FixConfiguration
from connectors.protocol import Reject
from expectations.contract import Contract
from pipelines.landing.families import Families, parent_key, torn
from pipelines.landing.published import Published
from pipelines.landing.quarantine import after
from pipelines.landing.rows import Stamp
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load

AT = datetime(2026, 6, 1, tzinfo=UTC)


def contract(stream: str, *key: str, **more: Any) -> dict[str, Any]:
    fields = [{"name": name, "source": name, "type": "int64"} for name in key]
    return {"stream": stream, "version": 1, "source": {}, "key": list(key), "fields": fields, **more}


ORDERS = contract("books/orders", "id")
LINES = contract("books/lines", "id", "row", parent={"stream": "books/orders", "key": ["id"]})
NOTES = contract("books/notes", "id", "note", parent={"stream": "books/orders", "key": ["id"]})
OTHER = contract("books/other", "id")


def project_with(folder: Path, *contracts: dict[str, Any]) -> Project:
    write_yaml(
        folder / "project.yaml",
        {"name": "books", "environment": "staging", "systems": {"books": {"kind": "kintone", "base_url": "https://books.example"}}},
    )
    for one in contracts:
        write_contract(load(folder), one)
    return load(folder)


@pytest.fixture
def project(tmp_path: Path) -> Project:
    return project_with(tmp_path, ORDERS, LINES, NOTES, OTHER)


def hold(project: Project, stream: str, *keys: str) -> None:
    """Publish that these rows are held, as a pull does."""
    warehouse = Warehouse(project.root)
    before, number = warehouse.read("quarantine", stream), warehouse.published(stream)
    rejects = [Reject(key, "id", "value.range", "{}", (), "1") for key in keys]
    stamp = Stamp(stream, "p", AT, 1)
    table = after(before, rejects, set(keys), stamp, project.file.quarantine.remembers)
    assert table is not None
    warehouse.replace("quarantine", stream, table)
    warehouse.publish(
        Published(
            number=number.number + 1 if number else 1, stream=stream, pull_id="p", published_at=AT.isoformat(), contract_version=1,
            contract_fingerprint="", schema_fingerprint="", revision="", tables=warehouse.versions(stream), counts={},
        )
    )  # fmt: skip


def shown(project: Project, stream: str) -> list[str]:
    keys = [1, 2, 3]
    rows = (
        pa.table({"_key": [str(key) for key in keys], "id": keys})
        if stream in ("books/orders", "books/other")
        else pa.table({"_key": [f"[{key},7]" for key in keys], "id": keys})
    )
    families = Families(project.contracts, Warehouse(project.root))
    found = families.whole(stream, rows)
    whole = found["_key"].to_pylist()
    assert sorted([*whole, *torn(rows, found)]) == rows["_key"].to_pylist(), "each row is shown or named"
    return whole


def test_children_of_a_held_parent_are_not_shown(project: Project) -> None:
    hold(project, "books/orders", "2")
    assert shown(project, "books/lines") == ["[1,7]", "[3,7]"] and shown(project, "books/notes") == ["[1,7]", "[3,7]"]
    assert shown(project, "books/other") == ["1", "2", "3"], "a stream without a family is as it was"


@pytest.mark.parametrize("key", ["[2,9]", "[2,null]"], ids=["one part", "all parts of the record"])
def test_a_parent_of_which_a_child_is_held_is_not_shown_and_neither_are_its_other_children(project: Project, key: str) -> None:
    hold(project, "books/lines", key)
    assert shown(project, "books/orders") == ["1", "3"]
    assert shown(project, "books/lines") == ["[1,7]", "[3,7]"] and shown(project, "books/notes") == ["[1,7]", "[3,7]"]


def test_once_the_held_row_is_right_the_whole_document_is_shown_again(project: Project) -> None:
    hold(project, "books/lines", "[2,9]")
    hold(project, "books/lines")
    assert shown(project, "books/orders") == ["1", "2", "3"] and shown(project, "books/lines") == ["[1,7]", "[2,7]", "[3,7]"]


@pytest.mark.parametrize(
    ("key", "parent"),
    [("[2,9]", "2"), ("[2,null]", "2"), ("A/1", None), ('["$id=5",null,1]', None), ("[null,3]", None), ("2", None)],
)
def test_the_parent_of_a_held_row_is_known_by_its_key_or_not_at_all(key: str, parent: str | None) -> None:
    assert parent_key(Contract.model_validate(LINES), key) == parent


@pytest.mark.parametrize(
    "parent",
    [
        {"stream": "books/nowhere", "key": ["id"]},
        {"stream": "books/lines", "key": ["id"]},
        {"stream": "books/notes", "key": ["id"]},
        {"stream": "books/orders", "key": ["id", "row"]},
    ],
    ids=["that is not there", "that is itself", "that is a part itself", "with a shorter key"],
)
def test_a_parent_that_cannot_be_one_is_refused(tmp_path: Path, parent: dict[str, Any]) -> None:
    keys = ("id", "row", "more") if len(parent["key"]) > 1 else ("id", "row")
    project = project_with(tmp_path, ORDERS, NOTES, contract("books/lines", *keys, parent=parent))
    with pytest.raises(FixConfiguration) as refused:
        project.contract("books/lines")
    assert refused.value.code == "contract.parent_unfit" and parent["stream"] in refused.value.say("ja")


def test_a_part_that_its_parents_key_alone_would_name_is_refused(tmp_path: Path) -> None:
    project = project_with(tmp_path, ORDERS, contract("books/lines", "id", parent={"stream": "books/orders", "key": ["id"]}))
    with pytest.raises(FixConfiguration) as refused:
        project.contract("books/lines")
    assert refused.value.code == "contract.parent_key"


def test_a_contract_without_a_parent_is_the_promise_that_it_was_before_it_could_name_one() -> None:
    without, named = (Contract.model_validate({**LINES, "parent": parent}) for parent in (None, LINES["parent"]))
    assert without.fingerprint() != named.fingerprint()
    assert without.fingerprint() == "sha256:104e002105ff0b09f5d41c61ff63483a13a266fc8e27a2b3a5551feccae3d336"
