"""``fortnight demo``: the main job, end to end, on the example project: sandbox, map, pulls, index, one question as two people, the gate."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer

from pipelines.cli.output import Bars, JsonOption, LangOption, cell, emit, open_project, row, spoken, word

if TYPE_CHECKING:
    import dagster as dg

    from pipelines.clock import Clock
    from pipelines.project import Project

QUESTION = "昇格候補者の選考基準を教えてください"
ASKERS = ("nanami.shimizu@sakura-seiki.example", "kenta.suzuki@sakura-seiki.example", "stranger@nowhere.example")
#: The last line, the same in every language, so that a script can look for it.
HELD = "demo: ok"


@dataclass(frozen=True)
class Stage:
    """Where the demo plays and how it speaks; ``found`` gathers what each step leaves behind, as ``fortnight.demo/1`` has it."""

    folder: str
    port: int
    ui_port: int | None
    lang: str | None
    json_: bool
    found: dict[str, Any] = field(default_factory=dict[str, Any])

    def tell(self, code: str, **params: object) -> None:
        self.show(word(code, self.lang, **params))

    def show(self, text: str, indent: int = 3) -> None:
        if not self.json_:
            row(text, indent=indent)


def demo(
    project: Annotated[
        str | None, typer.Option("--project", help="The project folder; default: the example project, infra/project.", show_default=False)
    ] = None,
    ui: Annotated[bool, typer.Option("--ui/--no-ui", help="Leave Dagster's web UI running and print its address.")] = True,
    port: Annotated[int, typer.Option("--port", min=0, max=65520, help="First of seven sandbox ports; 0 takes any free ones.")] = 18080,
    ui_port: Annotated[int, typer.Option("--ui-port", min=1, max=65535, help="Port of Dagster's web UI.")] = 3000,
    days: Annotated[
        int | None,
        typer.Option(
            "--days", min=1, max=366, help="Live so many days by script instead; the gate opens after day 22.", show_default=False
        ),
    ] = None,
    json_: JsonOption = False,
    lang: LangOption = None,
) -> None:
    """Live the whole job against the sandbox. Ends with `demo: ok`, or says which step did not hold."""
    with spoken(lang, json_):
        from connectors.errors import FixConfiguration
        from pipelines.cli.dev import port_is_free

        folder = project or str(Path(__file__).resolve().parents[2] / "infra" / "project")
        if ui:
            home = open_project(folder).home
            _stop_earlier_ui((home / "simulated" / ".fortnight" if days else home) / "webserver.pid")
            if not port_is_free(ui_port):
                raise FixConfiguration("dev.port_taken", port=ui_port)
        started = time.monotonic()
        stage = Stage(folder, port, ui_port if ui else None, lang, json_)
        if days is not None:
            from pipelines.cli.demo_days import demo_days

            return demo_days(stage, days)
        for number, (title, act) in enumerate(_steps(stage), start=1):
            stage.show(f"\n{number}. {title}", indent=0)
            act(stage)
        seconds = time.monotonic() - started

    def text() -> None:
        row("\n" + word("demo.next", lang), indent=0)
        row(word("demo.took", lang, seconds=f"{seconds:.0f}"), indent=0)
        row(HELD, indent=0)

    emit("demo", {**stage.found, "seconds": round(seconds, 1)}, json_, text)


def _steps(stage: Stage) -> Iterator[tuple[str, Callable[[Stage], None]]]:
    yield word("demo.sandbox", stage.lang), _sandbox
    yield word("demo.map", stage.lang), _map
    yield word("demo.pull", stage.lang), _pull
    yield word("demo.report", stage.lang), _report
    yield word("demo.index", stage.lang), _index
    yield word("demo.ask", stage.lang, question=QUESTION), _ask
    yield word("demo.gate", stage.lang), _gate
    stage.found["ui"] = None
    if stage.ui_port is not None:
        yield word("demo.ui", stage.lang), show_ui


def _sandbox(stage: Stage) -> None:
    from connectors.errors import FixConfiguration
    from infra.sandbox import process
    from pipelines.cli.sandbox import home_of, write_environment

    try:
        running = process.up(home_of(stage.folder), base_port=stage.port)
    except process.SandboxError as error:
        if error.code == "port_taken":
            raise FixConfiguration("sandbox.port_taken", port=error.facts["port"]) from None
        raise FixConfiguration("sandbox.not_up", reason=str(error)) from None
    write_environment(stage.folder)
    stage.found["sandbox"] = {one.name: f"https://localhost:{one.https_port}" for one in running.servers}
    for name, address in stage.found["sandbox"].items():
        stage.show(f"{cell(name, 12)}{address}")


def _map(stage: Stage) -> None:
    from pipelines.cli.map import failures, look, show

    found, written = look(open_project(stage.folder), None, Bars(stage.json_, stage.lang))
    errors = failures(found)
    if stage.json_ and errors:
        raise errors[0]
    if not stage.json_:
        show(found, written, stage.lang)
    if errors:
        raise typer.Exit(max(error.exit_code for error in errors))
    stage.found["map"] = str(written.html)


def _pull(stage: Stage) -> None:
    from connectors.errors import AnswerIsNo
    from pipelines.defs.instance import instance_of
    from pipelines.defs.jobs import by_system, system_job_name
    from pipelines.landing.warehouse import Warehouse

    opened = open_project(stage.folder)
    with instance_of(opened) as instance:
        good = all([_run(stage, system_job_name(system), instance) for system in by_system(opened)])
    warehouse = Warehouse(opened.root)
    stage.found["streams"] = []
    for stream in opened.contracts:
        record = warehouse.published(stream)
        live, changed = (record.counts.get("live", 0), record.counts.get("changed", 0)) if record else (0, 0)
        number = record.number if record else None
        stage.found["streams"].append({"stream": stream, "published": number, "live": live, "changed": changed})
        stage.tell("demo.stream" if record else "demo.stream_not_published", stream=cell(stream, 30), live=f"{live:>7}", changed=changed)
        good = good and record is not None
    if not good:
        raise AnswerIsNo("demo.pull_failed")


def _report(stage: Stage) -> None:
    """The access report of every SharePoint of the project, and the two numbers in it that security asks for first."""
    from pipelines.cli.access import make

    opened = open_project(stage.folder)
    stage.found["access_reports"] = []
    for system, settings in opened.file.systems.items():
        if settings.get("kind") != "sharepoint":
            continue
        agreed = _agreed(stage, opened, system)
        report, html = make(opened, system)
        counts = {code: report.figure(code).value for code in ("everyone", "inheritance")}
        stage.found["access_reports"].append({"system": system, "html": str(html), **counts, **agreed})
        stage.tell("demo.access", system=system, html=html, **counts)
        stage.tell("demo.agreed", system=system, **agreed)


def _agreed(stage: Stage, opened: Project, system: str) -> dict[str, int]:
    """Memberships read on their own, then the sample asked of the source, both as the schedules run them."""
    from connectors.errors import AnswerIsNo
    from pipelines.defs.instance import instance_of
    from pipelines.defs.jobs import agreement_job_name, roster_job_name
    from pipelines.serving.examination.agreement import last_sample

    with instance_of(opened) as instance:
        good = all([_run(stage, name(system), instance, daily=False) for name in (roster_job_name, agreement_job_name)])
    if not good:
        raise AnswerIsNo("demo.not_agreed", system=system)
    found = last_sample(opened, system)
    return {"agreed": found.count("agree"), "asked": found.said}


def _index(stage: Stage) -> None:
    from connectors.errors import AnswerIsNo
    from pipelines.defs.instance import instance_of
    from pipelines.defs.jobs import index_job_name
    from pipelines.evidence.facts import latest_facts
    from pipelines.evidence.plan import book_of
    from pipelines.index.releases import newest_candidate

    opened = open_project(stage.folder)
    stage.found["candidates"] = []
    with instance_of(opened) as instance:
        for name in opened.file.indexes:
            succeeded = _run(stage, index_job_name(name), instance)
            made = newest_candidate(opened.root, name)
            if not succeeded or made is None:
                raise AnswerIsNo("demo.not_built", index=name)
            documents = sum(made.documents.values())
            facts = {"release": made.release, "documents": documents, "chunks": made.chunks}
            stage.tell("demo.candidate", access=f"{made.access.share:.1%}", **facts)
            recall = next((fact for fact in latest_facts(book_of(opened).rows, name) if fact.name == "recall_at_5"), None)
            stage.found["candidates"].append({**facts, "access": made.access.share, "recall_at_5": recall.value if recall else None})
            if recall is not None and isinstance(recall.value, int | float):
                stage.tell("demo.examined", value=f"{recall.value:.3f}", limit=recall.limit, index=name)


def _run(stage: Stage, job: str, instance: dg.DagsterInstance, *, daily: bool = True) -> bool:
    """One of the project's jobs; a ``daily`` one for today."""
    from zoneinfo import ZoneInfo

    from pipelines.cli.launch import run_job
    from pipelines.clock import WallClock

    opened, clock = open_project(stage.folder), WallClock()
    today = clock.now().astimezone(ZoneInfo(opened.file.timezone)).date().isoformat()
    with Bars(stage.json_, stage.lang) as bars:
        return run_job(opened, job, clock, bars, partition=today if daily else None, instance=instance).success


def _ask(stage: Stage) -> None:
    from pipelines.clock import WallClock

    ask(stage, WallClock())


def ask(stage: Stage, clock: Clock) -> None:
    """The question as three people, at the hour of ``clock``. Raises AnswerIsNo where they are not answered as their access has it."""
    from connectors.errors import AnswerIsNo
    from pipelines.serving.desk import preview

    opened = open_project(stage.folder)
    stage.found.update(question=QUESTION, answers=[])
    answers: list[list[str]] = []
    for person in ASKERS:
        answer = preview(opened, next(iter(opened.file.indexes)), QUESTION, person, 3, clock)
        stage.tell("demo.as", person=person)
        for hit in answer.hits:
            stage.show(f"{hit.rank}. {hit.title}  [{hit.stream}]", indent=6)
        if not answer.hits:
            stage.show(word("demo.nothing", stage.lang, reason=answer.reason.value), indent=6)
        answers.append([hit.chunk for hit in answer.hits])
        stage.found["answers"].append({"person": person, "reason": answer.reason.value, "titles": [hit.title for hit in answer.hits]})
    insider, outsider, stranger = answers
    if not insider or insider == outsider or stranger:
        raise AnswerIsNo("demo.same_answers")


def _gate(stage: Stage) -> None:
    from connectors.errors import AnswerIsNo
    from pipelines.cli.gate import gate_state, standing_of
    from pipelines.cli.why import Teller
    from pipelines.clock import WallClock
    from pipelines.defs.instance import instance_of
    from pipelines.defs.seal import seal_project

    opened = open_project(stage.folder)
    with instance_of(opened) as instance:
        seal_project(opened, instance, WallClock())
    stage.found["gate"] = []
    for name in opened.file.indexes:
        state = gate_state(opened, name)
        stage.found["gate"].append({**standing_of(state, stage.lang), "eligibility": state.eligibility})
        stage.tell("demo.because", **standing_of(state, stage.lang))
        for said in Teller(stage.lang, opened.file.timezone, len(state.streams)).lines(state.reasons):
            stage.show(f"- {said}")
        if state.eligibility == "eligible":
            raise AnswerIsNo("demo.too_early", index=name)


def show_ui(stage: Stage) -> None:
    import subprocess
    import urllib.error
    import urllib.request

    from connectors.errors import AnswerIsNo
    from pipelines.cli.dev import dagster_environment, web_command

    assert stage.ui_port is not None
    opened = open_project(stage.folder)
    log = opened.home / "webserver.log"
    command = web_command(stage.ui_port)
    with log.open("w") as sink:
        process = subprocess.Popen(command, env=dagster_environment(opened), stdout=sink, stderr=sink, start_new_session=True)
    (opened.home / "webserver.pid").write_text(str(process.pid))
    opener = urllib.request.build_opener(urllib.request.ProxyHandler({}))
    for _ in range(240):
        try:
            opener.open(f"http://localhost:{stage.ui_port}/server_info", timeout=2).close()
        except (urllib.error.URLError, OSError):
            if process.poll() is not None:
                break
            time.sleep(0.25)
        else:
            stage.found["ui"] = f"http://localhost:{stage.ui_port}/asset-groups"
            stage.tell("demo.left_running", url=stage.found["ui"])
            return
    raise AnswerIsNo("dev.no_webserver", log=log)


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
