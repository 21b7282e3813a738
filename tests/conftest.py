"""What many tests share: one sandbox for the whole session, a project that points at it, Hypothesis profiles."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings

ROOT = Path(__file__).resolve().parents[1]
settings.register_profile("slice", deadline=None, max_examples=50, suppress_health_check=[HealthCheck.too_slow])
settings.register_profile("soak", deadline=None, max_examples=5_000, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile(os.environ.get("HYPOTHESIS_PROFILE", "slice"))


@pytest.fixture(scope="session")
def sandbox(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """The home of a running sandbox that no test may change (read only by agreement; ``own_sandbox`` is for changing)."""
    from infra.sandbox import process

    home = tmp_path_factory.mktemp("sandbox")
    process.up(home, base_port=0)
    yield home
    process.down(home)


@pytest.fixture
def own_sandbox(tmp_path: Path) -> Iterator[Path]:
    """A sandbox of this test alone: it may advance the clock, break things and evolve schemas."""
    from infra.sandbox import process

    home = tmp_path / "sandbox"
    process.up(home, base_port=0)
    yield home
    process.down(home)


def project_at(folder: Path, sandbox_home: Path) -> Path:
    """A copy of the example project that points at a sandbox. Its data are its own; contracts and embeddings are the committed ones."""
    from infra.sandbox import process

    ignored = shutil.ignore_patterns(".fortnight", "data", ".env")
    shutil.copytree(ROOT / "infra" / "project", folder, ignore=ignored)
    lines = [f"{name}={value}" for name, value in process.environment(sandbox_home).items()]
    (folder / ".env").write_text("\n".join(lines) + "\n", encoding="utf-8")
    return folder


@pytest.fixture
def project_folder(tmp_path: Path, sandbox: Path) -> Path:
    """The example project in a folder of its own, pointed at the shared sandbox."""
    return project_at(tmp_path / "project", sandbox)


@pytest.hookimpl(trylast=True)
def pytest_sessionfinish(session: pytest.Session) -> None:
    """In CI a skipped test is red: what it needs is installed there, so a skip hides something."""
    reporter = session.config.pluginmanager.get_plugin("terminalreporter")
    if os.environ.get("CI") and reporter is not None and reporter.stats.get("skipped"):
        reporter.write_line("a test was skipped, and in CI that is red")
        session.exitstatus = 1
