"""The nightly set reconcile: what is in the newest candidate is in today's tables, or it is named."""

from __future__ import annotations

from pathlib import Path

from pipelines.index.reconcile import reconcile, reconcile_check
from pipelines.landing.warehouse import Warehouse

from .test_books import STREAM, built, house, run


def test_a_candidate_is_stale_in_what_changed_or_went_since_and_whole_again_after_the_next_build(tmp_path: Path) -> None:
    project, source = house(tmp_path)
    assert reconcile(project, "parts", Warehouse(project.root)) is None
    built(project)
    found = reconcile(project, "parts", Warehouse(project.root))
    assert found is not None and (found.rows, found.stale, found.absent) == (5, (), ())
    assert reconcile_check(found).passed

    del source.rows[2]
    source.later()
    source.put(3, name="別の部品")
    source.put(9, name="新しい部品")
    assert run(project, source).succeeded
    found = reconcile(project, "parts", Warehouse(project.root))
    assert found is not None
    assert (found.stale, found.absent) == ((f"{STREAM}#2", f"{STREAM}#3"), (f"{STREAM}#9",))
    check = reconcile_check(found)
    assert not check.passed and check.severity == "critical" and check.numbers["stale"] == 2
    assert {(row["id"], row["verdict"]) for row in check.rows} == {
        (f"{STREAM}#2", "FAIL"),
        (f"{STREAM}#3", "FAIL"),
        (f"{STREAM}#9", "INFO"),
    }
    assert "2 are not so in today's tables" in str(check.summary)

    built(project)
    found = reconcile(project, "parts", Warehouse(project.root))
    assert found is not None and reconcile_check(found).passed and found.absent == ()
