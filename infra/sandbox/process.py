"""Starting, finding and stopping the sandbox's servers as background processes. What they serve is not known here."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import secrets
import signal
import socket
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Generator
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from infra.sandbox import ca
from infra.sandbox.__main__ import ADMIN_TOKEN_VARIABLE, NAMES, server_module
from infra.sandbox.company.trade import DEFAULT_SEED
from infra.sandbox.state import Running, SandboxError, Server, read_state, settings_of, write_state

DEFAULT_PORT = 18080
START_SECONDS = 60.0
#: So often free ports are looked for.
_TRIES = 3
STOP_SECONDS = 10.0
#: Servers that also listen for clients with a certificate.
WITH_CLIENT_PORT = frozenset({"kintone"})
_REPOSITORY = Path(__file__).resolve().parents[2]
#: Children of this very process: they must be reaped by it, or a dead one would look alive.
_children: dict[int, subprocess.Popen[bytes]] = {}
#: Loopback must never go through a proxy that the environment names.
_opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))


class PortLost(SandboxError):
    """A port that was free when it was chosen was another program's when the server asked for it."""


def up(
    home: Path, *, origin: datetime | None = None, seed: int = DEFAULT_SEED, base_port: int = DEFAULT_PORT, only: tuple[str, ...] = NAMES
) -> Running:
    """Start the servers and return when each answers; a sandbox that already runs in ``home`` is returned as it is.

    ``base_port`` 0 takes any free ports. Raises SandboxError when a port is taken, a server dies, or none answers within a minute;
    nothing is left running then.
    """
    unknown = set(only) - set(NAMES)
    if unknown or not only:
        raise SandboxError(f"no such sandbox server: {', '.join(sorted(unknown)) or '(none named)'}; there are: {', '.join(NAMES)}")
    home = home.resolve()
    home.mkdir(parents=True, exist_ok=True)
    with _locked(home):
        found = status(home)
        if found is not None:
            missing = set(only) - {one.name for one in found.servers}
            if missing:
                raise SandboxError(f"the sandbox in {home} runs without {', '.join(sorted(missing))}; stop it first, then start it again")
            return found
        _stop(home)
        started = origin or datetime.now(UTC)
        for _ in range(_TRIES - 1 if base_port == 0 else 0):
            # A free port is found and let go, and until the server takes it another program may.
            with contextlib.suppress(PortLost):
                return _start(home, origin=started, seed=seed, base_port=0, only=only)
        return _start(home, origin=started, seed=seed, base_port=base_port, only=only)


def status(home: Path) -> Running | None:
    """The running sandbox of this home, or None when it is not running whole (never started, stopped, or a server has died)."""
    known = read_state(home)
    if known is None:
        return None
    for one in known.servers:
        if not _alive(one.pid) or _control(known, one, "clock", {}, timeout=10.0) is None:
            return None
    return known


def down(home: Path) -> None:
    """Stop every server of this home: SIGTERM, then SIGKILL. Stopping what does not run is no error."""
    if home.exists():
        with _locked(home):
            _stop(home)


def advance(home: Path, days: float) -> datetime:
    """Move every server's clock forward by so many days and let the company live them. Returns the new sandbox time, aware UTC."""
    return datetime.fromisoformat(str(control(home, "advance", {"days": days})["now"]))


def stand_at(home: Path, at: datetime) -> datetime:
    """Let every server's clock stand still at ``at`` (aware), with all that happened until then lived. Returns the sandbox time, aware UTC."""
    return datetime.fromisoformat(str(control(home, "stand", {"at": at.isoformat()})["now"]))


def run_on(home: Path) -> datetime:
    """Let clocks that stand still run on. Returns the sandbox time, aware UTC."""
    return datetime.fromisoformat(str(control(home, "run_on", {})["now"]))


def control(home: Path, verb: str, body: dict[str, Any], *, server: str | None = None) -> dict[str, Any]:
    """Call one control verb on one server, or on all; returns the (last) answer. Raises SandboxError with the server's own sentence."""
    known = _running(home)
    if server is not None and server not in [one.name for one in known.servers]:
        raise SandboxError(f"the sandbox in {home} runs without {server}; start it again with it", code="without", server=server)
    answer: dict[str, Any] = {}
    for one in known.servers if server is None else (known.server(server),):
        got = _control(known, one, verb, body, timeout=120.0)
        if got is None:
            raise SandboxError(f"the sandbox's {one.name} server does not answer on port {one.http_port}; see {_log(known.home, one.name)}")
        answer = got
    return answer


def describe(home: Path) -> dict[str, Any]:
    """What a client needs to reach each running server: addresses, test credentials, files. Sandbox credentials only."""
    known = _running(home)
    described: dict[str, Any] = {}
    for one in known.servers:
        state = known.home / one.name
        state.mkdir(parents=True, exist_ok=True)
        described[one.name] = server_module(one.name).describe(settings_of(known, one))
    return described


def environment(home: Path) -> dict[str, str]:
    """The variables a project's ``.env`` needs to work against this sandbox. All addresses are https."""
    known = _running(home)
    described = describe(home)
    found = {"FORTNIGHT_CA_FILE": str(known.home / "ca" / "ca.pem")}
    if kintone := described.get("kintone"):
        found["KINTONE_URL"] = kintone["base_url"]
        found |= {f"KINTONE_TOKEN_{code}": token for code, token in kintone["api_tokens"].items()}
        found |= {"KINTONE_LOGIN": kintone["login"]["user"], "KINTONE_PASSWORD": kintone["login"]["password"]}
    if erp := described.get("erp"):
        settings = settings_of(known, known.server("erp"))
        found["ERP_WSDL"] = str(erp["wsdl"]).replace(settings.http_url, settings.https_url)
        found |= {"ERP_USER": erp["user"], "ERP_PASSWORD": erp["password"]}
        for service in ("hanbai", "zumen"):
            found |= {f"ERP_{service.upper()}_{name.upper()}": value for name, value in erp[service].items()}
    if sharepoint := described.get("sharepoint"):
        sites = sharepoint["site_urls"]
        first = str(next(iter(sites.values() if isinstance(sites, dict) else sites)))
        found["SHAREPOINT_HOST"] = first.split("/sites/", 1)[0].rstrip("/")
        for name in ("authority", "graph", "tenant", "client_id", "client_secret", "certificate"):
            found[f"SHAREPOINT_{name.upper()}"] = str(sharepoint[name])
    return found


def _start(home: Path, *, origin: datetime, seed: int, base_port: int, only: tuple[str, ...]) -> Running:
    ports = _ports(base_port, only)
    ca.ensure(home / "ca")
    token = secrets.token_urlsafe(24)
    (home / "logs").mkdir(exist_ok=True)
    servers: list[Server] = []
    try:
        for name in only:
            servers.append(Server(name, _spawn(home, name, ports[name], origin, seed, token), *ports[name]))
        known = Running(home=home, origin=origin.astimezone(UTC), seed=seed, servers=tuple(servers), admin_token=token)
        write_state(known)
        deadline = time.monotonic() + START_SECONDS
        for one in servers:
            _wait_until_it_answers(known, one, deadline)
    except BaseException:
        for one in servers:
            _end(one.pid)
        (home / "state.json").unlink(missing_ok=True)
        raise
    return known


def _spawn(home: Path, name: str, ports: tuple[int, int, int], origin: datetime, seed: int, token: str) -> int:
    http_port, https_port, client_port = ports
    command = [
        sys.executable,
        "-m",
        "infra.sandbox",
        "serve",
        name,
        "--http-port",
        str(http_port),
        "--https-port",
        str(https_port),
        "--client-port",
        str(client_port),
        "--state",
        str(home / name),
        "--ca",
        str(home / "ca"),
        "--origin",
        origin.isoformat(),
        "--seed",
        str(seed),
    ]
    with _log(home, name).open("ab") as log:
        log.truncate(0)
        child = subprocess.Popen(
            command,
            cwd=_REPOSITORY,
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=subprocess.STDOUT,
            start_new_session=True,
            env={**os.environ, ADMIN_TOKEN_VARIABLE: token},
        )
    _children[child.pid] = child
    return child.pid


def _wait_until_it_answers(known: Running, one: Server, deadline: float) -> None:
    log = _log(known.home, one.name)
    while time.monotonic() < deadline:
        if not _alive(one.pid):
            lost = "address already in use" in _tail(log, 200)
            raise (PortLost if lost else SandboxError)(
                f"the sandbox's {one.name} server stopped while starting. Its last lines:\n{_tail(log)}"
            )
        if _control(known, one, "clock", {}, timeout=5.0) is not None and all(
            _connects(port) for port in (one.https_port, one.client_port) if port
        ):
            return
        time.sleep(0.05)
    raise SandboxError(f"the sandbox's {one.name} server did not answer within {START_SECONDS:.0f} s. Its last lines:\n{_tail(log)}")


def _ports(base_port: int, only: tuple[str, ...]) -> dict[str, tuple[int, int, int]]:
    """Two ports a server, side by side; after all of them the one for client certificates."""
    found: dict[str, tuple[int, int, int]] = {}
    with contextlib.ExitStack() as held:
        for place, name in enumerate(NAMES):
            if name in only:
                pair = [0, 0] if base_port == 0 else [base_port + 2 * place, base_port + 2 * place + 1]
                third = 0 if base_port == 0 else base_port + 2 * len(NAMES)
                # All are held open together, so that free ports differ from one another.
                found[name] = (_bind(pair[0], held), _bind(pair[1], held), _bind(third, held) if name in WITH_CLIENT_PORT else 0)
    return found


def _bind(port: int, held: contextlib.ExitStack) -> int:
    probe = held.enter_context(socket.socket(socket.AF_INET, socket.SOCK_STREAM))
    probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    try:
        probe.bind(("127.0.0.1", port))
        probe.listen(1)
    except OSError as error:
        raise SandboxError(
            f"port {port} on localhost is already taken by another program; stop it or start the sandbox with --port N",
            code="port_taken",
            port=port,
        ) from error
    return int(probe.getsockname()[1])


def _connects(port: int) -> bool:
    with socket.socket(socket.AF_INET, socket.SOCK_STREAM) as probe:
        probe.settimeout(2.0)
        return probe.connect_ex(("127.0.0.1", port)) == 0


def _control(known: Running, one: Server, verb: str, body: dict[str, Any], *, timeout: float) -> dict[str, Any] | None:
    """The verb's answer; None when nobody (or somebody else) listens there. A refusal is a SandboxError."""
    request = urllib.request.Request(
        f"http://127.0.0.1:{one.http_port}/_sandbox/{verb}",
        data=json.dumps(body).encode(),
        method="POST",
        headers={"X-Sandbox-Admin": known.admin_token, "Content-Type": "application/json"},
    )
    try:
        with _opener.open(request, timeout=timeout) as answer:
            return json.loads(answer.read())
    except urllib.error.HTTPError as error:
        with error:
            text = error.read().decode("utf-8", "replace")
        if error.code == 400:
            reason = json.loads(text).get("error", text)
            told = f"the sandbox's {one.name} server refused {verb}: {reason}"
            raise SandboxError(told, code="refused", server=one.name, verb=verb, reason=reason) from error
        return None
    except (OSError, ValueError):
        return None


def _alive(pid: int) -> bool:
    if pid in _children:
        return _children[pid].poll() is None
    try:
        os.kill(pid, 0)
    except (ProcessLookupError, PermissionError):
        return False
    return "infra.sandbox serve" in _command_line(pid)


def _command_line(pid: int) -> str:
    """The command of a process, so that a number which the system gave to another program is never signalled."""
    proc = Path(f"/proc/{pid}/cmdline")
    if Path("/proc/self/cmdline").exists():
        with contextlib.suppress(FileNotFoundError, ProcessLookupError):
            return proc.read_bytes().replace(b"\0", b" ").decode("utf-8", "replace")
        return ""
    return subprocess.run(["ps", "-o", "command=", "-p", str(pid)], capture_output=True, text=True, check=False).stdout


def _end(pid: int) -> None:
    for number, patience in ((signal.SIGTERM, STOP_SECONDS), (signal.SIGKILL, STOP_SECONDS)):
        if not _alive(pid):
            break
        with contextlib.suppress(ProcessLookupError):
            os.kill(pid, number)
        deadline = time.monotonic() + patience
        while _alive(pid) and time.monotonic() < deadline:
            time.sleep(0.02)
    _children.pop(pid, None)


def _stop(home: Path) -> None:
    known = read_state(home)
    if known is not None:
        for one in known.servers:
            _end(one.pid)
    (home / "state.json").unlink(missing_ok=True)


def _running(home: Path) -> Running:
    known = read_state(home)
    if known is None:
        raise SandboxError(f"no sandbox runs in {home}; start one with `fortnight sandbox up`", code="not_running", home=home)
    return known


@contextlib.contextmanager
def _locked(home: Path) -> Generator[None]:
    """One ``up`` or ``down`` at a time per home."""
    with (home / "lock").open("w") as handle:
        fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _log(home: Path, name: str) -> Path:
    return home / "logs" / f"{name}.log"


def _tail(log: Path, lines: int = 15) -> str:
    if not log.exists():
        return "(it wrote nothing)"
    return "\n".join(log.read_text(encoding="utf-8", errors="replace").splitlines()[-lines:]) or "(it wrote nothing)"
