"""Starting and stopping the sandbox: once, whole or not at all, and never in somebody else's way."""

from __future__ import annotations

import json
import os
import socket
from datetime import UTC, datetime
from pathlib import Path

import httpx
import pytest

from infra.sandbox import process

ORIGIN = datetime(2026, 6, 1, 1, 0, tzinfo=UTC)


def test_up_serves_both_ways_is_found_again_and_goes_down_twice(tmp_path: Path) -> None:
    running = process.up(tmp_path, origin=ORIGIN, base_port=0, only=("kintone",))
    try:
        assert process.up(tmp_path, base_port=0, only=("kintone",)) == running == process.status(tmp_path)
        values = process.environment(tmp_path)
        assert set(values) >= {"FORTNIGHT_CA_FILE", "KINTONE_URL", "KINTONE_TOKEN_ORDERS", "KINTONE_LOGIN", "KINTONE_PASSWORD"}
        with httpx.Client(verify=values["FORTNIGHT_CA_FILE"], trust_env=False) as client:
            headers = {"X-Cybozu-API-Token": values["KINTONE_TOKEN_ORDERS"]}
            answer = client.get(f"{values['KINTONE_URL']}/k/v1/app.json?id=12", headers=headers)
        assert answer.json()["code"] == "ORDERS" and answer.headers["X-Fortnight-Sandbox"] == "1"
        assert process.advance(tmp_path, 2).date() == datetime(2026, 6, 3, tzinfo=UTC).date()
        described = process.describe(tmp_path)["kintone"]
        assert set(described) == {"base_url", "http_url", "ca_file", "apps", "api_tokens", "login", "client_certificate"}
        with pytest.raises(process.SandboxError, match="without erp"):
            process.up(tmp_path, base_port=0, only=("kintone", "erp"))
    finally:
        process.down(tmp_path)
    process.down(tmp_path)
    assert process.status(tmp_path) is None
    with pytest.raises(ProcessLookupError):
        os.kill(running.servers[0].pid, 0)


def test_the_admin_token_is_private_to_the_state_file(tmp_path: Path) -> None:
    running = process.up(tmp_path, origin=ORIGIN, base_port=0, only=("kintone",))
    try:
        assert running.admin_token not in repr(running)
        assert (tmp_path / "state.json").stat().st_mode & 0o077 == 0
        url = f"http://127.0.0.1:{running.servers[0].http_port}/_sandbox/clock"
        assert httpx.post(url, headers={"X-Sandbox-Admin": "guess"}, trust_env=False).status_code == 403
        with pytest.raises(process.SandboxError, match="refused truth: there is no app 5"):
            process.control(tmp_path, "truth", {"app": 5})
    finally:
        process.down(tmp_path)


def test_a_taken_port_is_named_and_nothing_is_left_running(tmp_path: Path) -> None:
    with socket.socket() as other:
        other.bind(("127.0.0.1", 0))
        other.listen()
        port = other.getsockname()[1]
        with pytest.raises(process.SandboxError, match=f"port {port} on localhost is already taken by another program"):
            process.up(tmp_path, base_port=port, only=("kintone",))
    assert process.status(tmp_path) is None and not (tmp_path / "state.json").exists()


def test_a_server_that_dies_while_starting_is_reported_with_its_last_lines(tmp_path: Path) -> None:
    (tmp_path / "kintone").write_text("a file where the state folder should be")
    with pytest.raises(process.SandboxError, match=r"(?s)kintone server stopped while starting.*FileExistsError"):
        process.up(tmp_path, base_port=0, only=("kintone",))
    assert not (tmp_path / "state.json").exists()


def test_a_sandbox_with_a_dead_server_is_not_running_and_is_started_anew(tmp_path: Path) -> None:
    first = process.up(tmp_path, origin=ORIGIN, base_port=0, only=("kintone",))
    try:
        os.kill(first.servers[0].pid, 9)
        process._children[first.servers[0].pid].wait()  # pyright: ignore[reportPrivateUsage]
        assert process.status(tmp_path) is None
        again = process.up(tmp_path, origin=ORIGIN, base_port=0, only=("kintone",))
        assert again.servers[0].pid != first.servers[0].pid and process.status(tmp_path) == again
    finally:
        process.down(tmp_path)


def test_a_process_number_that_went_to_another_program_is_never_signalled(tmp_path: Path) -> None:
    state = {
        "origin": ORIGIN.isoformat(),
        "seed": 1,
        "admin_token": "x",
        "servers": [{"name": "kintone", "pid": os.getpid(), "http_port": 1, "https_port": 2}],
    }
    (tmp_path / "state.json").write_text(json.dumps(state))
    process.down(tmp_path)
    assert process.status(tmp_path) is None


def test_asking_a_sandbox_that_does_not_run_says_how_to_start_one(tmp_path: Path) -> None:
    with pytest.raises(process.SandboxError, match="fortnight sandbox up"):
        process.describe(tmp_path)
    process.down(tmp_path / "never-made")


def test_a_free_port_that_somebody_else_took_meanwhile_is_looked_for_anew(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    free = process._ports  # pyright: ignore[reportPrivateUsage]  # what chooses them
    with socket.socket() as taken:
        taken.bind(("127.0.0.1", 0))
        taken.listen(1)
        chosen: list[int] = []

        def unlucky(base_port: int, only: tuple[str, ...]) -> dict[str, tuple[int, int, int]]:
            found = free(base_port, only)
            chosen.append(1)
            return found if len(chosen) > 1 else {name: (taken.getsockname()[1], *rest) for name, (_, *rest) in found.items()}

        monkeypatch.setattr(process, "_ports", unlucky)
        try:
            running = process.up(tmp_path, origin=ORIGIN, base_port=0, only=("kintone",))
            assert process.status(tmp_path) == running and len(chosen) == 2
        finally:
            process.down(tmp_path)
