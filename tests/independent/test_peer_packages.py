"""What others wrote and we run is pinned to the byte, and to no place it is fetched from."""

from __future__ import annotations

import json

from benchmarks import peers


def test_every_package_that_npm_would_install_is_pinned_by_hash_and_names_no_address() -> None:
    lock = json.loads((peers.HERE / "package-lock.json").read_text(encoding="utf-8"))
    wanted = json.loads((peers.HERE / "package.json").read_text(encoding="utf-8"))["dependencies"]
    packages = {path: package for path, package in lock["packages"].items() if path}
    assert all(version.replace(".", "").isdigit() for version in wanted.values())
    assert {path: packages[f"node_modules/{path}"]["version"] for path in wanted} == wanted
    assert [path for path, package in packages.items() if not package.get("integrity", "").startswith("sha512-")] == []
    assert [path for path, package in packages.items() if "resolved" in package] == []
