"""``fortnight dev`` as a service manager starts and stops it."""

from __future__ import annotations

import os
import random
import shutil
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from contextlib import contextmanager, suppress
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
    """One that nobody is given by chance while the web UI is still on its way: not of those that the kernel hands out."""
    while True:
        port = random.randint(20_000, 30_000)
        with socket.socket() as probe, suppress(OSError):
            probe.bind(("127.0.0.1", port))
            return port


@contextmanager
def dev(folder: Path) -> Generator[subprocess.Popen[bytes]]:
    """``fortnight dev`` over a copy of the example project, once its web UI answers. Whatever happens, nothing of it is left."""
    shutil.copytree(PROJECT, folder / "project", ignore=shutil.ignore_patterns(".fortnight", "data", ".env"))
    port = free_port()
    command = [sys.executable, "-m", "pipelines.cli", "dev", "--project", str(folder / "project"), "--port", str(port)]
    with (folder / "log").open("w", encoding="utf-8") as log:
        running = subprocess.Popen(command, stdout=log, stderr=log)
    try:
        answered(port, running, folder / "log")
        yield running
    finally:
        for one in children(running.pid):
            subprocess.run(["kill", "-9", str(one)], check=False)
        running.kill()


@pytest.mark.parametrize("sent", [signal.SIGTERM, signal.SIGHUP])
def test_whoever_stops_it_leaves_no_daemon_behind(tmp_path: Path, sent: signal.Signals) -> None:
    with dev(tmp_path) as running:
        started = children(running.pid)
        assert len(started) >= 2, "the web UI and the daemon"
        running.send_signal(sent)
        assert running.wait(timeout=60) == 0
        assert none_left(started)


def test_when_one_half_ends_the_other_is_stopped_and_it_is_said(tmp_path: Path) -> None:
    with dev(tmp_path) as running:
        started = children(running.pid)
        web, *_ = Path(f"/proc/{running.pid}/task/{running.pid}/children").read_text(encoding="ascii").split()
        os.kill(int(web), signal.SIGKILL)
        assert running.wait(timeout=60) == 1
        assert none_left(started)
    assert "dagster-webserver ended with status -9" in (tmp_path / "log").read_text(encoding="utf-8")


def none_left(started: list[int]) -> bool:
    until = time.monotonic() + 20
    while left := [one for one in started if alive(one)]:
        if time.monotonic() > until:
            return False
        time.sleep(0.2)
    return not left


def answered(port: int, running: subprocess.Popen[bytes], log: Path) -> None:
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    until = time.monotonic() + 120
    while time.monotonic() < until:
        assert running.poll() is None, log.read_text(encoding="utf-8")
        try:
            opener.open(f"http://127.0.0.1:{port}/server_info", timeout=2).close()
            return
        except (urllib.error.URLError, OSError):
            time.sleep(0.3)
    raise AssertionError(f"the web UI did not come up: {log.read_text(encoding='utf-8')}")
