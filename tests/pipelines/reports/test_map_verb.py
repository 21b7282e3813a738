"""``fortnight map``: what it prints, what it writes, how it ends."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import typer
from typer.testing import CliRunner

from connectors.errors import SourceUnavailable
from connectors.protocol import Connector
from pipelines.cli.map import map_
from pipelines.project import Project

from . import sources
from .sources import FakeConnector
from .test_map_operations import Called

app = typer.Typer()
app.command("map")(map_)


@pytest.fixture
def connectors(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> dict[str, FakeConnector]:
    """A project with kintone and an ERP in ``tmp_path``; each test may change what they give."""
    sources.project(tmp_path, "kintone", "erp")
    given = {"kintone": FakeConnector((sources.orders(),)), "erp": FakeConnector((sources.defects(),))}

    def connect(_: Project, system: str) -> Connector:
        return given[system]

    monkeypatch.setattr(Project, "connect", connect)
    return given


def run(folder: Path, *arguments: str) -> tuple[int, str]:
    result = CliRunner().invoke(app, [*arguments, "--project", str(folder)])
    return result.exit_code, result.stdout


def test_it_lists_every_stream_and_says_where_the_map_is(tmp_path: Path, connectors: dict[str, FakeConnector]) -> None:
    code, said = run(tmp_path, "--lang", "en")
    assert code == 0
    assert "kintone/orders" in said
    assert "20,000 rows" in said
    assert "systems: 2, streams: 2 (with a contract: 0), rows: 20,120" in said
    assert (tmp_path / ".fortnight/map/source-map.html").exists()
    assert not (tmp_path / "contracts").exists()


def test_it_counts_the_operations_of_a_source_and_says_which_were_dropped(tmp_path: Path, connectors: dict[str, FakeConnector]) -> None:
    connectors["erp"] = Called((sources.defects(),))
    _, said = run(tmp_path, "erp", "--lang", "en")
    assert "erp operations: 4 (listing rows: 2, left in pieces by the WSDL: 1)" in said
    assert "old/ReadNothing: message {urn:x}Gone is named but not defined" in said
    assert "定義されていません" in run(tmp_path, "erp", "--lang", "ja")[1]


def test_it_maps_one_system_when_one_is_named(tmp_path: Path, connectors: dict[str, FakeConnector]) -> None:
    code, said = run(tmp_path, "erp", "--out", str(tmp_path / "out"), "--lang", "ja")
    assert code == 0
    assert "kintone/orders" not in said
    assert "システム 1、ストリーム 1" in said
    assert (tmp_path / "out/proposals/erp/defects.yaml").exists()


def test_its_json_names_its_schema_and_what_it_wrote(tmp_path: Path, connectors: dict[str, FakeConnector]) -> None:
    code, said = run(tmp_path, "--write", "--json")
    found = json.loads(said)
    assert code == 0
    assert found["schema"] == "fortnight.map/1"
    assert [Path(path).relative_to(tmp_path).as_posix() for path in found["written"]["proposals"]] == [
        "contracts/kintone/orders.yaml",
        "contracts/erp/defects.yaml",
    ]
    assert found["systems"][0]["streams"][0]["stream"] == "kintone/orders"


def test_it_ends_with_3_when_a_source_is_down_and_writes_a_map_beside_the_whole_one(
    tmp_path: Path, connectors: dict[str, FakeConnector]
) -> None:
    connectors["erp"].errors["check"] = SourceUnavailable("source.unavailable", host="erp.example", attempts=3, reason="refused")
    code, said = run(tmp_path, "--lang", "en")
    assert code == 3
    assert "kintone/orders" in said
    assert "erp.example" in (tmp_path / ".fortnight/map/source-map-incomplete.html").read_text(encoding="utf-8")


def test_it_ends_with_2_for_a_system_the_project_does_not_have(tmp_path: Path, connectors: dict[str, FakeConnector]) -> None:
    assert run(tmp_path, "crm")[0] == 2


def test_it_ends_with_2_for_a_dictionary_it_cannot_use(tmp_path: Path, connectors: dict[str, FakeConnector]) -> None:
    (tmp_path / "glossary.yaml").write_text("terms: {受注番号: order no}", encoding="utf-8")
    assert run(tmp_path)[0] == 2
