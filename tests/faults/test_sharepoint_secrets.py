"""Nothing that opens a door is written down: a whole life of a SharePoint project, troubles included, and then everything it left is read.

Swept are every Delta table in every version, published record, claim, page and file of the project, every log record down to DEBUG, every
error in both languages, and what the commands print.
"""

from __future__ import annotations

import logging
import re
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import httpx
import pyarrow.parquet as pq
import pytest
import requests
from conformance.live import ORIGIN
from cryptography import x509
from cryptography.hazmat.primitives.serialization import (
    BestAvailableEncryption,
    Encoding,
    NoEncryption,
    PrivateFormat,
    load_pem_private_key,
    pkcs12,
)
from requests.adapters import HTTPAdapter
from ruamel.yaml import YAML
from sharepoint_house import SYSTEM, House, Site, Target, house, target
from typer.testing import CliRunner

from pipelines.cli.main import app
from pipelines.clock import FixedClock
from pipelines.project import load
from pipelines.serving.examination.agreement import agree

PASSWORD = "pfx-pass-phrase-7"
LIBRARY = f"{SYSTEM}/library-1"
CONTENT = {"kind": "file", "ref": "item_id", "name": "name", "media_type": "media_type", "size": "size"}


@dataclass
class Secrets:
    """What must not be found anywhere, by kind, as it went over the wire or was set down for the project."""

    by_kind: dict[str, set[str]] = field(default_factory=dict)

    def learn(self, kind: str, *values: str) -> None:
        # Short ones would be found by chance.
        self.by_kind.setdefault(kind, set()).update(value for value in values if len(value) >= 8)

    def found_in(self, text: str) -> set[str]:
        return {kind for kind, values in self.by_kind.items() for value in values if value in text}

    def heard(self, answer: httpx.Response) -> None:
        """Learn what an answer and the request it is for carry."""
        request = answer.request
        self.learn("token", request.headers.get("Authorization", "").removeprefix("Bearer "))
        for address in (str(request.url), answer.headers.get("Location", "")):
            if "tempauth" in address or "download.aspx" in address:
                self.learn("download link", address, *re.findall(r"tempauth=([^&]+)", address))
        if not answer.is_stream_consumed:
            return
        self.learn("download link", *re.findall(r"tempauth=([^&\"\\]+)", answer.text))
        self.learn("share id", *re.findall(r"\"(u![^\"]+)\"", answer.text))
        self.learn("link address", *re.findall(r"\"(https?://[^\"]*/:[a-z]:/[^\"]*)\"", answer.text))
        for name in re.findall(r"SharingLinks\.[^\"\\]+", answer.text):
            self.learn("link's hidden group", name, name.rpartition(".")[2])


def everything_in(folder: Path) -> Iterator[tuple[str, str]]:
    """Each file below the folder with its text. Parquet, which packs its values, is read as what its values are."""
    for path in sorted(one for one in folder.rglob("*") if one.is_file()):
        text = path.read_bytes().decode("utf-8", "replace")
        if path.suffix == ".parquet":
            rows = pq.read_table(path)
            text = f"{rows.to_pylist()} {rows.schema.metadata}"
        yield str(path.relative_to(folder)), text


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    with house(tmp_path_factory.mktemp("tenant"), ORIGIN) as made:
        yield made


@pytest.fixture
def secrets(home: House, monkeypatch: pytest.MonkeyPatch) -> Secrets:
    """Filled by all that passes, below httpx and below msal's requests, and by what the project's own credentials are."""
    found = Secrets()
    found.learn("client secret", home.told["client_secret"])
    found.learn("password of the certificate", PASSWORD)
    found.learn("private key", *(line for line in Path(home.told["certificate"]).read_text("ascii").split("-----END")[0].splitlines()[1:]))
    send, by_requests = httpx.Client.send, HTTPAdapter.send

    def heard(client: httpx.Client, request: httpx.Request, **how: Any) -> httpx.Response:
        answer = send(client, request, **how)
        if not request.url.path.startswith("/_sandbox/"):
            if how.get("stream") and answer.headers.get("Content-Type", "").startswith("application/json"):
                answer.read()
            found.heard(answer)
        return answer

    def heard_too(adapter: HTTPAdapter, request: requests.PreparedRequest, *args: Any, **how: Any) -> requests.Response:
        answer = by_requests(adapter, request, *args, **how)
        found.learn("token", *re.findall(r"\"access_token\": ?\"([^\"]+)\"", answer.text))
        found.learn("assertion", *re.findall(r"client_assertion=([^&]+)", str(request.body)))
        return answer

    monkeypatch.setattr(httpx.Client, "send", heard)
    monkeypatch.setattr(HTTPAdapter, "send", heard_too)
    return found


def with_pfx(at: Target) -> Target:
    """The same project, its certificate in a file that a password opens."""
    pem = Path(at.site.house.told["certificate"]).read_bytes()
    key = load_pem_private_key(pem, None)
    certificate = x509.load_pem_x509_certificate(pem[pem.index(b"-----BEGIN CERTIFICATE") :])
    kept = at.folder / "app.pfx"
    kept.write_bytes(pkcs12.serialize_key_and_certificates(b"app", key, certificate, None, BestAvailableEncryption(PASSWORD.encode())))  # type: ignore[arg-type]
    assert key.private_bytes(Encoding.PEM, PrivateFormat.PKCS8, NoEncryption())
    told = YAML(typ="safe").load(at.folder / "project.yaml")
    told["systems"][SYSTEM]["certificate"] = {"file": "app.pfx", "password": {"env": "PASSWORD_OF_TEST"}}
    told["start"] = "2026-06-01"
    with (at.folder / "project.yaml").open("w", encoding="utf-8") as file:
        YAML(typ="safe").dump(told, file)
    with (at.folder / ".env").open("a", encoding="utf-8") as file:
        file.write(f"PASSWORD_OF_TEST={PASSWORD}\n")
    at.connector.close()
    project = load(at.folder)
    return Target(at.folder, at.site, project, project.connect(SYSTEM))


def shared(site: Site) -> list[str]:
    """Every kind of link there is. Returns their share ids."""
    items = [one["unique_id"] for one in site.items() if one["list"] == "文書" and one["kind"] == "file"]
    logins = {"users": ["emma.wilson", "taro.gaibu"]}
    made = [
        site.do("share", item=item, scope=scope, logins=logins.get(scope, []))["share_id"]
        for item, scope in zip(items, ("anonymous", "organization", "users", "existingAccess"), strict=True)
    ]
    site.do("redeem", item=items[1], share_id=made[1], login="kaito.sasaki")
    return made


TROUBLES = (
    {"kind": "503", "path": "/content", "count": 2},
    {"kind": "drop", "path": "download.aspx", "count": 50},
    {"kind": "drop", "path": "/permissions", "count": 50},
    {"kind": "503", "path": "download.aspx", "count": 50},
    {"kind": "revoke", "path": "/delta", "count": 50},
    {"kind": "drop", "path": "RoleAssignments", "count": 50},
    {"kind": "429", "path": "/delta", "retry_after": 3600},
)


def lived(at: Target, site: Site, monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Pulls, changes, troubles, roster and agreement. Returns what was said of everything that went wrong."""
    monkeypatch.setattr("connectors.transport.random.Random.uniform", lambda self, low, high: low)
    said: list[str] = []
    for stream in at.streams:
        assert at.pull(stream).error is None
    for number, trouble in enumerate(TROUBLES):
        site.do("create", path=f"{site.lists['文書']}/追加{number}.html")
        site.do("fault", **trouble)
        at.site.house.later(hours=2)
        result = at.pull(LIBRARY)
        said += (
            [] if result.error is None else [result.error.say("ja"), result.error.say("en"), repr(result.error), str(result.error.params)]
        )
        said += [f"{check.summary} {check.rows} {check.numbers}" for check in result.checks]
        site.do("heal")
    assert len(said) > len(TROUBLES), "something went wrong"
    for file in (at.project.home / "calls").glob("sharepoint-*.json"):
        file.unlink()  # as if the hour had gone by
    at.reconnect()
    site.do("expire_tokens")
    for stream in at.streams:
        assert at.pull(stream, full=True).error is None
    at.roster()
    said.append(str(agree(at.project, SYSTEM, FixedClock(at.site.house.clock.now()), "one", at.connector)))
    site.do("break", name="archive-site", site=site.key)
    closed = at.pull(LIBRARY)
    assert closed.error is not None
    said += [closed.error.say("ja"), closed.error.say("en")]
    site.do("heal")
    at.site.house.later(minutes=1)
    assert at.pull(LIBRARY).error is None
    return said


def printed(at: Target) -> list[str]:
    """What the commands say of it, as text and as JSON."""
    asked: list[list[str]] = [
        ["access", "report", SYSTEM],
        ["access", "explain", SYSTEM, "--item", "/手順.html"],
        ["access", "explain", SYSTEM, "--person", "emma.wilson@sakura-seiki.example"],
        ["access", "refresh", SYSTEM],
        ["access", "agree", SYSTEM],
        ["doctor"],
        ["map", SYSTEM, "--out", str(at.folder / "map")],
        ["pull", LIBRARY],
    ]
    told: list[str] = []
    for words in asked:
        for more in ([], ["--json"]):
            result = CliRunner().invoke(app, [*words, *more, "--project", str(at.folder)])
            assert result.exit_code in (0, 1), (words, result.output)
            told += [result.stdout, result.stderr]
    return told


def test_no_token_link_or_password_is_in_any_table_record_page_log_or_line(
    home: House, tmp_path: Path, secrets: Secrets, caplog: pytest.LogCaptureFixture, monkeypatch: pytest.MonkeyPatch
) -> None:
    caplog.set_level(logging.DEBUG)
    site = home.site()
    links = shared(site)
    at = with_pfx(target(tmp_path / "project", site, content=CONTENT))
    try:
        said = lived(at, site, monkeypatch)
        told = printed(at)
    finally:
        at.connector.close()
    secrets.learn("share id", *links)
    kinds = {
        "client secret", "password of the certificate", "private key", "token", "assertion", "download link", "share id", "link address",
        "link's hidden group",
    }  # fmt: skip
    assert {kind for kind, values in secrets.by_kind.items() if values} == kinds, "each of them passed, or it would prove nothing"
    leaks: dict[str, set[str]] = {}
    records = [f"{record.name} {record.getMessage()} {record.args} {record.exc_text or ''}" for record in caplog.records]
    assert any("fortnight" in record for record in records)
    for where, text in [*(("log", one) for one in records), *(("error", one) for one in said), *(("output", one) for one in told)]:
        leaks.setdefault(where, set()).update(secrets.found_in(text))
    mine = {".env", "app.pfx"}
    written = dict(everything_in(at.folder))
    for name, text in written.items():
        if name not in mine:
            leaks[name] = secrets.found_in(text)
    names = " ".join(written)
    for part in ("/grants/", "/content/", "/members/", "_delta_log", "reports/access", ".html", "access.roster", "agreement"):
        assert part in names, f"{part} was not written, so this was no whole life"
    assert {where: kinds for where, kinds in leaks.items() if kinds} == {}


def test_the_sweep_finds_what_is_planted(tmp_path: Path) -> None:
    import pyarrow as pa

    secrets = Secrets()
    secrets.learn("token", "eyJhbGciOi-planted")
    pq.write_table(pa.table({"a": ["x", "…eyJhbGciOi-planted…"]}), tmp_path / "a.parquet", compression="zstd")
    (tmp_path / "b.json").write_text('{"url": "eyJhbGciOi-planted"}', encoding="utf-8")
    (tmp_path / "c.html").write_text("nothing", encoding="utf-8")
    found: Mapping[str, set[str]] = {name: secrets.found_in(text) for name, text in everything_in(tmp_path)}
    assert found == {"a.parquet": {"token"}, "b.json": {"token"}, "c.html": set()}
