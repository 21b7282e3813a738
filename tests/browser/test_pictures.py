"""The operator's pages are pictured whole: what the page shows is what the command takes, and lies there."""

from __future__ import annotations

import re
import shutil
from pathlib import Path

import pytest

from docs.photograph import PAGES, PICTURES, tried_again
from pipelines.project import load
from tests.conftest import ROOT


def test_every_picture_that_the_page_shows_is_taken_by_the_command_and_none_is_taken_for_nothing() -> None:
    page = (PICTURES.parent / "operators.md").read_text(encoding="utf-8")
    shown = re.findall(r"\(pictures/([a-z-]+)\.png\)", page)
    assert sorted(shown) == sorted(one.name for one in PAGES) == sorted(found.stem for found in PICTURES.glob("*.png"))


def test_a_home_in_which_nothing_ran_is_told_to_live_days_first(tmp_path: Path) -> None:
    home = tmp_path / "home"
    shutil.copytree(ROOT / "infra" / "project", home, ignore=shutil.ignore_patterns(".fortnight", "data", ".env"))
    with pytest.raises(SystemExit, match="Live days first"):
        tried_again(load(home))
