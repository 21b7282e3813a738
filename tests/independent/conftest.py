"""What tests of other people's clients share: the packages themselves, pinned, installed once a machine."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from benchmarks import peers


@pytest.fixture(scope="session")
def modules() -> Path:
    """The pinned packages. Without node or npm the test says so and is skipped; in CI, which has them, that is a failure."""
    try:
        return peers.node_modules()
    except peers.PeerMissing as missing:
        if os.environ.get("CI"):
            pytest.fail(f"CI must run this test: {missing}")
        pytest.skip(str(missing))
