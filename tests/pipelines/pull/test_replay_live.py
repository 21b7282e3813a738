"""Rows that are asked for alone come from the real protocols as a whole reading brings them, scope and version included."""

from __future__ import annotations

import json
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
from conformance.live import write_contract

from connectors.capabilities import Rereads
from connectors.protocol import Connector, Page, Reject, Window
from expectations.contract import Contract
from pipelines.clock import WallClock
from pipelines.landing.quarantine import held_now
from pipelines.landing.warehouse import Warehouse
from pipelines.project import load
from pipelines.pull.outcome import Request
from pipelines.pull.replay import replay
from pipelines.pull.run import pull


def told(key: str) -> Reject:
    return Reject(key, "x", "value.range", json.dumps({"$id": {"value": key}}))


def chosen(connector: Connector, contract: Contract, keys: list[str]) -> list[Page] | None:
    connector.describe(contract.told())
    assert isinstance(connector, Rereads)
    pages = connector.reread(contract.told(), [told(key) for key in keys])
    return None if pages is None else list(pages)


def rows_of(pages: list[Page], contract: Contract) -> dict[str, dict[str, Any]]:
    return {str(row[contract.key[0]]): row for page in pages for row in page.rows.to_pylist()}


@pytest.mark.parametrize("stream", ["kintone/defects", "sharepoint/instruments", "sharepoint/corrective-actions"])
def test_chosen_rows_are_those_of_a_whole_reading_and_what_is_not_there_does_not_come(project_folder: Path, stream: str) -> None:
    project = load(project_folder)
    contract = project.contract(stream)
    with closing(project.connect(contract.system)) as connector:
        connector.describe(contract.told())
        connector.access(contract.told())
        whole = rows_of(list(connector.pull(contract.told(), Window())), contract)
    keys = list(whole)[:7]
    with closing(project.connect(contract.system)) as connector:
        pages = chosen(connector, contract, [*keys, "99999"])
    assert pages is not None and rows_of(pages, contract) == {key: whole[key] for key in keys}


@pytest.mark.parametrize("stream", ["kintone/order-lines", "sharepoint/manuals", "sharepoint/quality-pages"])
def test_streams_whose_rows_hang_together_are_not_read_row_by_row(project_folder: Path, stream: str) -> None:
    project = load(project_folder)
    with closing(project.connect(stream.partition("/")[0])) as connector:
        assert chosen(connector, project.contract(stream), ["1"]) is None


def test_a_soap_contract_that_is_mended_brings_its_held_rows_back_once(project_folder: Path) -> None:
    stream = "erp/zumen-drawings"
    project = load(project_folder)
    good = project.contract(stream).model_dump(mode="json", by_alias=True, exclude_none=True, exclude_defaults=True)
    source = {name: value for name, value in good["source"].items() if name not in ("timezone", "files")}
    write_contract(project, {**good, "source": {**source, "read": {"Modified_At": {"timezone": "Asia/Tokyo"}}}})
    project = load(project_folder)
    assert pull(project, Request(stream), WallClock()).succeeded
    warehouse = Warehouse(project.root)
    held = held_now(warehouse, stream)
    assert len(held) > 10 and {fault.code for row in held for fault in row.faults} == {"value.zone"}
    second = {"by": "riku.ikeda@sakura-seiki.example", "at": "2026-11-28"}
    accepted = {"by": "akari.mori@sakura-seiki.example", "at": "2026-11-28", "why": "one zone for all", "seconded": second}
    write_contract(project, {**good, "source": {**source, "timezone": "Asia/Tokyo"}, "version": 2, "accepted": accepted})
    found = replay(load(project_folder), stream, (), WallClock())
    assert (len(found.landed), found.held, found.gone) == (len(held), (), ())
    landing = warehouse.read("landing", stream)
    assert landing is not None and len(set(landing["_key"].to_pylist())) == landing.num_rows, "no row landed twice"
    assert replay(load(project_folder), stream, (), WallClock()).result is None
