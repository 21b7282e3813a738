"""The committed contracts of the example project, held against the sandbox they were made from."""

from __future__ import annotations

from pathlib import Path

import pytest

from infra.sandbox.company.people import person
from pipelines.clock import WallClock
from pipelines.project import load
from pipelines.reports.glossary import read_glossary
from pipelines.reports.source_map import SourceMap, survey

FOLDER = Path(__file__).resolve().parents[3] / "infra" / "project"
CONTRACTS = load(FOLDER).contracts
#: Objects of the sandbox that nobody pulls: the ERP's list of roles is read as access, not as data; one operation gives
#: one invoice; comments cost a call a record.
NOT_PULLED = {"erp/roles", "erp/hanbai-invoice", "kintone/customers-comments", "kintone/orders-comments", "kintone/faq-comments"}


@pytest.fixture
def live(project_folder: Path) -> SourceMap:
    project = load(project_folder)
    return survey(project, list(project.file.systems), read_glossary(project.folder), WallClock())


def test_every_object_of_the_sandbox_has_a_contract_that_fits_it(live: SourceMap) -> None:
    assert [system.error for system in live.systems] == [None, None, None]
    assert {one.stream for one in live.streams if not one.contracted} == NOT_PULLED
    assert {one.stream for one in live.streams if one.contracted} == set(CONTRACTS)
    assert {one.stream: one.changes for one in live.streams if one.changes} == {}
    assert {one.stream: one.questions for one in live.streams if one.contracted and one.questions} == {}


def test_a_stream_with_a_contract_is_called_as_its_contract_calls_it(live: SourceMap) -> None:
    named = {one.stream: one.title for one in live.streams}
    assert named["erp/suppliers"] == "仕入先" and named["erp/roles"] == "Role_Entry"


def test_the_fingerprint_in_each_contract_is_the_live_one(project_folder: Path) -> None:
    project = load(project_folder)
    differing: list[str] = []
    for system in project.file.systems:
        connector = project.connect(system)
        try:
            ours = [contract for contract in project.contracts.values() if contract.system == system]
            differing += [one.stream for one in ours if connector.describe(one.told()).fingerprint != one.source["fingerprint"]]
        finally:
            connector.close()
    assert differing == []


def test_the_dictionary_names_every_field_of_the_sandbox_in_english(live: SourceMap) -> None:
    for one in live.streams:
        assert [field.name for field in one.contract.fields if not field.name.isascii()] == []
        assert [inner.name for field in one.contract.fields for inner in field.fields if not inner.name.isascii()] == []


def test_no_contract_of_the_example_is_broken() -> None:
    assert load(FOLDER).broken == {}
    assert len(CONTRACTS) == 22


@pytest.mark.parametrize("stream", sorted(CONTRACTS))
def test_each_contract_is_described_owned_and_accepted_by_people_who_exist(stream: str) -> None:
    contract = CONTRACTS[stream]
    assert contract.description
    assert contract.accepted is not None
    for login in (contract.owners.business, contract.owners.technical, contract.accepted.by):
        assert person(login).mail == login


def test_every_stream_of_the_index_reads_as_documents() -> None:
    project = load(FOLDER)
    for stream in project.index("product-support").streams:
        assert project.contract(stream).document is not None, stream
    for stream in ("sharepoint/manuals", "sharepoint/quality-rules", "sharepoint/hr-notices", "kintone/defects"):
        contract = project.contract(stream)
        assert contract.content is not None
        assert contract.document is not None
        assert contract.document.files, stream
