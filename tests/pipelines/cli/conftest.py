"""A project whose index two persons promoted, for the commands to work on."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest
from by_command import BUSINESS, TECHNICAL, promote, run, sign
from lived import INDEX, lived

from pipelines.index.releases import production
from pipelines.project import Project, load


@pytest.fixture(scope="session")
def promoted(tmp_path_factory: pytest.TempPathFactory) -> Project:
    """A project whose release 1 two persons promoted."""
    project = lived(tmp_path_factory.mktemp("promoted") / "project")
    assert run(project, "gate", "status", INDEX)[1]["reasons"] == [
        {"code": "gate.week_one_unsigned", "message": "The first week is not signed off."}
    ]
    assert promote(project, BUSINESS)[1]["code"] == "decide.not_eligible"
    assert sign(project, BUSINESS, "gate", "sign-off", INDEX)[0] == 0
    code, first = promote(project, BUSINESS)
    assert (code, first["waits"], first["production"]) == (0, True, None)
    assert production(project.root, INDEX) is None
    assert promote(project, BUSINESS)[1]["code"] == "decide.same_person"
    code, second = promote(project, TECHNICAL)
    assert (code, second["waits"], second["first"], second["production"]) == (0, False, BUSINESS, 1)
    return project


@pytest.fixture
def project(promoted: Project, tmp_path: Path) -> Project:
    """A copy that a test may change."""
    return load(Path(shutil.copytree(promoted.folder, tmp_path / "project")))
