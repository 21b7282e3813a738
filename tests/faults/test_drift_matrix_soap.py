"""The ERP: each change of a service's interface × each policy its kind may have, on each service, and how the pull after it must end."""

from __future__ import annotations

import base64
import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import UTC, date, datetime
from decimal import Decimal
from pathlib import Path
from typing import Any, cast
from zoneinfo import ZoneInfo

import pytest
from conformance.live import ORIGIN, project_for, write_yaml
from conformance.systems import CONTRACTS
from drift_ends import COMMENT, Bench, Cell, End, Row, ended, some, state
from ruamel.yaml import YAML
from soaking import share

from expectations.contract import Contract, FieldSpec
from infra.sandbox import process
from pipelines.clock import WallClock
from pipelines.project import Project, load
from pipelines.pull.outcome import Request, Result
from pipelines.pull.run import pull

SAKURA, HANBAI, ZUMEN = "SakuraErp", "hanbai", "zumen"
#: By service: its stream, what the sandbox calls what the stream reads, and the key of its truth.
STREAMS = {
    SAKURA: ("erp/items", "items", "No"),
    HANBAI: ("erp/hanbai-invoices", "invoices", "id"),
    ZUMEN: ("erp/zumen-drawings", "drawings", "Drawing_No"),
}
TOKYO = ZoneInfo("Asia/Tokyo")
PLAIN, EVOLVING, HOLDING = ("report", "ask", "stop"), ("report", "ask", "stop", "evolve"), ("report", "ask", "stop", "quarantine")
ALL = ("report", "ask", "stop", "evolve", "quarantine")
#: What each key of ``drift:`` may say.
ALLOWED = {
    "added": EVOLVING, "removed": PLAIN, "renamed": PLAIN, "retyped": HOLDING, "widened": ALL,
    "required": ALL, "options": ALL, "identity": PLAIN, "label": EVOLVING,
}  # fmt: skip


class SoapBench(Bench):
    """A stream of one service, in a project of its own."""

    def __init__(self, home: Path, project: Project, service: str) -> None:
        self.home, self.project, self.service = home, project, service
        self.stream, self.entity, self.key = STREAMS[service]

    def pull(self) -> Result:
        return pull(self.project, Request(self.stream, full=True), WallClock())

    def source(self) -> dict[str, Row]:
        rows = process.control(self.home, "truth", {"service": self.service, "entity": self.entity}, server="erp")["rows"]
        fields = self.project.contract(self.stream).fields
        return {str(row[self.key]): {field.name: plain(_at(row, field.source), field) for field in fields} for row in rows}

    def rows(self) -> dict[str, Row]:
        rows = self.warehouse.current(self.stream)
        assert rows is not None
        names = [field.name for field in self.project.contract(self.stream).fields if field.name in rows.column_names]
        found = {row["_key"]: {name: row[name] for name in names} for row in rows.to_pylist()}
        assert len(found) == rows.num_rows, "a key stands twice"
        return found


def _at(row: Row, path: str) -> Any:
    found: Any = row
    for step in path.split("/"):
        found = cast("Row", found).get(step) if isinstance(found, dict) else None
    return found


def plain(told: Any, field: FieldSpec) -> Any:
    """A value as the ERP's truth writes it, as one of the contract's column; one that is none of its values stays as it is."""
    kind = field.type.replace(" ", "")
    value: Any = told
    if isinstance(told, list) and len(cast("list[Any]", told)) == 1 and not kind.startswith("list"):
        # An element that may repeat, and does not.
        value = cast("list[Any]", told)[0]
    if value is None:
        return None
    if kind == "struct":
        return {child.name: plain(value.get(child.source), child) for child in field.fields}
    if kind.startswith("decimal") and not isinstance(told, list):
        return Decimal(str(value))
    if kind == "date32":
        return date.fromisoformat(value)
    if kind == "timestamp[us,UTC]":
        if isinstance(value, int):
            return datetime.fromtimestamp(value, UTC)
        moment = datetime.fromisoformat(value.replace("Z", "+00:00"))
        return moment if moment.tzinfo else moment.replace(tzinfo=TOKYO)
    return base64.b64decode(value) if kind == "binary" else value


# --- what must happen, by the documents -------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Change:
    """One break of one service: whom it befalls, what it is named, and the key of ``drift:`` that rules it."""

    name: str
    service: str
    rule: str
    named: tuple[str, str]
    policies: tuple[str, ...]
    ends: dict[str, End]

    def cells(self) -> list[Cell]:
        stop = End(code="pull.drift", named=(self.named,), says=(self.named[1],))
        return [Cell(self.name, self.rule, policy, self.ends.get(policy) or stop, {"service": self.service}) for policy in self.policies]


def _field(contract: Contract, source: str) -> FieldSpec | None:
    return next((one for one in contract.fields if one.source == source), None)


def goes_on(named: tuple[str, str], **more: Any) -> End:
    return End(named=(named,), **more)


def unfilled(named: tuple[str, str]) -> End:
    """The change is told, and a column of the contract that nothing fills is published in no mode."""
    return End(code="pull.check_failed", named=(named,), says=("schema",))


def many(named: tuple[str, str]) -> End:
    """One row in ten would be held: then it is the contract that fits no longer, and that is for a person."""
    return End(code="pull.held_back", named=(named,))


def _changes() -> Iterator[Change]:
    for name, rule, kind, elements in (
        ("rename-element", "renamed", "renamed", ("Unit_Price", "total_net", "Material")),
        ("remove-element", "removed", "removed", ("Net_Weight", "note_public", "Remarks")),
    ):
        for service, element in zip(STREAMS, elements, strict=True):
            yield Change(name, service, rule, (kind, element), PLAIN, {"report": unfilled((kind, element))})
    for service, element in zip(STREAMS, ("Eco_Rank", "department", "Checked_By"), strict=True):
        came = ("added", element)
        stated = End(states=lambda contract, element=element: getattr(_field(contract, element), "type", "") == "string")
        yield Change("add-element", service, "added", came, EVOLVING, {"report": goes_on(came), "evolve": stated})
    for service, element in zip(STREAMS, ("Inventory", "customer_id", "Sheets"), strict=True):
        # Every number of the narrower type is one of the contract's.
        narrower = goes_on(("retyped", element))
        yield Change("narrow-type", service, "retyped", ("retyped", element), HOLDING, {"report": narrower, "quarantine": narrower})
    for service, element, value in ((SAKURA, "Item_Category", "ZZ"), (ZUMEN, "Status", "Frozen")):
        grown, column = ("options", element), {"Item_Category": "item_category", "Status": "status"}[element]
        held = goes_on(grown, held=lambda row, column=column, value=value: row[column] == value) if service == SAKURA else many(grown)
        stated = End(states=lambda contract, element=element, value=value: value in getattr(_field(contract, element), "options", ()))
        yield Change("add-value", service, "options", grown, ALL, {"report": goes_on(grown), "evolve": stated, "quarantine": held})
    for service, element in ((SAKURA, "規格"), (ZUMEN, "Remarks")):
        required = goes_on(("required", element))
        # The contract promises less than the source now holds to: nothing to write, and no next version.
        told = End(named=(("required", element),))
        ends = {"report": required, "evolve": told, "quarantine": required}
        yield Change("require-element", service, "required", ("required", element), ALL, ends)
    for service, element, column in ((SAKURA, "Inventory", "inventory"), (ZUMEN, "Sheets", "sheets")):
        nil = ("required", element)
        held = goes_on(nil, held=lambda row, column=column: row[column] is None) if service == SAKURA else many(nil)
        stated = End(states=lambda contract, element=element: getattr(_field(contract, element), "required", True) is False)
        yield Change("change-nillable", service, "required", nil, ALL, {"report": held, "evolve": stated, "quarantine": held})
    for service, element, column in ((SAKURA, "Shelf_No", "shelf_no"), (ZUMEN, "Item_No", "item_code")):
        lists = ("retyped", element)
        held = goes_on(lists, held=lambda row, column=column: isinstance(row[column], list)) if service == SAKURA else many(lists)
        yield Change("repeat-element", service, "retyped", lists, HOLDING, {"report": held, "quarantine": held})
    for service in STREAMS:
        # How an operation is called is ruled by no policy: whoever goes on calling the old way is refused or misread.
        yield Change(
            "change-action",
            service,
            "identity",
            ("call", "action"),
            PLAIN,
            {"report": _settled(("call", "action")), "ask": _settled(("call", "action"))},
        )
        moved = ("endpoint", "endpoint")
        yield Change("move-endpoint", service, "identity", moved, PLAIN, {"report": End(code="soap.endpoint_elsewhere")})
        refused = {SAKURA: "soap.refused", HANBAI: "soap.refused_inside", ZUMEN: "soap.fault_refused"}[service]
        yield Change("change-password", service, "identity", moved, PLAIN, dict.fromkeys(PLAIN, End(code=refused)))


def _settled(named: tuple[str, str]) -> End:
    return End(code="pull.drift", named=(named,), says=(named[1],), settled="stop")


CELLS = [cell for change in _changes() for cell in change.cells()]


# --- doing it -----------------------------------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("company")
    process.up(folder, origin=ORIGIN, base_port=0, only=("erp",))
    yield folder
    process.down(folder)


#: By service and policy, the folder of a project whose contract has that policy wherever a kind can have it, published once.
Bases = dict[tuple[str, str], Path]


@pytest.fixture(scope="module")
def bases() -> Bases:
    return {}


def base(bases: Bases, home: Path, folder: Path, service: str, policy: str) -> Path:
    if (service, policy) not in bases:
        drift = {key: policy for key, allowed in ALLOWED.items() if policy in allowed}
        bases[service, policy] = prepared(home, folder / f"{service}-{policy}", service, drift)
    return bases[service, policy]


def prepared(home: Path, folder: Path, service: str, drift: dict[str, str]) -> Path:
    """A project with the service's stream under these policies, published once."""
    project, stream = project_for(folder, home), STREAMS[service][0]
    path = project.folder / "contracts" / f"{stream}.yaml"
    path.parent.mkdir(parents=True)
    contract = YAML(typ="safe").load((CONTRACTS / f"{stream}.yaml").read_text(encoding="utf-8"))
    write_yaml(path, contract | {"drift": drift})
    path.write_text(f"{COMMENT}\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    first = pull(load(project.folder), Request(stream, full=True), WallClock())
    assert first.error is None, first.error
    return project.folder


def lived(home: Path, folder: Path, cell: Cell, first: Path) -> None:
    shutil.copytree(first, folder)
    one = SoapBench(home, load(folder), str(cell.body["service"]))
    before = state(one)
    try:
        process.control(home, "break", {"name": cell.name, **cell.body})
        ended(one, before, one.pull(), cell)
    finally:
        process.control(home, "heal", {})


def name_of(cell: Cell) -> str:
    return f"{cell.id} {cell.body['service']}"


SLICE = some(CELLS, 12, 2, lambda cell: (cell.name, cell.policy, str(cell.body["service"])))


@pytest.mark.parametrize("cell", SLICE, ids=name_of)
def test_a_change_of_the_interface_ends_as_the_contract_says(
    home: Path, bases: Bases, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, cell: Cell
) -> None:
    lived(home, tmp_path / "cell", cell, base(bases, home, tmp_path_factory.mktemp("base"), str(cell.body["service"]), cell.policy))


@pytest.mark.soak
@pytest.mark.parametrize("cell", share(CELLS), ids=name_of)
def test_every_change_of_the_interface_under_every_policy_ends_as_the_contract_says(
    home: Path, bases: Bases, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, cell: Cell
) -> None:
    lived(home, tmp_path / "cell", cell, base(bases, home, tmp_path_factory.mktemp("base"), str(cell.body["service"]), cell.policy))
