"""kintone: each break that changes what a contract promises × each policy its kind may have, and how the pull after it must end."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from decimal import Decimal, InvalidOperation
from pathlib import Path
from typing import Any

import pytest
from conformance.live import ORIGIN, contract_of, write_yaml
from drift_cells_kintone import ANSWERED, EVERY, NUMBER, RICH, TEXT
from drift_ends import COMMENT, Bench, Cell, Row, ended, some, state
from houses import without_waiting
from kintone_house import App, House, Target, house, said, target, told
from soaking import share

from expectations.contract import FieldSpec
from pipelines.project import load
from pipelines.pull.accept import Asked, accept
from pipelines.pull.compare import compare_schema, last_seen
from pipelines.pull.outcome import Result

RECORDS = 12
DAY = date(2026, 6, 1)


class KintoneBench(Bench):
    """A small app of its own, and a project with its contract."""

    stream = Target.stream

    def __init__(self, one: Target) -> None:
        self.target, self.project = one, one.project

    def pull(self, **request: Any) -> Result:
        return self.target.pull(**request)

    def source(self) -> dict[str, Row]:
        fields = self.project.contract(self.stream).fields
        return {
            str(number): {field.name: plain(record.get(field.source), field) for field in fields}
            for number, record in self.target.app.truth().items()
        }

    def rows(self) -> dict[str, Row]:
        rows = self.warehouse.current(self.stream)
        assert rows is not None
        names = [field.name for field in self.project.contract(self.stream).fields if field.name in rows.column_names]
        found = {row["_key"]: {name: as_said(row[name]) for name in names} for row in rows.to_pylist()}
        assert len(found) == rows.num_rows, "a key stands twice"
        return found


def plain(cell: dict[str, Any] | None, field: FieldSpec) -> Any:
    """A cell as kintone's JSON has it, as a value of the contract's column where it is one."""
    if cell is None or cell["value"] in ("", None) or (cell["value"] == [] and not field.type.startswith("list")):
        return None
    if cell["type"] == "SUBTABLE":
        inner = {child.source: child for child in field.fields if child.source != "id"}
        return [{code: plain(row["value"].get(code), child) for code, child in inner.items()} for row in cell["value"]]
    if field.type.startswith("decimal") and isinstance(cell["value"], str):
        try:
            return Decimal(cell["value"])
        except InvalidOperation:
            return cell["value"]
    return said(cell)


def as_said(value: Any) -> Any:
    """A landed value in the same form; rows of a table without their numbers."""
    if isinstance(value, list) and any(isinstance(one, dict) and "code" not in one for one in value):
        return [{code: as_said(cell) for code, cell in row.items() if code != "id"} for row in value]
    return told(value)


# --- doing it -----------------------------------------------------------------------------------------------------------------------


@dataclass(frozen=True)
class Forms:
    """A house, and the contract of each of two forms: the small one's and that of the orders."""

    template: Target
    small: dict[str, Any]
    rich: dict[str, Any]

    @property
    def home(self) -> House:
        return self.template.app.house


@pytest.fixture(scope="module")
def forms(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Forms]:
    folder = tmp_path_factory.mktemp("matrix")
    with house(folder / "house", ORIGIN) as home, without_waiting():
        made = target(folder / "template", home.app(1))
        offers = {one.source.get("app_code"): one for one in made.connector.discover()}
        contracts = [contract_of(offers[code], Target.stream) for code in (made.app.code, "ORDERS")]
        yield Forms(made, *contracts)
        made.close()


def bench(forms: Forms, folder: Path, cell: Cell) -> KintoneBench:
    """A new app of few records and a project with its contract, pulled once ten minutes ago."""
    app, contract = (orders(forms.home), forms.rich) if cell in RICH else (forms.home.app(RECORDS), forms.small)
    if cell.name == "require-no-more":
        app.broken("require-field", field=TEXT)
    return KintoneBench(loaded(forms, folder, app, contract_for(app, contract, cell)))


def orders(home: House) -> App:
    """An app like that of the orders, with six of them."""
    made = home.control("break", name="recreate-app", app="ORDERS", code="RICH")
    app = App(home, "RICH", int(made["app"]), made["api_token"])
    partner = home.control("truth", app="CUSTOMERS", ids=[1])["records"][0]["顧客コード"]["value"]
    lines = [{"value": {"数量": {"value": "3"}, "単価": {"value": "1200"}}}, {"value": {"数量": {"value": "1"}, "単価": {"value": "88"}}}]
    app.insert(
        *(
            {"受注番号": f"SO-{number}", "受注日": "2026-05-29", "顧客コード": partner, "備考": "至急", "明細": lines, "受注区分": "標準"}
            for number in range(1, 7)
        )
    )
    return app


def contract_for(app: App, like: dict[str, Any], cell: Cell) -> dict[str, Any]:
    """The contract of a form for this app, with the options of each field."""
    source = {"app_code": app.code, "app_id": app.number}
    contract = like | {"source": source, "drift": cell.drift, "cursor": like["cursor"] | {"deletes": "count-then-bisect"}}
    properties = app.house.rest("GET", f"app/form/fields.json?app={app.number}")["properties"]
    contract["fields"] = [_as_now(field, properties.get(field["source"], {})) for field in like["fields"]]
    if cell.name.endswith("unlisted"):
        contract["fields"] = [{name: value for name, value in field.items() if name != "options"} for field in contract["fields"]]
    return contract


def _as_now(field: dict[str, Any], found: dict[str, Any]) -> dict[str, Any]:
    options = found.get("options")
    stated = {"options": sorted(options, key=lambda name: int(options[name]["index"]))} if options else {}
    return field | stated | {"required": field["required"] or found.get("required") is True}


def loaded(forms: Forms, folder: Path, app: App, contract: dict[str, Any]) -> Target:
    folder.mkdir(parents=True)
    for name in ("project.yaml", ".env"):
        shutil.copy(forms.template.folder / name, folder / name)
    path = folder / "contracts" / f"{Target.stream}.yaml"
    write_yaml(path, contract)
    path.write_text(f"{COMMENT}\n{path.read_text(encoding='utf-8')}", encoding="utf-8")
    project = load(folder)
    made = Target(folder, app, project, project.connect("kintone"))
    first = made.pull()
    assert first.error is None, first.error
    app.house.later(minutes=10)
    return made


def broken(one: KintoneBench, cell: Cell) -> None:
    """The break, and what people save once the form is another."""
    app = one.target.app
    name = "precision" if cell.name.startswith("precision") else "require-field" if cell.name == "require-no-more" else cell.name.split()[0]
    body = {key: value.format(app.number) if isinstance(value, str) and key == "to" else value for key, value in cell.body.items()}
    body = {key: app.code if value == "{code}" else value for key, value in body.items() if key != "saved"}
    done = app.broken(name, **body)
    if cell.name in ("recreate-app same code", "renumber-app"):
        app.number = int(done["app"])
    ids = sorted(range(1, RECORDS + 1))
    if cell.name == "precision-wider":
        app.update(ids[:1], **{NUMBER: "1.2345"})
        app.update(ids[1:2], **{NUMBER: "12345678901234567890.1234567891"})
    elif cell.name.startswith("replace-type"):
        app.update(ids[::2], **{cell.body["field"]: cell.body["saved"]})
        # The others are saved, too, so that nobody takes them for values that went in silence.
        app.update(
            ids[1::2],
            **({NUMBER: "12"} if cell.body["type"] in ("SINGLE_LINE_TEXT", "LINK") and cell.body["field"] == NUMBER else {TEXT: "保存"}),
        )
    elif cell.name == "require-no-more":
        app.update(ids[:2], **{TEXT: ""})
    elif cell.name == "add-field":
        app.update(ids[:2], **{"追加項目": "はい"})


def lived(forms: Forms, folder: Path, cell: Cell) -> None:
    one = bench(forms, folder, cell)
    try:
        before = state(one)
        broken(one, cell)
        ended(one, before, one.pull(), cell)
    finally:
        forms.home.control("heal")
        one.target.close()


def answered(forms: Forms, folder: Path, cell: Cell) -> None:
    """The break waits for people; two of them accept it, and the next pull goes on under what they accepted."""
    one = bench(forms, folder, cell)
    try:
        broken(one, cell)
        assert one.pull().error is not None
        project, contract = one.project, one.project.contract(one.stream)
        live, since = one.target.connector.describe(contract.told()), last_seen(project.root, one.stream)
        drift, _ = compare_schema(contract, live, since)
        done = accept(project, contract, live, drift, since, Asked("akari.mori@sakura-seiki.example", DAY, "the owner meant it"))
        assert done is not None
        if done.second:
            halfway = one.pull().error
            assert halfway is not None and halfway.code == "contract.one_person"
            now = project.contract(one.stream)
            drift, _ = compare_schema(now, live, since)
            assert accept(project, now, live, drift, since, Asked("riku.ikeda@sakura-seiki.example", DAY, "seconded")) is not None
        before = state(one)
        result = one.pull(accept_gone=True)
        assert result.error is None, f"{result.error.code}: {result.error}"
        assert one.rows() == one.source() and result.contract_version == 2
        record = one.warehouse.published(one.stream)
        assert record is not None and record.contract_version == 2 and state(one).files == before.files
        assert COMMENT in one.path.read_text(encoding="utf-8")
        assert (one.path.parent / "history" / one.path.name.replace(".yaml", ".v1.yaml")).exists()
    finally:
        forms.home.control("heal")
        one.target.close()


SLICE = some(EVERY, 22, 1, lambda cell: (cell.name, cell.policy, f"{cell.rule}"))


@pytest.mark.parametrize("cell", SLICE, ids=lambda cell: cell.id)
def test_a_break_ends_as_the_contract_says(forms: Forms, tmp_path: Path, cell: Cell) -> None:
    lived(forms, tmp_path / "cell", cell)


@pytest.mark.soak
@pytest.mark.parametrize("cell", share(EVERY), ids=lambda cell: cell.id)
def test_every_break_under_every_policy_ends_as_the_contract_says(forms: Forms, tmp_path: Path, cell: Cell) -> None:
    lived(forms, tmp_path / "cell", cell)


ASKED = some(ANSWERED, 4, 4, lambda cell: (cell.name, f"{cell.rule}"))


@pytest.mark.parametrize("cell", ASKED, ids=lambda cell: cell.id)
def test_what_is_asked_about_goes_on_once_people_accepted_it(forms: Forms, tmp_path: Path, cell: Cell) -> None:
    answered(forms, tmp_path / "cell", cell)


@pytest.mark.soak
@pytest.mark.parametrize("cell", share(ANSWERED), ids=lambda cell: cell.id)
def test_everything_that_is_asked_about_goes_on_once_people_accepted_it(forms: Forms, tmp_path: Path, cell: Cell) -> None:
    answered(forms, tmp_path / "cell", cell)
