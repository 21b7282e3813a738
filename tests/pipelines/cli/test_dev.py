"""``fortnight dev`` as a service manager starts and stops it."""

from __future__ import annotations

import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path

import pytest

PROJECT = Path(__file__).parents[3] / "infra" / "project"


def children(pid: int) -> list[int]:
    """The processes that one started, and those that they did."""
    try:
        own = [int(one) for one in Path(f"/proc/{pid}/task/{pid}/children").read_text(encoding="ascii").split()]
    except FileNotFoundError:
        return []
    return [*own, *(deeper for one in own for deeper in children(one))]


def alive(pid: int) -> bool:
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8").rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP])
def test_whoever_stops_it_leaves_no_daemon_behind(tmp_path: Path, sent: signal.Signals) -> None:
    shutil.copytree(PROJECT, tmp_path / "project", ignore=shutil.ignore_patterns(".fortnight", "data", ".env"))
    port = free_port()
    command = [sys.executable, "-m", "pipelines.cli", "dev", "--project", str(tmp_path / "project"), "--port", str(port)]
    with (tmp_path / "log").open("w", encoding="utf-8") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        answered(port, running)
        started = children(running.pid)
        assert len(started) >= 2, "the web UI and the daemon"
        running.send_signal(sent)
        assert running.wait(timeout=60) == 0
        until = time.monotonic() + 20
        while (left := [one for one in started if alive(one)]) and time.monotonic() < until:
            time.sleep(0.2)
        assert left == []
    finally:
        for one in children(running.pid):
            subprocess.run(["kill", "-9", str(one)], check=False)
        running.kill()


def answered(port: int, running: subprocess.Popen[bytes]) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert running.poll() is None
        try:
            opener.open(f"http://127.0.0.1:{port}/server_info", timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise AssertionError("the web UI did not come up")
