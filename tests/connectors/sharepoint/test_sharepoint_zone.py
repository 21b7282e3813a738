"""Which time zone a site's date-only columns are read in."""

from __future__ import annotations

from typing import Any

import pytest
from sharepoint_world import GRAPH, Table, rows_of, stream_of, tenant

from connectors.errors import FixConfiguration
from connectors.protocol import Window
from connectors.sharepoint.addresses import Addresses
from connectors.sharepoint.pull import pull
from connectors.sharepoint.schema import list_fields

COLUMN = {"id": "c1", "name": "Due", "displayName": "期限", "dateTime": {"format": "dateOnly"}}
STREAM = stream_of({"site": "/sites/quality", "kind": "list", "name": "台帳"}, list_fields([COLUMN]), "id")
API = "/sites/quality/_api/web"


def due(rest: Table | None) -> Any:
    item = {"id": "1", "fields": {"Due": "2026-11-20T15:00:00Z"}, "lastModifiedDateTime": "2026-11-01T00:00:00Z"}
    graph = Table({
        "/v1.0/sites/contoso.sharepoint.example:/sites/quality": {"id": "S"},
        "/v1.0/sites/S/lists": {"value": [{"id": "L1", "displayName": "台帳", "list": {"template": "genericList"}}]},
        "/v1.0/sites/S/lists/L1/columns": {"value": [COLUMN]},
        "/v1.0/sites/S/lists/L1/items/delta": {"value": [item], "@odata.deltaLink": f"{GRAPH}/v1.0/x?token=1"},
    })  # fmt: skip
    (row,) = rows_of(list(pull(Addresses(tenant(graph, rest)), STREAM, Window(), None, None)))
    return str(row["Due"])


def site(zone: dict[str, Any]) -> Table:
    return Table({
        f"{API}/regionalsettings/timezone": zone,
        "/sites/quality/_api/Web": {"Id": "w", "HasUniqueRoleAssignments": True},
        "/sites/quality/_api/Web/lists/GetById('L1')": {"Id": "L1", "HasUniqueRoleAssignments": False},
        f"{API}/lists(guid'L1')/items": {"value": []},
    })  # fmt: skip


def test_the_sites_own_zone_decides_the_day() -> None:
    assert due(site({"Id": 20, "Description": "(UTC+09:00) Osaka, Sapporo, Tokyo"})) == "2026-11-21"
    assert due(site({"Id": 10, "Description": "(UTC-05:00) Eastern Time"})) == "2026-11-20"


def test_a_zone_nobody_knows_stops_the_pull_with_the_line_to_write() -> None:
    with pytest.raises(FixConfiguration, match=r"999.*timezone: Asia/Tokyo"):
        due(site({"Id": 999, "Description": "Somewhere"}))


def test_without_a_certificate_the_project_file_must_say_the_zone() -> None:
    with pytest.raises(FixConfiguration, match="without a certificate"):
        due(None)
