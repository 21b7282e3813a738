"""Microsoft's msal-node and the community's @pnp/sp read the sandbox's SharePoint as they come, and read what is in it."""

from __future__ import annotations

import hashlib
import json
import subprocess
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import pytest

from benchmarks import peers
from infra.sandbox import process
from infra.sandbox.company.trade import DEFAULT_SEED
from infra.sandbox.sharepoint import founding
from infra.sandbox.sharepoint.world import Entry, Listing, Site

pytestmark = pytest.mark.node
ORIGIN = datetime(2026, 6, 1, 1, 0, tzinfo=UTC)
TEMPLATES = {"documentLibrary": 101, "genericList": 100, "webPageLibrary": 119}
#: What this test reads of a site and does not compare: SharePoint's own lists beside the business's.
OURS = frozenset(TEMPLATES.values())


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("sharepoint-clients")
    process.up(folder, base_port=0, origin=ORIGIN, only=("sharepoint",))
    yield folder
    process.down(folder)


@pytest.fixture(scope="module")
def sites(home: Path) -> dict[str, Site]:
    """The company as it was founded: the same history gives the same ids, so this is what the server holds."""
    return founding.found(ORIGIN, DEFAULT_SEED, home / "sharepoint").sites


def run(modules: Path, home: Path, site: str, **credential: str) -> subprocess.CompletedProcess[str]:
    described = process.describe(home)["sharepoint"]
    (url,) = (one for one in described["site_urls"] if one.endswith(f"/{site}"))
    environment = peers.environment(
        modules,
        AUTHORITY=described["authority"],
        CLIENT_ID=described["client_id"],
        SITE_URL=url,
        NODE_EXTRA_CA_CERTS=str(home / "ca" / "ca.pem"),
        **(credential or {"CERTIFICATE": described["certificate"]}),
    )
    line = ["node", str(peers.HERE / "sharepoint_read.cjs")]
    return subprocess.run(line, env=environment, capture_output=True, text=True, check=False, timeout=180)


def read(modules: Path, home: Path, site: str) -> dict[str, Any]:
    done = run(modules, home, site)
    assert done.returncode == 0, done.stderr
    return json.loads(done.stdout)


@pytest.fixture(scope="module", params=[founding.QUALITY, founding.HR])
def both(request: pytest.FixtureRequest, modules: Path, home: Path, sites: dict[str, Site]) -> tuple[dict[str, Any], Site]:
    """One site as the client read it, and as it is."""
    return read(modules, home, request.param), sites[request.param]


def rights(site: Site, key: str) -> dict[str, set[int]]:
    return {site.principals[number].title: roles for number, roles in site.grants[key].items()}


def told(rows: dict[str, list[int]]) -> dict[str, set[int]]:
    return {title: set(roles) for title, roles in rows.items()}


def place(site: Site, listing: Listing, entry: Entry) -> str:
    return "/".join(["/sites", site.key, listing.url_name, *listing.path(entry)])


def test_the_web_its_groups_and_its_administrators_are_those_of_the_company(both: tuple[dict[str, Any], Site]) -> None:
    answer, site = both
    assert (answer["title"], answer["id"]) == (site.title, site.web)
    groups = {
        one.title: sorted(site.principals[number].title for number in one.members) for one in site.principals.values() if one.kind == "site"
    }
    assert {title: sorted(members) for title, members in answer["groups"].items()} == groups
    assert sorted(answer["admins"]) == sorted(one.title for one in site.principals.values() if one.site_admin)
    assert answer["admins"] and any(groups.values())


def test_every_list_and_every_item_of_it_is_read_once_over_all_pages(both: tuple[dict[str, Any], Site]) -> None:
    answer, site = both
    lists = {one["Title"]: one for one in answer["lists"] if one["BaseTemplate"] in OURS}
    assert {title: (one["BaseTemplate"], one["Id"]) for title, one in lists.items()} == {
        one.title: (TEMPLATES[one.template], one.guid) for one in site.lists
    }
    for listing in site.lists:
        one = lists[listing.title]
        items = [(row["Id"], row["UniqueId"], row["FileRef"], row["FSObjType"] == "1") for row in one["items"]]
        entries = [(entry.number, entry.guid, place(site, listing, entry), entry.kind == "folder") for entry in listing.living()]
        assert sorted(items) == sorted(entries) and one["ItemCount"] == len(entries)
    assert max(one["pages"] for one in lists.values()) > 2


def test_rights_are_those_of_the_web_of_every_list_and_of_every_item_with_its_own(both: tuple[dict[str, Any], Site]) -> None:
    answer, site = both
    assert told(answer["rights"]) == rights(site, "web")
    own = 0
    for listing in site.lists:
        (one,) = (one for one in answer["lists"] if one["Id"] == listing.guid)
        assert (told(one["rights"]) if one["rights"] is not None else None) == (
            rights(site, listing.guid) if listing.guid in site.grants else None
        )
        unique = {str(entry.number): rights(site, entry.guid) for entry in listing.living() if entry.guid in site.grants}
        assert {number: told(rows) for number, rows in one["rightsOf"].items()} == unique
        own += len(unique)
    assert own >= 3


def test_every_file_is_found_by_walking_the_folders_and_read_to_the_byte(both: tuple[dict[str, Any], Site]) -> None:
    answer, site = both
    there = {
        place(site, listing, entry): (entry.guid, entry.stored.size, hashlib.sha256(entry.stored.read()).hexdigest())
        for listing in site.lists
        if listing.template == "documentLibrary"
        for entry in listing.living()
        if entry.stored is not None
    }
    assert {path: (one["id"], one["length"], one["sha256"]) for path, one in answer["files"].items()} == there
    assert len(there) > 30


def test_a_token_got_with_a_secret_is_refused_by_the_site_and_not_by_the_authority(modules: Path, home: Path) -> None:
    done = run(modules, home, founding.QUALITY, CLIENT_SECRET=process.describe(home)["sharepoint"]["client_secret"])
    assert done.returncode == 1
    said = json.loads(done.stderr.strip().splitlines()[-1])
    assert said["status"] == 401 and "Unsupported app only token" in said["message"]


def test_a_wrong_secret_is_refused_by_the_authority_in_words_that_the_client_knows(modules: Path, home: Path) -> None:
    done = run(modules, home, founding.QUALITY, CLIENT_SECRET="wrong")
    assert done.returncode == 1
    said = json.loads(done.stderr.strip().splitlines()[-1])
    assert said["code"] == "invalid_client" and "AADSTS7000215" in said["message"]


def test_a_throttled_request_is_asked_again_by_the_client(modules: Path, home: Path) -> None:
    process.control(home, "fault", {"kind": "429", "count": 1, "retry_after": 1, "path": "/_api/web/sitegroups"}, server="sharepoint")
    assert read(modules, home, founding.HR)["groups"]
    assert process.control(home, "heal", {}, server="sharepoint")["unmet"] == 0
