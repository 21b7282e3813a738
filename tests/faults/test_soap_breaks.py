"""Everything ``fortnight sandbox break erp`` can do, to each service that it can befall, and what a pull makes of it: the rows as they are, or
a sentence that names what is wrong, with all that was published as it was."""

from __future__ import annotations

import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from conformance.live import ORIGIN, project_for, rows_by_key, with_contract
from conformance.systems import CONTRACTS

from connectors.messages import catalogue
from infra.sandbox import process
from infra.sandbox.erp.breaks import BREAKS
from pipelines.clock import WallClock
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load
from pipelines.pull.outcome import Request, Result
from pipelines.pull.run import pull

SAKURA, HANBAI, ZUMEN = "SakuraErp", "hanbai", "zumen"
STREAMS = {SAKURA: "erp/items", HANBAI: "erp/hanbai-invoices", ZUMEN: "erp/zumen-drawings"}
ALL, LITERAL = tuple(STREAMS), (SAKURA, ZUMEN)
#: Only their waits are shortened.
BODY: dict[str, dict[str, Any]] = {"slow-drip": {"milliseconds": 0}, "slow-reply": {"milliseconds": 5}, "storm-503": {"count": 5}}

#: A change of the interface: whom it befalls, and what the sentence that stops the pull names there.
STOPPED: dict[str, dict[str, str]] = {
    "rename-element": {
        SAKURA: "renamed Unit_Price → Sales_Price",
        HANBAI: "renamed total_net → total_ht",
        ZUMEN: "renamed Material → Material_Code",
    },
    "remove-element": {SAKURA: "removed Net_Weight", HANBAI: "removed note_public", ZUMEN: "removed Remarks"},
    "narrow-type": {SAKURA: "retyped Inventory → int16", HANBAI: "retyped customer_id → int16", ZUMEN: "retyped Sheets → int16"},
    "repeat-element": {SAKURA: "retyped Shelf_No → list<string>", ZUMEN: "retyped Item_No → list<string>"},
    "change-action": dict.fromkeys(ALL, "call action → "),
    "move-endpoint": dict.fromkeys(ALL, "endpoint endpoint → "),
}
#: A change that stops nobody: what the check of drift names.
REPORTED: dict[str, dict[str, str]] = {
    "add-element": {SAKURA: "added Eco_Rank", HANBAI: "added department", ZUMEN: "added Checked_By"},
    "add-value": {SAKURA: "options Item_Category", ZUMEN: "options Status"},
    "require-element": {SAKURA: "required 規格", ZUMEN: "required Remarks"},
}
#: Trouble of the server or on the wire that ends the pull: the code of its error.
FAILED: dict[str, dict[str, str]] = {
    "change-password": {SAKURA: "soap.refused", HANBAI: "soap.refused_inside", ZUMEN: "soap.fault_refused"},
    "truncate-reply": dict.fromkeys(ALL, "soap.incomplete"),
    "drop-connection": dict.fromkeys(ALL, "source.cut"),
    "wrong-count": dict.fromkeys(ALL, "soap.count_differs"),
    "entity-bomb": dict.fromkeys(ALL, "soap.broken"),
    "login-page": dict.fromkeys(ALL, "soap.html"),
    "empty-reply": dict.fromkeys(ALL, "soap.incomplete"),
    "fault-500": dict.fromkeys(ALL, "soap.fault_server"),
    "fault-200": dict.fromkeys(ALL, "soap.fault_server"),
    "storm-503": dict.fromkeys(ALL, "source.unavailable"),
    "business-error": dict.fromkeys(ALL, "soap.not_ok"),
    "repeat-page": dict.fromkeys(LITERAL, "soap.page_repeated"),
    "move-row": {ZUMEN: "soap.total_differs"},
}
#: What a pull sees through: the same rows come. A full pull asks for no filter; a list without files refers to no part.
SEEN_THROUGH: dict[str, tuple[str, ...]] = {
    "shift-jis": ALL,
    "slow-drip": ALL,
    "slow-reply": ALL,
    "ignore-filter": ALL,
    "lose-part": (ZUMEN,),
}
#: Rows that hold nil where the contract wants a value are held back, or too many of them at once end the pull.
NIL = "change-nillable"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("company")
    process.up(folder, origin=ORIGIN, base_port=0, only=("erp",))
    yield folder
    process.down(folder)


@pytest.fixture(scope="module")
def loaded(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A stream of each service, published once."""
    project = with_contract(project_for(tmp_path_factory.mktemp("broken") / "project", home), STREAMS[SAKURA])
    for service in (HANBAI, ZUMEN):
        shutil.copy(CONTRACTS / f"{STREAMS[service]}.yaml", project.folder / "contracts" / "erp")
    project = load(project.folder)
    for stream in STREAMS.values():
        assert pulled(project, stream).error is None
    return project


@pytest.fixture(autouse=True)
def healed(home: Path) -> Iterator[None]:
    yield
    process.control(home, "heal", {})


def pulled(project: Project, stream: str) -> Result:
    return pull(project, Request(stream, full=True), WallClock())


def broken(home: Path, name: str, service: str) -> None:
    done = process.control(home, "break", {"name": name, "service": service} | BODY.get(name, {}))
    assert done["service"] == service


def each(table: dict[str, Any]) -> list[Any]:
    return [pytest.param(name, service, id=f"{name} {service}") for name, services in table.items() for service in services]


def refused(project: Project, stream: str) -> Result:
    """A pull that ends in an error, said in both languages, after which all that was published is as it was."""
    before, rows = Warehouse(project.root).published(stream), rows_by_key(project, stream)
    result = pulled(project, stream)
    assert result.error is not None and result.published is None
    assert {result.error.code, f"{result.error.code}.remedy"} <= catalogue().keys()
    assert re.search("[ぁ-ん]", result.error.say("ja")) and "Traceback" not in result.error.say("en")
    assert Warehouse(project.root).published(stream) == before and rows_by_key(project, stream) == rows
    return result


def test_every_break_has_its_outcome_here() -> None:
    assert {*STOPPED, *REPORTED, *FAILED, *SEEN_THROUGH, NIL} == BREAKS.keys()


@pytest.mark.parametrize(("name", "service"), each(STOPPED))
def test_a_changed_interface_stops_the_pull_and_is_named(loaded: Project, home: Path, name: str, service: str) -> None:
    broken(home, name, service)
    result = refused(loaded, STREAMS[service])
    assert result.outcome == "stopped" and result.error is not None and result.error.code == "pull.drift"
    assert STOPPED[name][service] in str(result.error)
    process.control(home, "heal", {})
    assert pulled(loaded, STREAMS[service]).error is None, "healed, it goes on as before"


@pytest.mark.parametrize(("name", "service"), each(REPORTED))
def test_a_change_that_breaks_no_reader_is_named_and_no_row_is_missing(loaded: Project, home: Path, name: str, service: str) -> None:
    rows = rows_by_key(loaded, STREAMS[service])
    broken(home, name, service)
    result = pulled(loaded, STREAMS[service])
    assert result.error is None and rows_by_key(loaded, STREAMS[service]).keys() == rows.keys()
    (drift,) = (check for check in result.checks if check.name == "drift")
    assert REPORTED[name][service] in str(drift.summary)
    process.control(home, "heal", {})
    assert pulled(loaded, STREAMS[service]).error is None and rows_by_key(loaded, STREAMS[service]) == rows


@pytest.mark.parametrize(("name", "service"), each(FAILED))
def test_trouble_fails_the_pull_whole_and_the_next_one_is_good(loaded: Project, home: Path, name: str, service: str) -> None:
    rows = rows_by_key(loaded, STREAMS[service])
    broken(home, name, service)
    result = refused(loaded, STREAMS[service])
    assert result.outcome == "failed" and result.error is not None and result.error.exit_code == 3
    assert result.error.code == FAILED[name][service], result.error
    process.control(home, "heal", {})
    assert pulled(loaded, STREAMS[service]).error is None and rows_by_key(loaded, STREAMS[service]) == rows


@pytest.mark.parametrize(("name", "service"), each(SEEN_THROUGH))
def test_what_changes_no_value_changes_no_row(loaded: Project, home: Path, name: str, service: str) -> None:
    rows = rows_by_key(loaded, STREAMS[service])
    broken(home, name, service)
    assert pulled(loaded, STREAMS[service]).error is None and rows_by_key(loaded, STREAMS[service]) == rows


def test_nil_where_a_value_is_required_holds_its_rows_and_never_becomes_one(loaded: Project, home: Path) -> None:
    stream = STREAMS[SAKURA]
    before = rows_by_key(loaded, stream)
    broken(home, NIL, SAKURA)
    result = pulled(loaded, stream)
    assert result.error is None
    (values,) = (check for check in result.checks if check.name == "values")
    assert re.search("values rejected: [1-9]", str(values.summary))
    assert all(before[key] == row for key, row in rows_by_key(loaded, stream).items()), "what fits is as it was"
    process.control(home, "heal", {})
    broken(home, NIL, ZUMEN)
    error = refused(loaded, STREAMS[ZUMEN]).error
    assert error is not None and error.code == "pull.held_back" and "value.nil" in str(error)
