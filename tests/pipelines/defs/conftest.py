"""One kintone for this folder, and an environment that forgets which project the last test opened."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.sandbox import process


@pytest.fixture(scope="session")
def kintone(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home of a running kintone whose records no test here changes."""
    home = tmp_path_factory.mktemp("kintone")
    process.up(home, base_port=0, only=("kintone",))
    yield home
    process.down(home)


@pytest.fixture(autouse=True)
def _own_environment(monkeypatch: pytest.MonkeyPatch) -> None:
    """Opening a project's instance sets variables for whatever is started from here; they end with the test."""
    for name in [name for name in os.environ if name.startswith(("KINTONE_", "ERP_", "SHAREPOINT_", "FORTNIGHT_", "DAGSTER_"))]:
        monkeypatch.delenv(name)
    for name in ("DAGSTER_HOME", "FORTNIGHT_PROJECT"):
        monkeypatch.setenv(name, "")
        monkeypatch.delenv(name)
