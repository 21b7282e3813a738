"""Cybozu's own client and cli-kintone read the sandbox as they come: what we claim to speak is what they speak."""

from __future__ import annotations

import csv
import io
import json
import subprocess
from collections.abc import Iterator
from pathlib import Path

import pytest
from conformance.live import kintone_truth

from benchmarks import peers
from infra.sandbox import process

pytestmark = pytest.mark.node
FORM = """
const { KintoneRestAPIClient } = require('@kintone/rest-api-client');
const client = new KintoneRestAPIClient({ baseUrl: process.env.BASE_URL, auth: { apiToken: process.env.TOKEN } });
(async () => {
  const app = process.env.APP;
  const some = await client.record.getAllRecordsWithId({ app, condition: '受注区分 in ("特注") or 受注区分 in ("修理")', fields: ['$id', '受注区分'] });
  const fields = Object.keys((await client.app.getFormFields({ app })).properties).length;
  console.log(JSON.stringify({ some: some.map((one) => one.$id.value), kinds: [...new Set(some.map((one) => one['受注区分'].value))].sort(), fields }));
})().catch((error) => { console.error(error); process.exit(1); });
"""


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("kintone-clients")
    process.up(folder, base_port=0, only=("kintone",))
    yield folder
    process.down(folder)


def app_of(home: Path, records: int) -> dict[str, str]:
    """The address of a new app of so many records, as environment variables of both clients."""
    made = process.control(home, "bulk", {"code": f"CLIENTS{records}", "records": records}, server="kintone")
    url = process.describe(home)["kintone"]["http_url"]
    return {
        "BASE_URL": url,
        "TOKEN": made["api_token"],
        "APP": str(made["app"]),
        "KINTONE_BASE_URL": url,
        "KINTONE_API_TOKEN": made["api_token"],
    }


@pytest.fixture(scope="module")
def app(home: Path) -> dict[str, str]:
    return app_of(home, 1234)


def run(line: list[str], environment: dict[str, str]) -> subprocess.CompletedProcess[str]:
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=120)


def exported(modules: Path, app: dict[str, str], *options: str) -> list[dict[str, str]]:
    done = run(peers.kintone_export(modules, app["APP"], *options), peers.environment(modules, **app))
    assert done.returncode == 0, done.stderr
    return list(csv.DictReader(io.StringIO(done.stdout)))


def test_cli_kintone_exports_every_record_once(modules: Path, app: dict[str, str]) -> None:
    rows = exported(modules, app)
    assert len(rows) == 1234
    assert {row["案件番号"] for row in rows} == {f"PJ-{number:07}" for number in range(1, 1235)}
    assert len(rows[0]) >= 20


def test_cli_kintone_exports_what_a_condition_names_and_in_the_order_asked_for(modules: Path, home: Path, app: dict[str, str]) -> None:
    truth = process.control(home, "truth", {"app": app["APP"]}, server="kintone")["records"]
    special = sorted(record["案件番号"]["value"] for record in truth if record["区分"]["value"] == "特注")
    given = ("--condition", '区分 in ("特注")', "--fields", "案件番号,区分")
    rows = exported(modules, app, *given)
    assert 0 < len(special) < 1234
    assert sorted(row["案件番号"] for row in rows) == special and {row["区分"] for row in rows} == {"特注"}
    # An order goes by a cursor of a hundred records a page.
    assert [row["案件番号"] for row in exported(modules, app, *given, "--order-by", "案件番号 desc")] == special[::-1]


@pytest.mark.parametrize("way", ["id", "cursor", "offset"])
def test_the_official_client_reads_every_record_once(modules: Path, app: dict[str, str], way: str) -> None:
    done = run(["node", str(peers.HERE / "kintone_read.cjs"), way], peers.environment(modules, **app))
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    assert (answer["records"], answer["distinct"]) == (1234, 1234)


def test_the_official_client_cannot_page_by_offset_beyond_ten_thousand_records(modules: Path, home: Path) -> None:
    done = run(["node", str(peers.HERE / "kintone_read.cjs"), "offset"], peers.environment(modules, **app_of(home, 10_501)))
    assert done.returncode == 1
    assert json.loads(done.stderr.strip().splitlines()[-1])["code"] == "GAIA_QU02"


def test_the_official_client_reads_every_order_of_the_company_and_its_form(modules: Path, sandbox: Path, tmp_path: Path) -> None:
    described = process.describe(sandbox)["kintone"]
    named = {"BASE_URL": described["http_url"], "TOKEN": described["api_tokens"]["ORDERS"], "APP": str(described["apps"]["ORDERS"])}
    truth = kintone_truth(sandbox, "ORDERS")
    for way in ("id", "cursor"):
        done = run(["node", str(peers.HERE / "kintone_read.cjs"), way], peers.environment(modules, **named))
        assert done.returncode == 0, done.stderr
        answer = json.loads(done.stdout)
        assert answer["records"] == answer["distinct"] == len(truth)
    (tmp_path / "form.cjs").write_text(FORM, encoding="utf-8")
    done = run(["node", str(tmp_path / "form.cjs")], peers.environment(modules, **named))
    assert done.returncode == 0, done.stderr
    answer = json.loads(done.stdout)
    special = {number for number, record in truth.items() if record["受注区分"]["value"] in ("特注", "修理")}
    assert {int(one) for one in answer["some"]} == {int(one) for one in special} and len(answer["some"]) == len(special)
    assert sorted(answer["kinds"]) == sorted({"特注", "修理"}) and answer["fields"] >= 20
