"""The real commands as tests give them: exit code and JSON, signed by somebody of the lived project."""

from __future__ import annotations

import json
from typing import Any

from lived import INDEX, key
from typer.testing import CliRunner

from pipelines.cli.main import app
from pipelines.project import Project

BUSINESS, TECHNICAL, OPERATOR = "kenta.suzuki", "akari.mori", "riku.ikeda"


def run(project: Project, *arguments: str, lang: str = "en") -> tuple[int, dict[str, Any]]:
    """Exit code and JSON of a command."""
    done = CliRunner().invoke(app, [*arguments, "--project", str(project.folder), "--lang", lang, "--json"])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.exception
    return done.exit_code, json.loads(done.stdout.splitlines()[-1])


def sign(project: Project, person: str, *arguments: str) -> tuple[int, dict[str, Any]]:
    return run(project, *arguments, "--sign-with", key(project, person))


def promote(project: Project, person: str, number: int = 1) -> tuple[int, dict[str, Any]]:
    return sign(project, person, "index", "promote", INDEX, "--release", str(number))
