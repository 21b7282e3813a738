"""Clients that others wrote read the sandbox: what we claim to speak is what the vendors' own libraries speak."""

from __future__ import annotations

import asyncio
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conformance.live import erp_truth

from infra.sandbox import process


@pytest.mark.parametrize("version", ["1.1", "1.2"])
def test_zeep_loads_the_contract_and_reads_every_item(sandbox: Path, version: str) -> None:
    from requests import Session
    from requests.auth import HTTPBasicAuth
    from zeep import Client, Settings
    from zeep.transports import Transport

    described = process.describe(sandbox)["erp"]
    session = Session()
    session.trust_env = False
    session.auth = HTTPBasicAuth(described["user"], described["password"])
    session.verify = str(sandbox / "ca" / "ca.pem")
    client = Client(described["wsdl"], transport=Transport(session=session), settings=Settings(strict=True, forbid_external=False))
    service = next(iter(client.wsdl.services.values()))
    bound = [
        name
        for name, port in service.ports.items()
        if type(port.binding).__name__ == ("Soap12Binding" if version == "1.2" else "Soap11Binding")
    ]
    assert bound, f"the contract binds SOAP {version}"
    items = client.bind(service.name, bound[0])
    rows: list[Any] = []
    while True:
        answer = items.ReadMultipleItems(filter=[], bookmarkKey=rows[-1].Key if rows else None, setSize=70)
        assert answer.ResultCode == "OK"
        page = answer.ReadMultiple_Result.Item if answer.ReadMultiple_Result else []
        if not page:
            break
        rows += page
    truth = erp_truth(sandbox, "items")
    assert {row.No: (row.Description, str(row.Unit_Price.normalize())) for row in rows} == {
        row["No"]: (row["Description"], str(Decimal(str(row["Unit_Price"])).normalize())) for row in truth
    }
    assert len(rows) == len(truth) == items.CountItems().Count


@pytest.fixture
def graph(sandbox: Path) -> Iterator[tuple[Any, dict[str, Any]]]:
    """Microsoft's own Graph client on the sandbox, with a token got from its authority by the plain client-credentials grant."""
    import httpx
    from azure.core.credentials import AccessToken
    from kiota_authentication_azure.azure_identity_authentication_provider import AzureIdentityAuthenticationProvider
    from msgraph import GraphRequestAdapter, GraphServiceClient

    described = process.describe(sandbox)["sharepoint"]
    ca = str(sandbox / "ca" / "ca.pem")
    tenant = described["tenant"]
    authority = str(described["authority"]).rstrip("/")
    base = authority if authority.endswith(tenant) else f"{authority}/{tenant}"
    asked = {
        "grant_type": "client_credentials",
        "client_id": described["client_id"],
        "client_secret": described["client_secret"],
        "scope": f"{described['graph'].rstrip('/')}/.default",
    }
    with httpx.Client(verify=ca, trust_env=False) as http:
        answer = http.post(f"{base}/oauth2/v2.0/token", data=asked)
    assert answer.status_code == 200, answer.text
    token = answer.json()["access_token"]

    class Credential:
        def get_token(self, *_: str, **__: Any) -> AccessToken:
            return AccessToken(token, 2**33)

    host = described["graph"].split("://", 1)[1].strip("/")
    adapter = GraphRequestAdapter(
        AzureIdentityAuthenticationProvider(Credential(), scopes=["x/.default"], allowed_hosts=[host, host.split(":")[0]]),  # type: ignore[arg-type]
        client=httpx.AsyncClient(verify=ca, trust_env=False, follow_redirects=True),
    )
    adapter.base_url = f"{described['graph'].rstrip('/')}/v1.0"
    yield GraphServiceClient(request_adapter=adapter), described


def test_microsofts_own_client_walks_the_drives_delta_to_its_delta_link(graph: tuple[Any, dict[str, Any]], sandbox: Path) -> None:
    client, described = graph

    async def walk() -> tuple[list[Any], str]:
        from urllib.parse import urlsplit

        url = str(
            next(
                url
                for url in (described["site_urls"].values() if isinstance(described["site_urls"], dict) else described["site_urls"])
                if "quality" in url
            )
        )
        parts = urlsplit(url)
        site = await client.sites.by_site_id(f"{parts.hostname}:{parts.path}").get()
        drives = await client.sites.by_site_id(site.id).drives.get()
        drive = next(one for one in drives.value if one.name == "製品マニュアル")
        builder = client.drives.by_drive_id(drive.id).items.by_drive_item_id("root").delta
        page, items = await builder.get(), []
        while True:
            items += page.value
            if page.odata_next_link is None:
                return items, page.odata_delta_link
            page = await builder.with_url(page.odata_next_link).get()

    items, link = asyncio.run(walk())
    files = {item.id: item for item in items if item.file is not None}
    assert files and link and "token" in link
    assert len({item.id for item in items}) == len(items)
    assert all(item.size > 0 and item.name for item in files.values())
