"""What others wrote and we run is pinned to the byte, and to no place it is fetched from."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import peers

PINNED = (peers.HERE, Path(__file__).resolve().parents[1] / "faults" / "azurite")


@pytest.mark.parametrize("folder", PINNED, ids=lambda folder: folder.name)
def test_every_package_that_npm_would_install_is_pinned_by_hash_and_names_no_address(folder: Path) -> None:
    lock = json.loads((folder / "package-lock.json").read_text(encoding="utf-8"))
    wanted = json.loads((folder / "package.json").read_text(encoding="utf-8"))["dependencies"]
    packages = {path: package for path, package in lock["packages"].items() if path}
    assert all(version.replace(".", "").isdigit() for version in wanted.values())
    assert {path: packages[f"node_modules/{path}"]["version"] for path in wanted} == wanted
    assert [path for path, package in packages.items() if not package.get("integrity", "").startswith("sha512-")] == []
    assert [path for path, package in packages.items() if "resolved" in package] == []
