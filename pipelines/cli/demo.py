"""``fortnight demo``: the main job, end to end, on the example project: sandbox, map, pulls, index, one question as two people, the gate."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Annotated, Any

import typer

from pipelines.cli.output import NO, Bars, ProjectOption, open_project, spoken

QUESTION = "昇格候補者の選考基準を教えてください"
ASKERS = ("nanami.shimizu@sakura-seiki.example", "kenta.suzuki@sakura-seiki.example", "stranger@nowhere.example")


def demo(
    project: ProjectOption = None,
    ui: Annotated[bool, typer.Option("--ui/--no-ui", help="Leave Dagster's web UI running and print its address.")] = True,
    port: Annotated[int, typer.Option("--port", min=0, max=65530, help="First of six sandbox ports; 0 takes any free ones.")] = 18080,
    ui_port: Annotated[int, typer.Option("--ui-port", min=1, max=65535, help="Port of Dagster's web UI.")] = 3000,
) -> None:
    """Live the whole job against the sandbox. Ends with `demo: ok`, or says which step did not hold."""
    with spoken():
        from connectors.errors import FixConfiguration
        from pipelines.cli.dev import port_is_free

        folder = project or str(Path(__file__).resolve().parents[2] / "infra" / "project")
        if ui:
            _stop_earlier_ui(open_project(folder).home / "webserver.pid")
            if not port_is_free(ui_port):
                raise FixConfiguration("dev.port_taken", port=ui_port)
        started = time.monotonic()
        for number, (title, act) in enumerate(_steps(folder, port, ui_port if ui else None), start=1):
            typer.echo(f"\n{number}. {title}")
            act()
        typer.echo(f"\n{time.monotonic() - started:.0f} s, installation apart")
    typer.echo("demo: ok")


def _steps(folder: str, port: int, ui_port: int | None) -> list[tuple[str, Any]]:
    steps = [
        ("The sandbox: kintone, an ERP that speaks only SOAP, SharePoint", lambda: _sandbox(folder, port)),
        ("The source map: what is there, and proposed contracts", lambda: _map(folder)),
        ("Pull every stream: compare, fetch, judge, land, balance, publish", lambda: _pull(folder)),
        ("The index: documents, chunks, principals, vectors; one candidate", lambda: _index(folder)),
        (f"One question as three people: {QUESTION}", lambda: _ask(folder)),
        ("The gate: may it serve production?", lambda: _gate(folder)),
    ]
    if ui_port is not None:
        steps.append(("Dagster's web UI", lambda: _ui(folder, ui_port)))
    return steps


def _sandbox(folder: str, port: int) -> None:
    from infra.sandbox import process
    from pipelines.cli.output import USAGE
    from pipelines.cli.sandbox import home_of, write_environment

    home = home_of(folder)
    try:
        running = process.up(home, base_port=port)
    except process.SandboxError as error:
        typer.echo(str(error), err=True)
        raise typer.Exit(USAGE) from None
    write_environment(folder)
    for one in running.servers:
        typer.echo(f"   {one.name:<12}https://localhost:{one.https_port}")


def _map(folder: str) -> None:
    from pipelines.cli.map import map_

    map_(project=folder)


def _pull(folder: str) -> None:
    from zoneinfo import ZoneInfo

    from pipelines.cli.launch import run_job
    from pipelines.clock import WallClock
    from pipelines.defs.instance import instance_of
    from pipelines.defs.jobs import by_system, system_job_name
    from pipelines.landing.warehouse import Warehouse

    opened, clock = open_project(folder), WallClock()
    today = clock.now().astimezone(ZoneInfo(opened.file.timezone)).date().isoformat()
    good = True
    with instance_of(opened) as instance:
        for system in by_system(opened):
            with Bars() as bars:
                result = run_job(opened, system_job_name(system), clock, bars, partition=today, instance=instance)
            good = good and result.success
    warehouse = Warehouse(opened.root)
    for stream in opened.contracts:
        record = warehouse.published(stream)
        counts = record.counts if record else {}
        typer.echo(
            f"   {stream:<30}{counts.get('live', 0):>7} rows live, {counts.get('changed', 0)} changed"
            if record
            else f"   {stream:<30} NOT PUBLISHED"
        )
        good = good and record is not None
    if not good:
        typer.echo("a pull did not succeed; `fortnight pull STREAM` says why", err=True)
        raise typer.Exit(NO)


def _index(folder: str) -> None:
    from zoneinfo import ZoneInfo

    from pipelines.cli.launch import run_job
    from pipelines.clock import WallClock
    from pipelines.defs.instance import instance_of
    from pipelines.defs.jobs import index_job_name
    from pipelines.index.releases import newest_candidate

    opened, clock = open_project(folder), WallClock()
    today = clock.now().astimezone(ZoneInfo(opened.file.timezone)).date().isoformat()
    with instance_of(opened) as instance:
        for name in opened.file.indexes:
            with Bars() as bars:
                result = run_job(opened, index_job_name(name), clock, bars, partition=today, instance=instance)
            made = newest_candidate(opened.root, name)
            if not result.success or made is None:
                typer.echo(f"the candidate of {name} was not built; `fortnight index build {name}` says why", err=True)
                raise typer.Exit(NO)
            typer.echo(
                f"   {made.release}: {sum(made.documents.values())} documents, {made.chunks} chunks, access resolved on {made.access.share:.1%}"
            )


def _ask(folder: str) -> None:
    from pipelines.clock import WallClock
    from pipelines.serving.desk import preview

    opened = open_project(folder)
    answers: list[list[str]] = []
    for person in ASKERS:
        answer = preview(opened, next(iter(opened.file.indexes)), QUESTION, person, 3, WallClock())
        typer.echo(f"   as {person}")
        for hit in answer.hits:
            typer.echo(f"      {hit.rank}. {hit.title}  [{hit.stream}]")
        if not answer.hits:
            typer.echo(f"      nothing ({answer.reason.value})")
        answers.append([hit.chunk for hit in answer.hits])
    insider, outsider, stranger = answers
    if not insider or insider == outsider or stranger:
        typer.echo("the answers do not differ by what each person may see", err=True)
        raise typer.Exit(NO)


def _gate(folder: str) -> None:
    from connectors.messages import sentence
    from pipelines.cli.gate import gate_state
    from pipelines.clock import WallClock
    from pipelines.defs.instance import instance_of
    from pipelines.defs.seal import seal_project

    opened = open_project(folder)
    with instance_of(opened) as instance:
        seal_project(opened, instance, WallClock())
    for name in opened.file.indexes:
        state = gate_state(opened, name)
        typer.echo(f"   {name}: {state.eligibility}, {state.green_days} of {state.required_days} green days, because")
        for reason in state.reasons:
            typer.echo(f"   - {sentence(reason.code, reason.params)}")
        if state.eligibility == "eligible":
            typer.echo("an index without a single scheduled day must not be eligible", err=True)
            raise typer.Exit(NO)


def _ui(folder: str, port: int) -> None:
    import subprocess
    import urllib.error
    import urllib.request

    from pipelines.cli.dev import dagster_environment, web_command

    opened = open_project(folder)
    log = opened.home / "webserver.log"
    with log.open("w") as sink:
        process = subprocess.Popen(web_command(port), env=dagster_environment(opened), stdout=sink, stderr=sink, start_new_session=True)
    (opened.home / "webserver.pid").write_text(str(process.pid))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(240):
        try:
            opener.open(f"http://localhost:{port}/server_info", timeout=2).close()
        except (urllib.error.URLError, OSError):
            if process.poll() is not None:
                break
            time.sleep(0.25)
        else:
            typer.echo(f"   http://localhost:{port}/asset-groups   (`make clean` stops it and the sandbox)")
            return
    typer.echo(f"Dagster's web UI did not come up; see {log}", err=True)
    raise typer.Exit(NO)


def _stop_earlier_ui(pid_file: Path) -> None:
    """End the web UI of an earlier demo of this project, if that is what still has the recorded process number."""
    import os
    import signal

    if not pid_file.exists():
        return
    pid = int(pid_file.read_text().strip() or 0)
    command = Path(f"/proc/{pid}/cmdline")
    if pid and command.exists() and b"dagster_webserver" in command.read_bytes():
        os.killpg(pid, signal.SIGTERM)
        for _ in range(50):
            if not command.exists() or not command.read_bytes():
                break
            time.sleep(0.1)
    pid_file.unlink()
