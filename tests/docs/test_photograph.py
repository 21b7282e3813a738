"""What the photographer says before it looks for a browser."""

from __future__ import annotations

from pathlib import Path

import pytest

from docs.photograph import PAGES, called


@pytest.mark.parametrize("names", [["nosuch"], [PAGES[0].name, "nosuch"]])
def test_a_picture_that_there_is_not_is_refused_with_those_that_there_are(
    tmp_path: Path, names: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "project.yaml").touch()
    with pytest.raises(SystemExit) as ended:
        called([str(tmp_path), *names])
    told = capsys.readouterr().err
    assert ended.value.code == 2 and "no such picture: nosuch" in told
    assert all(page.name in told for page in PAGES)


def test_a_folder_that_is_no_home_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as ended:
        called([str(tmp_path)])
    assert ended.value.code == 2 and f"{tmp_path} is no home" in capsys.readouterr().err
