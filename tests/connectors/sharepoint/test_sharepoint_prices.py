"""What requests cost: each shape of address that the connector asks for, by the vendor's list."""

from __future__ import annotations

import pytest

from connectors.sharepoint.prices import units

GRAPH = "https://graph.microsoft.com/v1.0"
HOST = "https://contoso.sharepoint.com"


@pytest.mark.parametrize(
    "url",
    [
        f"{GRAPH}/drives/b!D/items/F?$select=id,name",
        f"{GRAPH}/drives/b!D/items/F/content",
        f"{GRAPH}/drives/b!D/root?$select=id",
        f"{GRAPH}/drives/b!D/root/delta?token=abc",
        f"{GRAPH}/drives/b!D/root/delta(token='2026-01-01T00:00:00Z')",
        f"{GRAPH}/sites/contoso.sharepoint.com:/sites/quality",
        f"{GRAPH}/sites/contoso.sharepoint.com:/sites/quality:",
        f"{GRAPH}/drives/b!D/root:/items/children",
        f"{GRAPH}/sites/root",
        f"{GRAPH}/sites/h,c,w/lists/L/items/7?$expand=fields",
        f"{GRAPH}/sites/h,c,w/pages/P/microsoft.graph.sitePage?$expand=canvasLayout",
        f"{HOST}/_layouts/15/download.aspx?UniqueId=x&tempauth=y",
        "/sites/h,c,w/pages/P/microsoft.graph.sitePage?$expand=canvasLayout",
    ],
)
def test_a_single_item_a_delta_with_a_token_and_a_download_cost_one(url: str) -> None:
    assert units("GET", url) == 1


@pytest.mark.parametrize(
    "url",
    [
        f"{GRAPH}/drives/b!D/root/delta?$select=id,name",
        f"{GRAPH}/drives/b!D/root/delta()",
        f"{GRAPH}/drives/b!D/items/F/children",
        f"{GRAPH}/drives/b!D/root:/図面:/children",
        f"{GRAPH}/sites/h,c,w/drives",
        f"{GRAPH}/sites/contoso.sharepoint.com:/sites/quality:/lists",
        f"{GRAPH}/sites/h,c,w/lists/L/items?$expand=fields",
        f"{GRAPH}/sites/h,c,w/pages/microsoft.graph.sitePage",
        f"{GRAPH}/users?$top=999",
        f"{GRAPH}/groups/G/members?$select=id",
        f"{GRAPH}/sites/getAllSites",
        f"{GRAPH}/something/that/nobody/knows/yet",
        f"{HOST}/sites/q/_api/Web/siteGroups/GetById(5)/Users",
        f"{HOST}/sites/q/_api/web/lists(guid'L')/items?$select=Id,HasUniqueRoleAssignments",
        "groups/G/members",
    ],
)
def test_a_collection_a_first_delta_and_what_nobody_knows_cost_two(url: str) -> None:
    assert units("GET", url) == 2


@pytest.mark.parametrize(
    "url",
    [
        f"{GRAPH}/drives/b!D/items/F/permissions",
        f"{GRAPH}/drives/b!D/items/F/permissions/P",
        f"{GRAPH}/sites/S/permissions",
        f"{GRAPH}/drives/b!D/items/F/children?$expand=permissions",
        f"{GRAPH}/drives/b!D/items/F?%24expand=permissions",
        f"{HOST}/sites/q/_api/Web/RoleAssignments?$expand=Member,RoleDefinitionBindings",
        f"{HOST}/sites/q/_api/web/GetUserEffectivePermissions(@u)?@u='x'",
    ],
)
def test_whatever_touches_permissions_costs_five(url: str) -> None:
    assert units("GET", url) == 5


def test_a_folder_that_is_called_permissions_is_a_folder() -> None:
    assert units("GET", f"{GRAPH}/drives/D/root:/permissions:/children") == 2


def test_a_token_costs_nothing_and_a_batch_is_paid_by_its_parts() -> None:
    assert units("POST", "https://login.microsoftonline.com/contoso/oauth2/v2.0/token") == 0
    assert units("GET", "http://127.0.0.1:41741/msi/token/?resource=https://graph.microsoft.com") == 0
    assert units("GET", "https://login.microsoftonline.com/contoso/v2.0/.well-known/openid-configuration") == 0
    assert units("POST", f"{GRAPH}/$batch") == 0
    assert units("PATCH", f"{GRAPH}/drives/D/items/F") == 2
