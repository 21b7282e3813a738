"""A local Azure Blob Storage for tests: Microsoft's emulator with an account of its own, and what its owner may do by signing requests."""

from __future__ import annotations

import base64
import hashlib
import hmac
import os
import re
import secrets
import subprocess
import tempfile
import time
from collections.abc import Generator
from contextlib import contextmanager
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from pathlib import Path
from urllib.parse import urlencode
from urllib.request import Request, urlopen

import pytest

from benchmarks import peers

ACCOUNT, CONTAINER = "fortnightlocal", "lake"
#: A version of the service whose signing rules are the ones below.
_VERSION = "2020-02-10"


@dataclass(frozen=True)
class Account:
    """The account of one running emulator. The key is made for it and opens nothing else."""

    key: str = field(default_factory=lambda: base64.b64encode(secrets.token_bytes(64)).decode())

    def sign(self, *lines: str) -> str:
        """The signature Azure asks for: https://learn.microsoft.com/rest/api/storageservices/authorize-with-shared-key"""
        return base64.b64encode(hmac.digest(base64.b64decode(self.key), "\n".join(lines).encode(), hashlib.sha256)).decode()

    def make_container(self, port: int) -> None:
        """Make the container, which no client of ours ever does."""
        now = f"{datetime.now(UTC):%a, %d %b %Y %H:%M:%S} GMT"
        headers = ["x-ms-date:" + now, "x-ms-version:" + _VERSION]
        # The emulator puts the account into the path, where the signed resource begins with it anyway: it stands there twice.
        signature = self.sign("PUT", *[""] * 11, *headers, f"/{ACCOUNT}/{ACCOUNT}/{CONTAINER}", "restype:container")
        request = Request(f"http://127.0.0.1:{port}/{ACCOUNT}/{CONTAINER}?restype=container", method="PUT")
        for name, value in [line.split(":", 1) for line in headers] + [["Authorization", f"SharedKey {ACCOUNT}:{signature}"]]:
            request.add_header(name, value)
        urlopen(request, timeout=30).close()

    def shared_access(self, rights: str) -> str:
        """A signed token for the container with these rights (``rl``: read and list), for an hour:
        https://learn.microsoft.com/rest/api/storageservices/create-service-sas
        """
        until = f"{datetime.now(UTC) + timedelta(hours=1):%Y-%m-%dT%H:%M:%SZ}"
        signature = self.sign(rights, "", until, f"/blob/{ACCOUNT}/{CONTAINER}", "", "", "", _VERSION, "c", *[""] * 6)
        return urlencode({"sp": rights, "se": until, "sv": _VERSION, "sr": "c", "sig": signature})


@contextmanager
def azure_server() -> Generator[tuple[int, Account]]:
    """Port and account of an emulator (Azurite) that lives as long as this, with one empty container; skips without node or npm."""
    try:
        program = peers.node_modules(Path(__file__).with_name("azurite")) / "azurite" / "dist" / "src" / "blob" / "main.js"
    except peers.PeerMissing as missing:
        pytest.skip(f"no local Azure Blob Storage (Azurite): {missing}")
    account = Account()
    with tempfile.TemporaryDirectory(prefix="azurite-") as folder:
        said = Path(folder) / "said"
        line = ["node", str(program), "--blobHost", "127.0.0.1", "--blobPort", "0", "--location", folder, "--silent", "--disableTelemetry"]
        with said.open("wb") as out:
            variables = os.environ | {"AZURITE_ACCOUNTS": f"{ACCOUNT}:{account.key}"}
            server = subprocess.Popen(line, cwd=folder, env=variables, stdout=out, stderr=subprocess.STDOUT)
        try:
            port = _port(server, said)
            account.make_container(port)
            yield port, account
        finally:
            server.terminate()
            server.wait(timeout=30)


def _port(server: subprocess.Popen[bytes], said: Path) -> int:
    """The port it chose, which it says once it listens."""
    for _ in range(600):
        text = said.read_text(encoding="utf-8")
        if found := re.search(r"listens on http://127\.0\.0\.1:(\d+)", text):
            return int(found[1])
        if server.poll() is not None:
            break
        time.sleep(0.1)
    pytest.fail(f"the local Azure Blob Storage did not start: {said.read_text(encoding='utf-8')[-500:]}")


def by_key(port: int, account: Account) -> dict[str, str]:
    """What the environment says where an account's key opens the store; that it is the emulator too, which does not know how to list from a name
    on (``startFrom``): the libraries then leave out for themselves what comes before.
    """
    emulator = {"AZURE_STORAGE_USE_EMULATOR": "true", "AZURITE_BLOB_STORAGE_URL": f"http://127.0.0.1:{port}"}
    return {"AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_ACCOUNT_KEY": account.key} | emulator


def at(port: int) -> dict[str, str]:
    """What the environment says of the place alone, as for the service itself, which needs the account's name only."""
    place = f"http://127.0.0.1:{port}/{ACCOUNT}"
    return {"AZURE_STORAGE_ACCOUNT_NAME": ACCOUNT, "AZURE_STORAGE_ENDPOINT": place, "AZURE_ALLOW_HTTP": "true"}
