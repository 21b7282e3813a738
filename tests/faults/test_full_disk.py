"""A disk that is full, or a file that may not grow: one sentence, exit 2, and what was published is as it was."""

from __future__ import annotations

import os
import re
import resource
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from conformance.live import ACCEPTED, ORIGIN, project_for, rows_by_key, with_contract, without_our_variables

from infra.sandbox import process
from pipelines.clock import WallClock
from pipelines.landing.warehouse import Warehouse
from pipelines.project import Project
from pipelines.pull.outcome import Request
from pipelines.pull.run import pull

ROOT = Path(__file__).resolve().parents[2]
STREAM = "kintone/orders"


@pytest.fixture(scope="module")
def home(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Path]:
    folder = tmp_path_factory.mktemp("disk")
    process.up(folder, origin=ORIGIN, base_port=0, only=("kintone",))
    yield folder
    process.down(folder)


@pytest.fixture
def small_disk(tmp_path: Path) -> Iterator[Path]:
    """A file system of 5 MB; only root may make one."""
    folder = tmp_path / "small"
    folder.mkdir()
    if os.geteuid() != 0 or not shutil.which("mount"):
        pytest.skip("only root can mount a small file system; the file-size limit below is tested everywhere")
    made = subprocess.run(["mount", "-t", "tmpfs", "-o", "size=5m", "fortnight-test", str(folder)], capture_output=True, check=False)
    if made.returncode:
        pytest.skip("this machine lets not even root mount a file system")
    yield folder
    subprocess.run(["umount", str(folder)], check=True)


def told(project: Project, *, lang: str = "en", limit: Callable[[], None] | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "pipelines.cli", "pull", STREAM, "--full", "--lang", lang, "--project", str(project.folder)]
    return subprocess.run(command, cwd=ROOT, env=without_our_variables(), capture_output=True, text=True, check=False, preexec_fn=limit)


def assert_said(done: subprocess.CompletedProcess[str], words: str) -> None:
    assert done.returncode == 2, done.stderr
    assert words in done.stderr.splitlines()[-1] and re.search(r"os error|errno", done.stderr.splitlines()[-1])
    assert "Traceback" not in done.stderr


def few_then_more(folder: Path, home: Path, *kinds: str) -> tuple[Project, Project]:
    """The project with the repair orders published, and with the contract widened to these kinds too (none named: to all 20,000 orders)."""
    few = with_contract(project_for(folder, home), STREAM, source={"app_code": "ORDERS", "condition": '受注区分 in ("修理")'})
    assert pull(few, Request(STREAM), WallClock()).error is None
    wider = {"condition": f"受注区分 in ({', '.join(f'{chr(34)}{kind}{chr(34)}' for kind in ('修理', *kinds))})"} if kinds else {}
    return few, with_contract(few, STREAM, version=2, accepted=ACCEPTED, source={"app_code": "ORDERS"} | wider)


def test_on_a_full_disk_the_pull_says_so_and_what_was_published_stands(small_disk: Path, home: Path) -> None:
    few, more = few_then_more(small_disk / "project", home)
    rows, record = rows_by_key(few, STREAM), Warehouse(few.root).published(STREAM)
    assert_said(told(more), "Cannot write to")
    assert rows_by_key(few, STREAM) == rows and Warehouse(few.root).published(STREAM) == record


def test_when_a_file_may_not_grow_the_pull_says_so_and_the_next_one_succeeds(tmp_path: Path, home: Path) -> None:
    few, more = few_then_more(tmp_path / "project", home, "予備品")
    rows, record = rows_by_key(few, STREAM), Warehouse(few.root).published(STREAM)

    def limited() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (200_000, 200_000))

    assert_said(told(more, lang="ja", limit=limited), "に書けません")
    assert rows_by_key(few, STREAM) == rows and Warehouse(few.root).published(STREAM) == record
    result = pull(more, Request(STREAM, full=True), WallClock())
    assert result.error is None and len(rows_by_key(more, STREAM)) > len(rows)
