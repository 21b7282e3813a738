"""SharePoint stumbling in the middle of a pull: a short trouble is outlived, a long one fails the pull whole, and what lands is the truth."""

from __future__ import annotations

import json
import logging
import os
import random
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest
from conformance.live import offers_by_place, project_for, rows_by_key, tenant, with_offers, without_our_variables
from ruamel.yaml import YAML
from soaking import rounds

from connectors.errors import AccessRefused, FixConfiguration, SourceError, SourceUnavailable
from infra.sandbox import process
from infra.sandbox.company.people import PEOPLE
from pipelines.clock import WallClock
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project, load
from pipelines.pull.outcome import Request, Result
from pipelines.pull.run import pull
from pipelines.serving.callers.identity import closure

ROOT = Path(__file__).resolve().parents[2]
SEED = int(os.environ.get("SLICE", "20261121"))
LIBRARY, LIST, PAGES = "sharepoint/quality-rules", "sharepoint/corrective-actions", "sharepoint/quality-pages"
#: The tenant's streams under the names of the example project, by their site and title.
NAMES = {
    ("/sites/quality", "製品マニュアル"): "manuals",
    ("/sites/quality", "品質規程"): "quality-rules",
    ("/sites/quality", "是正処置一覧"): "corrective-actions",
    ("/sites/quality", "測定機器台帳"): "instruments",
    ("/sites/quality", ""): "quality-pages",
    ("/sites/jinji", "規程と通知"): "hr-notices",
    ("/sites/jinji", ""): "hr-pages",
}
EVERY = tuple(sorted(NAMES.values()))


def with_streams(folder: Path, home: Path) -> Project:
    """A project with a contract for every stream that the tenant offers."""
    project = with_offers(folder, home, {place: f"sharepoint/{name}" for place, name in NAMES.items()})
    assert offers_by_place(project).keys() == NAMES.keys()
    return project


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    with tenant(tmp_path_factory.mktemp("tenant")) as folder:
        yield folder


@pytest.fixture(scope="module")
def loaded(home: Path, tmp_path_factory: pytest.TempPathFactory) -> Project:
    """Every stream published once, undisturbed."""
    project = with_streams(tmp_path_factory.mktemp("loaded") / "project", home)
    for name in EVERY:
        assert again(project, f"sharepoint/{name}").error is None
    return project


@pytest.fixture(autouse=True)
def healed(home: Path) -> Iterator[None]:
    yield
    process.control(home, "heal", {})


@pytest.fixture
def small_pages(monkeypatch: pytest.MonkeyPatch) -> None:
    """The sandbox's lists are smaller than a page of ours, and a pull needs a middle."""
    for module in ("pull", "rows"):
        monkeypatch.setattr(f"connectors.sharepoint.{module}.PAGE_ROWS", 7)


def without_what_processes_share(project: Project) -> None:
    """As if the hours of a pause had gone by."""
    for file in (project.home / "calls").glob("sharepoint-*.json"):
        file.unlink()


def again(project: Project, stream: str) -> Result:
    return pull(project, Request(stream, full=True), WallClock())


def strike(home: Path, kind: str, path: str, **fault: Any) -> None:
    process.control(home, "fault", {"kind": kind, "path": path, **fault})


def sites_truth(home: Path) -> list[dict[str, Any]]:
    return [
        row for site in ("quality", "jinji") for row in process.control(home, "truth", {"site": site})["items"] if row["kind"] != "folder"
    ]


def published(project: Project, stream: str) -> list[dict[str, Any]]:
    rows = Warehouse(project.root).current(stream)
    return [] if rows is None else rows.to_pylist()


# --- against the truth ------------------------------------------------------------------------------------------------------------


def test_every_stream_lands_exactly_the_rows_that_the_tenant_holds(loaded: Project, home: Path) -> None:
    expected = {row["unique_id"]: row for row in sites_truth(home)}
    by_item = {row["id"]: row for row in expected.values()}
    by_number = {(row["list_id"], str(row["list_item_id"])): row for row in expected.values()}
    seen: set[str] = set()
    for name in EVERY:
        source = loaded.contract(f"sharepoint/{name}").source
        for row in published(loaded, f"sharepoint/{name}"):
            match source["kind"]:
                case "library":
                    known = by_item[row["item_id"]]
                    assert (source["name"] + row["path"], row["size"], row["quick_xor_hash"]) == (
                        known["path"],
                        known["size"],
                        known["quick_xor"],
                    )
                case "list":
                    known = by_number[source["id"], str(row["id"])]
                case _:
                    known = expected[row["page_id"]]
            assert row["_source_version"] == known["etag"]
            assert known["unique_id"] not in seen, "each thing once"
            seen.add(known["unique_id"])
    assert seen == set(expected)


def test_what_landed_lets_each_person_guests_included_read_exactly_what_the_tenant_does(loaded: Project, home: Path) -> None:
    """Rows, scopes, members and accounts as published, and the rule by which people are linked; the tenant's side is asked item by item."""
    told = process.control(home, "effective", {})["items"]
    may = {key: set(row["readers"]) for row in told for key in (row["id"], row["unique_id"], (row["list_id"], str(row["list_item_id"])))}
    assert any(person.guest and person.login in readers for person in PEOPLE for readers in may.values()), "a guest may read something"
    warehouse = Warehouse(loaded.root)
    for name in EVERY:
        stream, source = f"sharepoint/{name}", loaded.contract(f"sharepoint/{name}").source
        scopes, members, accounts = (warehouse.read(table, stream) for table in ("scopes", "members", "accounts"))
        assert scopes is not None and members is not None and accounts is not None and all(scopes["resolved"].to_pylist())
        grants = dict(zip(scopes["scope"].to_pylist(), scopes["principals"].to_pylist(), strict=True))
        reach = {person.login: closure(person.mail, accounts, members) for person in PEOPLE}
        for row in published(loaded, stream):
            key = row.get("item_id") or row.get("page_id") or (source["id"], str(row["id"]))
            assert {login for login, own in reach.items() if own & set(grants[row["_scope"]])} == may[key], (stream, row["_key"])


# --- short troubles ---------------------------------------------------------------------------------------------------------------

STUMBLES = [
    ("503", LIBRARY, "/delta"), ("503", LIST, "siteGroups"), ("429", LIST, "RoleAssignments"), ("429", PAGES, "/pages/"),
    ("drop", LIBRARY, "/items"), ("drop", LIST, "/columns"), ("drop", LIST, "RoleAssignments"),
]  # fmt: skip


@pytest.mark.usefixtures("small_pages")
@pytest.mark.parametrize(("kind", "stream", "path"), STUMBLES)
def test_a_tenant_stumbling_twice_is_asked_again_and_nothing_is_missing(
    loaded: Project, home: Path, kind: str, stream: str, path: str
) -> None:
    rows = rows_by_key(loaded, stream)
    strike(home, kind, path, count=2)
    result = again(loaded, stream)
    assert result.error is None and rows_by_key(loaded, stream) == rows
    assert process.control(home, "heal", {})["unmet"] == 0


def test_a_storm_of_429_that_names_its_end_is_waited_out(loaded: Project, home: Path) -> None:
    rows = rows_by_key(loaded, LIBRARY)
    for path in ("/delta", "/_api/"):
        strike(home, "429", path, count=2, retry_after=1)
    assert again(loaded, LIBRARY).error is None and rows_by_key(loaded, LIBRARY) == rows
    assert process.control(home, "heal", {})["unmet"] == 0


@pytest.mark.parametrize("path", ["/delta", "RoleAssignments"])
def test_a_token_that_ends_in_the_middle_of_a_pull_is_renewed_once(loaded: Project, home: Path, path: str) -> None:
    rows = rows_by_key(loaded, LIBRARY)
    given = process.control(home, "tokens_given", {})["count"]
    strike(home, "revoke", path, count=1)
    assert again(loaded, LIBRARY).error is None and rows_by_key(loaded, LIBRARY) == rows
    # Graph and SharePoint are one host here, so a pull buys one token; this one bought a second, and no third.
    assert process.control(home, "tokens_given", {})["count"] - given == 2
    assert process.control(home, "heal", {})["unmet"] == 0


# --- long ones --------------------------------------------------------------------------------------------------------------------


def refused_whole(project: Project, stream: str, kind: type[SourceError] | type[FixConfiguration]) -> SourceError | FixConfiguration:
    """A pull that fails, after which everything published is as it was; the error is a sentence or two in both languages."""
    before, rows = Warehouse(project.root).published(stream), rows_by_key(project, stream)
    result = again(project, stream)
    assert isinstance(result.error, kind), result.error
    assert result.outcome == "failed" and result.published is None
    assert Warehouse(project.root).published(stream) == before and rows_by_key(project, stream) == rows
    for said in (result.error.say("ja"), result.error.say("en")):
        assert "\n" not in said and "Traceback" not in said
    assert result.error.say("ja") != result.error.say("en")
    return result.error


@pytest.mark.parametrize("path", ["/delta", "RoleAssignments"])
def test_a_tenant_that_asks_for_an_hour_fails_the_pull_whole_and_says_how_long(loaded: Project, home: Path, path: str) -> None:
    strike(home, "429", path, retry_after=3600)
    error = refused_whole(loaded, LIBRARY, SourceUnavailable)
    assert isinstance(error, SourceUnavailable) and error.retry_after == 3600
    process.control(home, "heal", {})
    paused = refused_whole(loaded, LIST, SourceUnavailable)
    assert paused.code == "sharepoint.paused", "the hour holds for every stream of the tenant, and for the next pull"
    without_what_processes_share(loaded)
    assert again(loaded, LIBRARY).error is None


@pytest.mark.parametrize(("stream", "path"), [(LIBRARY, "/delta"), (LIST, "siteGroups")])
def test_a_tenant_that_cuts_every_answer_fails_the_pull_whole_and_no_secret_is_said(
    loaded: Project, home: Path, stream: str, path: str, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("connectors.transport.random.Random.uniform", lambda self, low, high: low)
    caplog.set_level(logging.DEBUG)
    strike(home, "drop", path, count=50)
    error = refused_whole(loaded, stream, SourceError)
    assert loaded.variables["SHAREPOINT_CLIENT_SECRET"] not in caplog.text + str(error)
    assert "eyJ" not in caplog.text + str(error), "no token, and no part of one"


def test_tokens_that_are_never_taken_end_the_pull_after_one_renewal(loaded: Project, home: Path) -> None:
    strike(home, "revoke", "/delta", count=50)
    error = refused_whole(loaded, LIBRARY, AccessRefused)
    assert error.code == "sharepoint.token_refused"


# --- credentials ------------------------------------------------------------------------------------------------------------------


def with_secret(loaded: Project, folder: Path, secret: str) -> Project:
    """The same project, its data included, with a client secret in place of the certificate."""
    told = YAML(typ="safe").load(loaded.folder / "project.yaml")
    del told["systems"]["sharepoint"]["certificate"]
    told["storage"] = {"root": str(loaded.root)}
    folder.mkdir()
    with (folder / "project.yaml").open("w", encoding="utf-8") as target:
        YAML(typ="safe").dump(told, target)
    lines = (loaded.folder / ".env").read_text(encoding="utf-8").splitlines()
    kept = [line for line in lines if not line.startswith("SHAREPOINT_CLIENT_SECRET=")]
    (folder / ".env").write_text("\n".join([*kept, f"SHAREPOINT_CLIENT_SECRET={secret}"]) + "\n", encoding="utf-8")
    (folder / "contracts").symlink_to(loaded.folder / "contracts")
    return load(folder)


def test_a_wrong_secret_fails_the_pull_with_one_sentence_that_does_not_show_it(loaded: Project, tmp_path: Path) -> None:
    error = refused_whole(with_secret(loaded, tmp_path / "wrong", "not-the-right-one"), LIST, AccessRefused)
    assert (
        error.code == "sharepoint.secret_wrong" and "AADSTS7000215" in error.say() and "not-the-right-one" not in repr(error) + error.say()
    )


def test_an_expired_certificate_fails_the_pull_with_one_sentence(loaded: Project, home: Path) -> None:
    process.control(home, "set_certificate_expired", {"expired": True})
    try:
        error = refused_whole(loaded, LIST, AccessRefused)
    finally:
        process.control(home, "set_certificate_expired", {"expired": False})
    assert error.code == "sharepoint.certificate_refused" and "AADSTS700027" in error.say()
    assert again(loaded, LIST).error is None


# --- changes: these move the tenant's clock, so they come last ----------------------------------------------------------------------


@pytest.fixture
def told(monkeypatch: pytest.MonkeyPatch) -> list[tuple[int, bool]]:
    """Every answer of a change feed: its status, and whether it was asked from a place in the feed."""
    found: list[tuple[int, bool]] = []
    send = httpx.Client.send

    def heard(client: httpx.Client, request: httpx.Request, **how: Any) -> httpx.Response:
        response = send(client, request, **how)
        if request.url.path.endswith("/delta"):
            found.append((response.status_code, b"token=" in request.url.query))
        return response

    monkeypatch.setattr(httpx.Client, "send", heard)
    return found


@pytest.mark.parametrize("stream", [LIBRARY, LIST])
@pytest.mark.parametrize(("kind", "answers"), [("503", [503, 503, 200]), ("drop", [200])])
def test_a_feed_that_stumbles_is_gone_on_with_from_its_link_and_never_read_whole(
    loaded: Project, home: Path, told: list[tuple[int, bool]], stream: str, kind: str, answers: list[int]
) -> None:
    assert pull(loaded, Request(stream), WallClock()).error is None
    process.advance(home, 4)
    told.clear()
    strike(home, kind, "/delta", count=2)
    result = pull(loaded, Request(stream), WallClock())
    assert result.error is None and result.counts["read"] < result.counts["live"]
    assert process.control(home, "heal", {})["unmet"] == 0
    assert told[: len(answers)] == [(status, True) for status in answers]
    source = loaded.contract(stream).source
    key = "id" if source["kind"] == "library" else "list_item_id"
    wanted = {str(row[key]): row["etag"] for row in sites_truth(home) if row["list"] == source["name"]}
    assert {row["_key"].strip('[]"'): row["_source_version"] for row in published(loaded, stream)} == wanted


def test_a_pull_that_fails_on_its_link_keeps_the_link_and_the_next_one_goes_on_from_it(
    loaded: Project, home: Path, told: list[tuple[int, bool]]
) -> None:
    assert pull(loaded, Request(LIBRARY), WallClock()).error is None
    process.advance(home, 4)
    before = Warehouse(loaded.root).published(LIBRARY)
    assert before is not None and before.cursor
    strike(home, "429", "/delta", retry_after=3600)
    assert isinstance(pull(loaded, Request(LIBRARY), WallClock()).error, SourceUnavailable)
    assert Warehouse(loaded.root).published(LIBRARY) == before
    without_what_processes_share(loaded)
    told.clear()
    assert pull(loaded, Request(LIBRARY), WallClock()).error is None
    assert told[0] == (200, True)


def test_a_delta_link_that_has_expired_is_resynced_and_what_vanished_meanwhile_is_gone(
    loaded: Project, home: Path, told: list[tuple[int, bool]]
) -> None:
    streams = (LIBRARY, "sharepoint/hr-notices", LIST)
    process.advance(home, 8)
    for stream in streams:
        assert pull(loaded, Request(stream), WallClock()).error is None
    process.advance(home, 8)
    process.control(home, "expire_tokens", {})
    gone = 0
    for stream in streams:
        held = set(rows_by_key(loaded, stream))
        told.clear()
        result = pull(loaded, Request(stream), WallClock())
        assert result.error is None, result.error
        assert told[:2] == [(410, True), (200, True)], "the kept link was asked, refused, and its Location followed"
        source = loaded.contract(stream).source
        key = "id" if source["kind"] == "library" else "list_item_id"
        wanted = {str(row[key]): row["etag"] for row in sites_truth(home) if row["list"] == source["name"]}
        assert {row["_key"].strip('[]"'): row["_source_version"] for row in published(loaded, stream)} == wanted
        gone += len(held - set(rows_by_key(loaded, stream)))
    assert gone, "so many days without a removal would prove nothing"


def files(project: Project) -> int:
    return sum(len(names) for _, _, names in os.walk(project.root))


def command(project: Project, stream: str) -> list[str]:
    return [sys.executable, "-m", "pipelines.cli", "pull", stream, "--json", "--project", str(project.folder)]


def kill_when(project: Project, stream: str, written: int) -> bool:
    """Start the command and kill it when so many more files exist than before. False when it was done before that."""
    started_with = files(project)
    child = subprocess.Popen(
        command(project, stream), cwd=ROOT, env=without_our_variables(), stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL
    )
    try:
        while child.poll() is None and files(project) < started_with + written:
            time.sleep(0.01)
        child.send_signal(signal.SIGKILL)
    finally:
        child.kill()
        child.wait()
    return child.returncode == -signal.SIGKILL


def finish(project: Project, *, by_command: bool) -> None:
    if not by_command:
        assert pull(project, Request(LIBRARY), WallClock()).error is None
        return
    done = subprocess.run(command(project, LIBRARY), cwd=ROOT, env=without_our_variables(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert json.loads(done.stdout)["outcome"] == "succeeded"


def lived_through(folder: Path, home: Path, seed: int, kills: tuple[int, int]) -> None:
    """A first pull and one of changes, killed so often before they may end; a twin left in peace shows what must come."""
    rng = random.Random(seed)
    project, twin = with_streams(folder / "killed", home), project_for(folder / "peaceful", home)
    shutil.copytree(project.folder / "contracts", twin.folder / "contracts")
    twin = load(twin.folder)
    struck = 0
    for times in kills:
        here = files(twin)
        assert pull(twin, Request(LIBRARY), WallClock()).error is None
        before, wanted = rows_by_key(project, LIBRARY), rows_by_key(twin, LIBRARY)
        for _ in range(times):
            # The last files are written faster than anybody can strike, and then it is done.
            struck += kill_when(project, LIBRARY, rng.randrange(1, max(2, (files(twin) - here) * 2 // 3)))
            assert rows_by_key(project, LIBRARY) in (before, wanted)
        finish(project, by_command=times > 0)
        assert rows_by_key(project, LIBRARY) == wanted
        for table in ("landing", "scopes", "members", "accounts"):
            mine, theirs = (Warehouse(one.root).read(table, LIBRARY) for one in (project, twin))
            assert mine is not None and theirs is not None
            names = ["_row_hash", "_scope"] if table == "landing" else mine.column_names
            assert sorted(map(str, mine.select(names).to_pylist())) == sorted(map(str, theirs.select(names).to_pylist())), table
        process.advance(home, 3)
    assert struck, "the kills came in time"


def test_a_pull_killed_in_the_middle_ends_like_one_that_was_left_in_peace(tmp_path: Path, home: Path) -> None:
    lived_through(tmp_path, home, SEED, kills=(0, 1))


@pytest.mark.soak
@pytest.mark.parametrize("seed", range(rounds(25)))
def test_pulls_killed_many_times_end_like_ones_that_were_left_in_peace(tmp_path: Path, home: Path, seed: int) -> None:
    lived_through(tmp_path, home, SEED + seed, kills=(4, 4))
