"""Clients that others wrote read the sandbox: what we claim to speak is what the vendors' own libraries speak."""

from __future__ import annotations

import asyncio
import json
import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from decimal import Decimal
from pathlib import Path
from typing import Any

import pytest
from conformance.live import erp_truth, kintone_truth

from infra.sandbox import process

#: Kept between runs: npm is asked once per version and machine.
CLIENT = "@kintone/rest-api-client@5.7.5"
SCRIPT = """
const { KintoneRestAPIClient } = require('@kintone/rest-api-client');
const client = new KintoneRestAPIClient({ baseUrl: process.env.BASE_URL, auth: { apiToken: process.env.TOKEN } });
(async () => {
  const app = process.env.APP;
  const count = (records) => [records.length, new Set(records.map((one) => one.$id.value)).size];
  const withId = count(await client.record.getAllRecordsWithId({ app, fields: ['$id', '受注番号'] }));
  const withCursor = count(await client.record.getAllRecordsWithCursor({ app, fields: ['$id'], query: '' }));
  const some = await client.record.getAllRecordsWithId({ app, condition: '受注区分 in ("特注") or 受注区分 in ("修理")', fields: ['$id', '受注区分'] });
  const fields = Object.keys((await client.app.getFormFields({ app })).properties).length;
  console.log(JSON.stringify({ withId, withCursor, some: count(some), kinds: [...new Set(some.map((one) => one['受注区分'].value))].sort(), fields }));
})().catch((error) => { console.error(error); process.exit(1); });
"""


def lacking(what: str) -> None:
    """Without node or npm the test says so and is skipped; in CI, which installs them, that is a failure."""
    if os.environ.get("CI"):
        pytest.fail(f"CI must run this test: {what}")
    pytest.skip(what)


@pytest.fixture(scope="session")
def node_folder() -> Path:
    """A folder with the official client installed."""
    for program in ("node", "npm"):
        if shutil.which(program) is None:
            lacking(f"{program} is not installed, so the official kintone client was not run")
    folder = (
        Path(os.environ.get("XDG_CACHE_HOME") or tempfile.gettempdir())
        / f"fortnight-tests-{os.getuid()}"
        / CLIENT.replace("/", "-").replace("@", "-")
    )
    if not (folder / "node_modules" / "@kintone" / "rest-api-client").exists():
        folder.mkdir(parents=True, exist_ok=True)
        done = subprocess.run(
            ["npm", "install", "--no-audit", "--no-fund", "--ignore-scripts", "--prefix", str(folder), CLIENT],
            capture_output=True,
            text=True,
            check=False,
            timeout=180,
        )
        if done.returncode:
            shutil.rmtree(folder, ignore_errors=True)
            lacking(f"npm could not install {CLIENT}: {done.stderr.strip()[-300:]}")
    return folder


@pytest.mark.node
def test_the_official_kintone_client_reads_every_order_once_by_id_and_by_cursor(sandbox: Path, node_folder: Path) -> None:
    described = process.describe(sandbox)["kintone"]
    variables = {"BASE_URL": described["http_url"], "TOKEN": described["api_tokens"]["ORDERS"], "APP": str(described["apps"]["ORDERS"])}
    (node_folder / "read.cjs").write_text(SCRIPT, encoding="utf-8")
    done = subprocess.run(
        ["node", "read.cjs"],
        cwd=node_folder,
        env={**os.environ, **variables, "NO_PROXY": "localhost"},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    truth = kintone_truth(sandbox, "ORDERS")
    assert answer["withId"] == answer["withCursor"] == [len(truth), len(truth)] == [20_000, 20_000]
    special = [record for record in truth.values() if record["受注区分"]["value"] in ("特注", "修理")]
    assert answer["some"] == [len(special), len(special)] and sorted(answer["kinds"]) == sorted({"特注", "修理"})
    assert answer["fields"] >= 20


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
