"""The deployment files, held against what they are for: commands that exist, an instance that loads, services that agree, a proxy that refuses."""

from __future__ import annotations

import importlib
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import dagster as dg
import pytest
import typer
from dagster._config import process_config
from dagster._core.instance.config import dagster_instance_config
from dagster._core.instance.ref import InstanceRef
from dagster._core.storage.config import pg_config
from ruamel.yaml import YAML

from pipelines.cli.main import app

DEPLOY = Path(__file__).resolve().parents[2] / "infra" / "deploy"
ROOT = DEPLOY.parents[1]
OURS = ("code", "daemon", "webserver", "webserver-readonly", "serve")
#: Where each command's click object lives.
COMMANDS = {
    "dagster": ("dagster._cli", "create_dagster_cli"),
    "dagster-daemon": ("dagster._daemon.cli", "create_dagster_daemon_cli"),
    "dagster-webserver": ("dagster_webserver.cli", "dagster_webserver"),
    "fortnight": ("tests.infra.test_deploy", "fortnight"),
}


def fortnight() -> click.Command:
    return typer.main.get_command(app)


def read(name: str) -> dict[str, Any]:
    return YAML(typ="safe").load((DEPLOY / name).read_text(encoding="utf-8"))


def compose() -> dict[str, Any]:
    return read("docker-compose.yml")


def command_lines() -> list[tuple[str, list[str]]]:
    """Every command of ours that some file here starts, with where it stands."""
    found = [(f"compose {name}", [str(word) for word in compose()["services"][name]["command"]]) for name in OURS]
    found.append(("compose code health", [str(word) for word in compose()["services"]["code"]["healthcheck"]["test"][1:]]))
    for unit in sorted((DEPLOY / "systemd").glob("*.service")):
        line = re.search(r"^ExecStart=(.*)$", unit.read_text(encoding="utf-8"), re.MULTILINE)
        assert line
        binary, *rest = shlex.split(line[1])
        found.append((unit.name, [Path(binary).name, *rest]))
    line = re.search(r"^CMD (\[.*\])$", (DEPLOY / "Dockerfile").read_text(encoding="utf-8"), re.MULTILINE)
    assert line
    found.append(("Dockerfile", YAML(typ="safe").load(line[1])))
    return found


@pytest.mark.parametrize(("where", "words"), command_lines(), ids=lambda value: value if isinstance(value, str) else "")
def test_every_command_line_is_one_that_its_program_understands(where: str, words: list[str]) -> None:
    module, name = COMMANDS[words[0]]
    command = getattr(importlib.import_module(module), name)
    if not isinstance(command, click.Command):
        command = command()
    # The workspace must exist where it is parsed: its own file stands in for the one in the image.
    rest = [str(DEPLOY / "workspace.yaml") if word.endswith("workspace.yaml") else word for word in words[1:]]
    while isinstance(command, click.Group) and rest[0] in command.commands:
        command = command.commands[rest.pop(0)]
    # Parsed and not run: a flag that went away, or a value it does not take, raises here.
    with command.make_context(words[0], rest):
        pass


def test_the_commands_are_installed_under_these_names() -> None:
    assert all((Path(sys.executable).parent / name).exists() for name in COMMANDS)


@pytest.mark.parametrize("path", ["infra/deploy/dagster.yaml", "pipelines/defs/instance.yaml"])
def test_the_instance_loads(path: str, tmp_path: Path) -> None:
    """PostgreSQL's library is not among the tests' packages: the test below takes its block as far as Dagster itself reads it; the rest loads
    with SQLite in its place."""
    config = YAML(typ="safe").load((ROOT / path).read_text(encoding="utf-8"))
    config.pop("storage", None)
    with (tmp_path / "dagster.yaml").open("w", encoding="utf-8") as target:
        YAML(typ="safe").dump(config, target)
    assert dagster_instance_config(str(tmp_path))[0]
    with dg.DagsterInstance.from_config(str(tmp_path)) as instance:
        assert instance.run_monitoring_enabled
        assert instance.run_retries_enabled and not instance.run_retries_retry_on_asset_or_op_failure
        assert instance.run_monitoring_max_runtime_seconds == 7200
        assert not instance.telemetry_enabled


#: What the environment gives, with signs that a URL would trip over.
POSTGRES = {"DAGSTER_PG_HOST": "db", "DAGSTER_PG_DB": "dagster", "DAGSTER_PG_USER": "fortnight", "DAGSTER_PG_PASSWORD": "p@ss/w:rd#1"}


def test_the_deployed_instance_keeps_all_its_storage_in_postgresql(monkeypatch: pytest.MonkeyPatch) -> None:
    """The file as it is, read as every process of Dagster reads it. Short of the class itself and of a server, which the image has."""
    for name, value in POSTGRES.items():
        monkeypatch.setenv(name, value)
    ref = InstanceRef.from_dir(str(DEPLOY))
    storages = (ref.storage_data, ref.run_storage_data, ref.event_storage_data, ref.schedule_storage_data)
    assert [(one.module_name, one.class_name) for one in storages if one] == [
        ("dagster_postgres", "DagsterPostgresStorage"),
        ("dagster_postgres", "PostgresRunStorage"),
        ("dagster_postgres", "PostgresEventLogStorage"),
        ("dagster_postgres", "PostgresScheduleStorage"),
    ]
    # The schema is Dagster's own, the one that the class takes.
    read_as = process_config(pg_config(), ref.storage_data.config_dict)
    assert read_as.success, read_as.errors
    told = read_as.value["postgres_db"]
    assert (told["hostname"], told["db_name"], told["username"], told["password"]) == tuple(POSTGRES.values())
    assert told["port"] == 5432


@pytest.mark.parametrize("missing", POSTGRES)
def test_an_instance_without_one_of_its_variables_is_refused(missing: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in POSTGRES.items():
        monkeypatch.setenv(name, value)
    monkeypatch.delenv(missing)
    read_as = process_config(pg_config(), read("dagster.yaml")["storage"]["postgres"])
    assert not read_as.success and missing in str(read_as.errors)


def test_both_instances_keep_ticks_and_limit_runs_alike() -> None:
    local = YAML(typ="safe").load((ROOT / "pipelines" / "defs" / "instance.yaml").read_text(encoding="utf-8"))
    deployed = read("dagster.yaml")
    for key in ("retention", "run_retries", "telemetry", "nux"):
        assert local[key] == deployed[key]
    assert local["concurrency"]["pools"] == deployed["concurrency"]["pools"]
    values = read("helm/values.yaml")
    assert values["retention"]["schedule"]["purgeAfterDays"] == deployed["retention"]["schedule"]["purge_after_days"]
    assert values["dagsterDaemon"]["runMonitoring"]["maxRuntimeSeconds"] == deployed["run_monitoring"]["max_runtime_seconds"]
    assert values["dagsterDaemon"]["runRetries"]["retryOnAssetOrOpFailure"] is False


def test_every_variable_of_the_instance_is_given_to_every_service() -> None:
    named = re.findall(r"env: (\w+)", (DEPLOY / "dagster.yaml").read_text(encoding="utf-8"))
    assert named
    for name in OURS:
        assert set(named) <= set(compose()["services"][name]["environment"])


def test_every_variable_that_compose_asks_for_stands_in_the_example() -> None:
    asked = set(re.findall(r"\$\{(\w+)", (DEPLOY / "docker-compose.yml").read_text(encoding="utf-8")))
    given = set(re.findall(r"^(\w+)=$", (DEPLOY / ".env.example").read_text(encoding="utf-8"), re.MULTILINE))
    assert asked == given, "and the example holds no value"


def test_only_the_proxy_is_reached_from_outside_and_there_is_one_daemon() -> None:
    services = compose()["services"]
    assert [name for name, told in services.items() if "ports" in told] == ["proxy"]
    assert [name for name, told in services.items() if "dagster-daemon" in (told.get("command") or ())] == ["daemon"]
    assert "--read-only" in services["webserver-readonly"]["command"]


def test_the_code_server_is_where_the_workspace_looks_for_it() -> None:
    command = compose()["services"]["code"]["command"]
    assert looked_for("workspace.yaml") == ("code", command[command.index("-p") + 1])


def test_under_systemd_webserver_and_daemon_look_for_the_code_server_where_its_unit_listens() -> None:
    (line,) = [words for unit, words in command_lines() if unit == "fortnight-code.service"]
    listens = (line[line.index("-h") + 1], line[line.index("-p") + 1])
    named = {words[words.index("-w") + 1] for unit, words in command_lines() if unit.endswith(".service") and "-w" in words}
    assert named == {"/opt/fortnight/infra/deploy/systemd/workspace.yaml"}
    assert looked_for("systemd/workspace.yaml") == listens


def looked_for(workspace: str) -> tuple[str, str]:
    """Host and port of the code server, as a workspace file says."""
    (entry,) = read(workspace)["load_from"]
    server = entry["grpc_server"]
    return server["host"], str(server["port"])


def test_the_proxy_refuses_report_endpoints_on_both_ports_before_anything_else_answers() -> None:
    text = (DEPLOY / "nginx" / "fortnight.conf").read_text(encoding="utf-8")
    servers = re.split(r"^server \{", text, flags=re.MULTILINE)[1:]
    assert len(servers) == 3, "the third has no page of Dagster's behind it"
    for server in servers[:2]:
        pattern = re.search(r"location ~\* (\S+) \{\s*return 403;", server)
        assert pattern
        for path in ("/report_asset_check/a/b", "/REPORT_asset_materialization/x", "//report_asset_observation/x"):
            assert re.match(pattern[1], path, re.IGNORECASE)
        assert not re.match(pattern[1], "/assets/report_asset", re.IGNORECASE)


def test_nobody_reads_or_writes_a_page_who_has_not_signed_in() -> None:
    text = (DEPLOY / "nginx" / "fortnight.conf").read_text(encoding="utf-8")
    passed = re.findall(r"location ([^{]+) \{([^}]*proxy_pass\s+http://webserver[^}]*)\}", text)
    assert [where for where, _ in passed] == ["/", "/"]
    assert all("auth_request /oauth2/auth;" in block for _, block in passed)
    assert len(re.findall(r"location = /oauth2/auth \{\s*internal;", text)) == 2


def test_the_port_for_agents_leads_to_answers_alone_and_shows_no_metrics() -> None:
    text = (DEPLOY / "nginx" / "fortnight.conf").read_text(encoding="utf-8")
    *_, server = re.split(r"^server \{", text, flags=re.MULTILINE)
    pattern = re.search(r"location ~\* (\S+) \{\s*return 403;", server)
    assert pattern and re.match(pattern[1], "//Metrics", re.IGNORECASE) and not re.match(pattern[1], "/search", re.IGNORECASE)
    command = compose()["services"]["serve"]["command"]
    assert re.findall(r"proxy_pass\s+(\S+);", server) == [f"http://serve:{command[command.index('--port') + 1]}"]


def test_the_added_packages_are_of_the_locks_dagster() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    pinned = re.search(r"^dagster==1\.(\d+)\.(\d+)", lock, re.MULTILINE)
    assert pinned
    libraries = re.findall(r"^dagster-\w+==0\.(\d+)\.(\d+)$", (DEPLOY / "requirements.txt").read_text(encoding="utf-8"), re.MULTILINE)
    # Dagster's libraries are numbered 16 minor versions apart from its core.
    assert len(libraries) == 2
    assert {(int(minor) - 16, int(patch)) for minor, patch in libraries} == {(int(pinned[1]), int(pinned[2]))}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="no systemd-analyze on this machine")
def test_systemd_understands_the_units(tmp_path: Path) -> None:
    """Without the paths that only the deployed machine has."""
    for unit in (DEPLOY / "systemd").glob("*.service"):
        text = re.sub(r"^ExecStart=\S+", "ExecStart=/bin/true", unit.read_text(encoding="utf-8"), flags=re.MULTILINE)
        (tmp_path / unit.name).write_text(text, encoding="utf-8")
    said = subprocess.run(
        ["systemd-analyze", "verify", *map(str, sorted(tmp_path.glob("*.service")))], capture_output=True, text=True, check=False
    )
    told = [line for line in said.stderr.splitlines() if str(tmp_path) in line or "fortnight-" in line]
    assert not told, told
