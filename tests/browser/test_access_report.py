"""The access report as its readers open it: one file from a disk, in a real browser."""

from __future__ import annotations

import sys
from pathlib import Path

import pytest
from headless import Browser

# The small company is made by the tests of the report; this folder only looks at it.
sys.path.append(str(Path(__file__).resolve().parents[1] / "pipelines" / "reports"))

pytestmark = pytest.mark.browser


@pytest.fixture(scope="module")
def reader(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Browser:
    from access import world

    from pipelines.reports.access.figures import Limits
    from pipelines.reports.access.write import make_report, write_page

    folder = tmp_path_factory.mktemp("report")
    project = world.company(folder / "project")
    page = write_page(make_report(project, "sharepoint", Limits(world.NOW)), project)
    return Browser(chromium, page.as_uri(), folder)


def test_the_numbers_stand_first_and_what_was_not_measured_says_so(reader: Browser) -> None:
    text = reader.text("", until="Access and content report")
    assert "Rights were first scanned on 2026-11-01." in text
    assert "4 全員に開かれた権限範囲 Scopes open to everyone" in text
    assert "2 継承に戻せる場所 Safe to re-inherit" in text
    assert "測定なし チェックアウト中と下書き Checked out, or draft only" in text


def test_each_figure_tells_how_it_is_counted_its_rows_and_its_query(reader: Browser) -> None:
    text = reader.text("", until="Links without expiry")
    assert "/sites/q/規程/公開 フォルダー folder 匿名（誰でも） anyone 閲覧 view いいえ no 1 最初の走査（2026-11-01）より前から" in text
    assert "WHERE g.via = 'link' AND g.kind = 'link' AND g.link_scope IN ('anonymous', 'organization')" in text
    assert "fortnight access report sharepoint --stale-years 3 --oversized-mb 100 --top 20 --json" in text


def test_the_page_is_painted_and_not_blank(reader: Browser) -> None:
    picture = reader.picture("", "access")
    assert picture.read_bytes().startswith(b"\x89PNG")
    assert picture.stat().st_size > 20_000
