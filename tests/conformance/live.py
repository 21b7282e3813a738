"""What the live tests share: a sandbox of one or two servers, a project written from what its connectors offer, and the truth to compare with.

The contracts here are made from ``discover()``: a test that reads the source must not depend on what somebody named a column.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ruamel.yaml import YAML

from connectors.protocol import Connector, LiveField, Offer
from expectations.contract import Contract
from expectations.types import write_type
from infra.sandbox import process
from pipelines.project import Project, load

#: Fixed, so that the company lives the same days in every run: a Monday, 10:00 in Tokyo.
ORIGIN = datetime(2026, 6, 1, 1, 0, tzinfo=UTC)
#: The systems as the example project knows them.
EXAMPLE = Path(__file__).resolve().parents[2] / "infra" / "project" / "project.yaml"
SYSTEMS: dict[str, dict[str, Any]] = YAML(typ="safe").load(EXAMPLE.read_text(encoding="utf-8"))["systems"]
#: What stands in a later version of a contract, where a test is not about who accepted it.
ACCEPTED: dict[str, Any] = {
    "by": "akari.mori@sakura-seiki.example",
    "at": "2026-06-01",
    "why": "wanted by this test",
    "seconded": {"by": "riku.ikeda@sakura-seiki.example", "at": "2026-06-01"},
}
#: Systems whose change feeds name what is gone, and whose contracts go on from the feed's own cursor.
FEEDS = frozenset({"sharepoint"})


def without_our_variables() -> dict[str, str]:
    """This process's environment without anything that would outrank a project's own ``.env``."""
    return {name: value for name, value in os.environ.items() if not name.startswith(("FORTNIGHT_", "KINTONE_", "ERP_", "SHAREPOINT_"))}


def project_for(folder: Path, home: Path) -> Project:
    """A project without contracts that points at the servers running in ``home``."""
    folder.mkdir(parents=True, exist_ok=True)
    environment = process.environment(home)
    (folder / ".env").write_text("\n".join(f"{name}={value}" for name, value in environment.items()) + "\n", encoding="utf-8")
    running = process.status(home)
    assert running is not None
    write_yaml(
        folder / "project.yaml",
        {
            "name": "live",
            "environment": "sandbox",
            "env_file": ".env",
            "ca_file": {"env": "FORTNIGHT_CA_FILE"},
            "storage": {"root": "./data"},
            "systems": {one.name: SYSTEMS[one.name] for one in running.servers},
        },
    )
    return load(folder)


@contextmanager
def tenant(folder: Path) -> Iterator[Path]:
    """A SharePoint that runs in ``folder`` alone, for as long as this lasts."""
    process.up(folder, origin=ORIGIN, base_port=0, only=("sharepoint",))
    try:
        yield folder
    finally:
        process.down(folder)


def with_offers(folder: Path, home: Path, streams: Mapping[tuple[str, str], str]) -> Project:
    """A project with these streams of the tenant in ``home``: by their site, and by their name there, which pages have none of."""
    project = project_for(folder, home)
    offers = offers_by_place(project)
    for place, stream in streams.items():
        write_contract(project, contract_of(offers[place], stream))
    return load(project.folder)


def offers_by_place(project: Project) -> dict[tuple[str, str], Offer]:
    """Every stream that the project's tenant offers, by site and name."""
    connector = project.connect("sharepoint")
    try:
        return {(str(offer.source["site"]), str(offer.source.get("name", ""))): offer for offer in connector.discover()}
    finally:
        connector.close()


def with_contract(project: Project, stream: str, **changes: Any) -> Project:
    """The project with a contract for one of the streams its source offers; ``changes`` replace keys of the contract."""
    system, name = stream.split("/")
    connector = project.connect(system)
    try:
        offer = offered(connector, name)
    finally:
        connector.close()
    write_contract(project, contract_of(offer, stream) | changes)
    return load(project.folder)


def write_contract(project: Project, contract: Mapping[str, Any]) -> Path:
    """Write a contract; an acceptance in it is of what it says."""
    if contract.get("accepted") and not contract["accepted"].get("promise"):
        said = Contract.model_validate(contract).fingerprint()
        contract = {**contract, "accepted": {**contract["accepted"], "promise": said}}
    path = project.folder / "contracts" / f"{contract['stream']}.yaml"
    write_yaml(path, contract)
    return path


def offered(connector: Connector, name: str) -> Offer:
    return next(offer for offer in connector.discover() if offer.name == name)


def contract_of(offer: Offer, stream: str) -> dict[str, Any]:
    """A contract that says exactly what the source says, columns named by their source codes."""
    contract: dict[str, Any] = {
        "stream": stream,
        "version": 1,
        "source": {name: value for name, value in offer.source.items() if name not in ("fingerprint", "revision")},
        "key": [column_name(source) for source in offer.key],
        "fields": [_field(field) for field in offer.schema.fields],
    }
    if offer.cursor:
        contract["cursor"] = {"field": column_name(offer.cursor), "lookback": "PT5M"}
        if stream.split("/")[0] in FEEDS:
            contract["cursor"]["deletes"] = "feed"
    return contract


def column_name(source: str) -> str:
    return {"$id": "record_id", "$revision": "revision"}.get(source, source.rpartition("/")[2].replace(".", "_").replace("@", "_"))


def write_yaml(path: Path, content: Any) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8") as target:
        YAML(typ="safe").dump(content, target)


def _field(field: LiveField) -> dict[str, Any]:
    import pyarrow as pa

    found: dict[str, Any] = {
        "name": column_name(field.source),
        "source": field.source,
        "label": field.label,
        "type": write_type(field.type),
        "required": field.required,
    }
    inner = field.type.value_type if pa.types.is_list(field.type) else field.type
    if field.children:
        found["fields"] = [_field(child) for child in field.children]
    elif pa.types.is_struct(inner):
        found["fields"] = [{"name": one.name, "source": one.name, "type": write_type(one.type)} for one in inner]
    return found


def rows_by_key(project: Project, stream: str) -> dict[str, dict[str, Any]]:
    """The live rows as published, without our own columns, by the text of their key."""
    from pipelines.landing.warehouse import Warehouse

    rows = Warehouse(project.root).current(stream)
    if rows is None:
        return {}
    names = [field.name for field in project.contract(stream).fields]
    return dict(zip(rows["_key"].to_pylist(), rows.select(names).to_pylist(), strict=True))


def kintone_truth(home: Path, app: str) -> dict[str, dict[str, Any]]:
    """Every record of an app as the sandbox holds it, by id: the cells as kintone's JSON writes them."""
    answer = process.control(home, "truth", {"app": app}, server="kintone")
    return {record["$id"]["value"]: record for record in answer["records"]}


def erp_truth(home: Path, entity: str) -> list[dict[str, Any]]:
    return list(process.control(home, "truth", {"entity": entity}, server="erp")["rows"])


def text_of(value: Any) -> Any:
    """A typed value back as its source would write it: independent of the connectors' own decoders."""
    from datetime import date
    from decimal import Decimal

    if isinstance(value, Decimal):
        text = format(value, "f")
        return text.rstrip("0").rstrip(".") if "." in text else text
    if isinstance(value, datetime):
        return value.astimezone(UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return value


def kintone_text(value: Any) -> Any:
    """What kintone's JSON says, in the form ``text_of`` gives: empty texts are nothing, numbers lose their trailing zeros."""
    if value in ("", None):
        return None
    return value


def chosen(pairs: Iterable[tuple[str, Any]]) -> dict[str, Any]:
    return dict(pairs)
