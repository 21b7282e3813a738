"""``fortnight dev``: Dagster's web UI and daemon for a project, until interrupted."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Annotated

import typer

from pipelines.cli.output import JsonOption, LangOption, ProjectOption, emit, line, open_project, spoken

if TYPE_CHECKING:
    from subprocess import Popen

#: Seconds that the web UI and the daemon have to end in.
_PATIENCE = 30
#: Seconds between two looks whether one has ended by itself.
_LOOK_EVERY = 0.5


def dev(
    project: ProjectOption = None,
    port: Annotated[int, typer.Option("--port", min=1, max=65535, help="Port of the web UI on localhost.")] = 3000,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Run the Dagster webserver and daemon for the project, until interrupted. What Dagster itself says goes to stderr under --json."""
    with spoken(lang, json_):
        opened = open_project(project)
        import signal
        import subprocess
        import sys

        from connectors.errors import AnswerIsNo, FixConfiguration

        if not port_is_free(port):
            raise FixConfiguration("dev.port_taken", port=port)
        environment = dagster_environment(opened)
        web, daemon = web_command(port), [sys.executable, "-m", "dagster._daemon", "run", *workspace()]
        url = f"http://localhost:{port}"
        emit("dev", {"url": url}, json_, lambda: line("dev.address", lang, url=url))
        sink = sys.stderr.fileno() if json_ else None
        # Whoever stops a service sends SIGTERM, and a terminal that closes SIGHUP: neither may leave a daemon behind that goes on launching.
        # What whoever started it has ignored (nohup) stays ignored.
        heard = [sent for sent in (signal.SIGTERM, signal.SIGHUP) if signal.getsignal(sent) is not signal.SIG_IGN]
        before = {sent: signal.signal(sent, signal.default_int_handler) for sent in heard}
        running: list[Popen[bytes]] = []
        try:
            for command in (web, daemon):
                # Each leads a group of its own, so that whatever it started ends with it.
                running.append(subprocess.Popen(command, env=environment, stdout=sink, start_new_session=True))
            ended = _first_ended(running)
            # Half of it is no service: a web UI that is gone launches on unseen, a daemon that is gone launches nothing.
            name = "dagster-webserver" if ended is running[0] else "dagster-daemon"
            raise AnswerIsNo("dev.ended", process=name, status=ended.returncode)
        except KeyboardInterrupt:
            # The normal way to end it: nothing is left half-done, and the one JSON object was printed already.
            if not json_:
                line("dev.stopped", lang)
        finally:
            _ended(running)
            for sent, handler in before.items():
                signal.signal(sent, handler)


def _first_ended(running: Sequence[Popen[bytes]]) -> Popen[bytes]:
    """Wait until one of the processes has ended."""
    import time

    while True:
        for process in running:
            if process.poll() is not None:
                return process
        time.sleep(_LOOK_EVERY)


def _ended(running: Sequence[Popen[bytes]]) -> None:
    """Ask the processes to end, and wait until they have: one that does not within its time is killed, and whatever it left behind with it."""
    import os
    import signal
    from contextlib import suppress
    from subprocess import TimeoutExpired

    for process in running:
        process.terminate()
    for process in running:
        try:
            process.wait(timeout=_PATIENCE)
        except TimeoutExpired:
            process.kill()
            process.wait()
        with suppress(ProcessLookupError):  # nobody left, as it should be
            os.killpg(process.pid, signal.SIGKILL)


def port_is_free(port: int) -> bool:
    import socket

    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
        return True


def dagster_environment(project: object) -> dict[str, str]:
    """The environment a Dagster process of this project runs in."""
    import os

    from pipelines.defs.instance import dagster_home
    from pipelines.project import PROJECT_VARIABLE, Project

    assert isinstance(project, Project)
    return {**os.environ, "DAGSTER_HOME": str(dagster_home(project)), PROJECT_VARIABLE: str(project.folder)}


def workspace() -> list[str]:
    """Where Dagster finds the definitions: the repository's workspace file, or the installed module."""
    from pathlib import Path

    import pipelines

    found = Path(pipelines.__file__).parents[1] / "workspace.yaml"
    return ["-w", str(found)] if found.exists() else ["-m", "pipelines.definitions"]


def web_command(port: int) -> list[str]:
    import sys

    return [sys.executable, "-m", "dagster_webserver", "-h", "127.0.0.1", "-p", str(port), *workspace()]
