"""A sandbox and a copy of the example project for a measure, gone afterwards."""

from __future__ import annotations

import contextlib
import shutil
from collections.abc import Iterator
from pathlib import Path

from infra.sandbox import process
from infra.sandbox.__main__ import NAMES

EXAMPLE = Path(__file__).resolve().parents[1] / "infra" / "project"


@contextlib.contextmanager
def project(folder: Path, *, only: tuple[str, ...] = NAMES) -> Iterator[Path]:
    """The project's folder, its .env pointing at a sandbox that runs as long as the block does, in ``folder / "sandbox"``."""
    home = folder / "sandbox"
    process.up(home, base_port=0, only=only)
    try:
        target = folder / "project"
        shutil.copytree(EXAMPLE, target, ignore=shutil.ignore_patterns(".fortnight", "data", ".env"))
        (target / ".env").write_text("".join(f"{name}={value}\n" for name, value in process.environment(home).items()), encoding="utf-8")
        yield target
    finally:
        process.down(home)
