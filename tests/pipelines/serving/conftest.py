"""One house for the whole session; each test gets a copy of its own."""

from __future__ import annotations

import shutil
from pathlib import Path

import pytest

from pipelines.project import load

from .served_house import MONDAY, Hands, House, found


@pytest.fixture(scope="session")
def model_house(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return found(tmp_path_factory.mktemp("house")).project.folder


@pytest.fixture
def house(model_house: Path, tmp_path: Path) -> House:
    folder = tmp_path / "house"
    shutil.copytree(model_house, folder)
    return House(load(folder), Hands(MONDAY))
