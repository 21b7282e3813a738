"""The running SharePoint sandboxes of these tests."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from infra.sandbox import process


@pytest.fixture(scope="session")
def founded(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A running SharePoint sandbox that no test may change."""
    home = tmp_path_factory.mktemp("sharepoint")
    process.up(home, base_port=0, only=("sharepoint",))
    yield home
    process.down(home)


@pytest.fixture(scope="module")
def living(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A SharePoint sandbox that tests change: each of them looks at the difference it makes, never at how it found it."""
    home = tmp_path_factory.mktemp("living")
    process.up(home, base_port=0, only=("sharepoint",))
    yield home
    process.down(home)
