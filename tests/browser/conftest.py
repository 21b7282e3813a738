"""What a browser test needs: Chromium, a project that was pulled once, and Dagster's web server on it."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from headless import Browser

from docs.photograph import BROWSERS

# The small project is written by the tests of the Dagster side; this folder only looks at it.
sys.path.append(str(Path(__file__).resolve().parents[1] / "pipelines" / "defs"))
ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(scope="session")
def chromium() -> str:
    """The browser's path. On a machine without one these tests are skipped and say so; in CI that is red."""
    found = next((path for name in BROWSERS if (path := shutil.which(name))), None)
    if found is None:
        said = f"no browser found (looked for {', '.join(BROWSERS)}): install chromium to see what an operator sees"
        if os.environ.get("CI"):
            pytest.fail(said)
        pytest.skip(said)
    return found


@pytest.fixture(scope="session")
def today() -> str:
    return datetime.now(ZoneInfo("Asia/Tokyo")).date().isoformat()


@pytest.fixture(scope="session")
def pulled(chromium: str, today: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    """A project whose customers were pulled well and whose FAQ broke a rule; its kintone is gone by the time anybody looks."""
    from small_project import CUSTOMERS, FAQ, write_project

    from infra.sandbox import process
    from pipelines.cli.launch import run_job
    from pipelines.clock import WallClock
    from pipelines.defs.instance import instance_of
    from pipelines.project import load
    from pipelines.pull.outcome import silent

    folder, home = tmp_path_factory.mktemp("looked-at"), tmp_path_factory.mktemp("kintone")
    before = {name: os.environ.get(name) for name in ("DAGSTER_HOME", "FORTNIGHT_PROJECT")}
    process.up(home, base_port=0, only=("kintone",))
    try:
        unmeetable = FAQ | {
            "expectations": [{"expect": "expect_table_row_count_to_be_between", "min_value": 100_000, "severity": "critical"}]
        }
        index = {"support": {"streams": ["kintone/faq"]}}
        project = load(write_project(folder, CUSTOMERS, unmeetable, home=home, indexes=index))
        with instance_of(project) as instance:
            run_job(project, "pull_kintone", WallClock(), silent, partition=today, instance=instance)
        yield folder
    finally:
        process.down(home)
        for name, value in before.items():
            if value is None:
                os.environ.pop(name, None)
            else:
                os.environ[name] = value


@pytest.fixture(scope="session")
def browser(chromium: str, pulled: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Browser]:
    """Dagster's web server on the pulled project, and a browser before it."""
    from pipelines.cli.dev import dagster_environment, web_command
    from pipelines.project import load

    folder = tmp_path_factory.mktemp("browser")
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port = int(probe.getsockname()[1])
    with (folder / "web.log").open("w") as log:
        web = subprocess.Popen(web_command(port), cwd=ROOT, env=dagster_environment(load(pulled)), stdout=log, stderr=log)
    try:
        wait_for(f"http://127.0.0.1:{port}/server_info", web, folder / "web.log")
        yield Browser(chromium, f"http://127.0.0.1:{port}", folder)
    finally:
        web.terminate()
        web.wait(timeout=30)


def wait_for(url: str, process: subprocess.Popen[bytes], log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(480):
        try:
            opener.open(url, timeout=2).close()
        except (urllib.error.URLError, OSError):
            if process.poll() is not None:
                break
            time.sleep(0.25)
        else:
            return
    pytest.fail(f"the web server did not come up:\n{log.read_text(encoding='utf-8')[-2000:]}")
