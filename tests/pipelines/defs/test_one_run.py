"""A run of a system's streams asks once for what belongs to the whole system; another one asks for itself."""

from __future__ import annotations

from pathlib import Path
from zoneinfo import ZoneInfo

from small_project import CUSTOMERS, FAQ, write_project

from infra.sandbox import process
from pipelines.cli.launch import run_job
from pipelines.clock import WallClock
from pipelines.landing.warehouse import Warehouse
from pipelines.project import load
from pipelines.pull.outcome import silent


def test_the_directory_is_read_once_a_run_however_many_streams_it_pulls(kintone: Path, tmp_path: Path) -> None:
    seen: list[int] = []
    for name in ("here", "there"):
        project = load(write_project(tmp_path / name, CUSTOMERS, FAQ, home=kintone))
        process.control(kintone, "traffic", {"reset": True}, server="kintone")
        today = WallClock().now().astimezone(ZoneInfo(project.file.timezone)).date().isoformat()
        run_job(project, "pull_kintone", WallClock(), silent, partition=today)
        seen.append(process.control(kintone, "traffic", {}, server="kintone")["by_path"].get("GET /v1/groups.json", 0))
        assert all(Warehouse(project.root).published(stream) for stream in project.contracts)
    assert seen == [1, 1]
