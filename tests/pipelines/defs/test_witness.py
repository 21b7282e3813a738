"""How far back the witness reads what Dagster keeps of a check. What is made of it is told in ``test_evidence.py``."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from types import SimpleNamespace
from typing import Any

import dagster as dg
import pytest

from pipelines.defs import witness

SINCE = datetime(2026, 11, 20, 16, tzinfo=UTC)
NOW = datetime(2026, 12, 24, 3, tzinfo=UTC)
LIMIT = witness._CHECK_LIMIT  # pyright: ignore[reportPrivateUsage]
CHECK = dg.AssetCheckKey(dg.AssetKey(["kintone", "faq"]), "drift")


def row(id: int, at: datetime, run_id: str = "run") -> Any:
    """The row's own time is the machine's; the event has the time that the run lived at."""
    return SimpleNamespace(id=id, run_id=run_id, create_timestamp=NOW.timestamp(), event=SimpleNamespace(timestamp=at.timestamp()))


def read(rows: list[Any]) -> tuple[list[int], int]:
    """The ids that come, and how many rows were read of the store."""
    asked: list[int] = []

    def history(check: dg.AssetCheckKey, limit: int, cursor: int | None = None) -> list[Any]:
        assert check == CHECK
        found = [one for one in rows if cursor is None or one.id < cursor][:limit]
        asked.append(len(found))
        return found

    instance: Any = SimpleNamespace(event_log_storage=SimpleNamespace(get_asset_check_execution_history=history))
    return [one.id for one in witness._history(instance, CHECK, SINCE)], sum(asked)  # pyright: ignore[reportPrivateUsage]


def test_rows_are_read_back_to_a_day_before_and_not_back_to_the_first_day() -> None:
    days = [row(100 - back, SINCE + timedelta(hours=4) - timedelta(days=back)) for back in range(60)]
    seen, cost = read(days)
    assert {100, 99} <= set(seen) and cost <= 2 * witness._CHECK_PAGE  # pyright: ignore[reportPrivateUsage]
    many = [row(200 - back, SINCE + timedelta(minutes=back % 7)) for back in range(60)]
    assert len(read([*many, *days])[0]) >= 62


def test_what_anybody_may_post_ends_nothing() -> None:
    """A row without a run, whatever time it claims: the rows of runs below it are still read."""
    posted = [row(90 - back, SINCE - timedelta(days=300), run_id="") for back in range(20)]
    seen, _ = read([*posted, row(3, SINCE)])
    assert 3 in seen


def test_a_flood_of_posts_hides_no_run() -> None:
    """Whoever can reach the webserver may post thousands: the honest rows below are found all the same, in few questions."""
    flood = [row(90_000 - back, SINCE, run_id="") for back in range(20 * LIMIT)]
    honest = [row(9 - back, SINCE) for back in range(6)]
    seen, cost = read([*flood, *honest])
    assert {row.id for row in honest} <= set(seen)
    assert cost == len(flood) + len(honest)


def test_no_more_is_read_of_a_check_than_the_limit() -> None:
    seen, cost = read([row(10_000 - back, SINCE) for back in range(LIMIT + 50)])
    assert len(seen) == cost == LIMIT


def events(*told: tuple[str, dict[str, Any]]) -> Any:
    """An instance whose runs' logs hold these engine events."""
    logs = [
        SimpleNamespace(dagster_event=SimpleNamespace(message=message, engine_event_data=SimpleNamespace(metadata=metadata)))
        for message, metadata in told
    ]
    return SimpleNamespace(all_logs=lambda run_id, of_type: logs if of_type == dg.DagsterEventType.ENGINE_EVENT else [])


def test_a_retry_is_the_daemons_where_it_said_so_in_the_failed_runs_log() -> None:
    """The tag alone it also gives a person's own try that carries a retry's number."""
    run = dg.DagsterRun(job_name="pull_erp", tags={"dagster/auto_retry_run_id": "mine"})
    said = ("Retrying the run", {"new run": dg.MetadataValue.dagster_run("the-daemons")})
    assert witness._retried_as(events(("Starting", {}), said), run) == "the-daemons"  # pyright: ignore[reportPrivateUsage]
    assert witness._retried_as(events(("Starting", {})), run) is None  # pyright: ignore[reportPrivateUsage]


@pytest.mark.parametrize(("tag", "number"), [("1", 1), ("12", 12), ("", None), ("x", None), ("-1", None), ("１", None), ("9" * 5000, None)])
def test_a_tag_that_is_no_number_is_none(tag: str, number: int | None) -> None:
    assert witness._number(tag) == number  # pyright: ignore[reportPrivateUsage]


def test_a_run_pulls_the_streams_of_its_selection_and_a_retry_those_of_its_steps() -> None:
    project: Any = SimpleNamespace(contracts={"erp/items": None, "erp/suppliers": None})

    def streams(**told: Any) -> tuple[str, ...] | None:
        return witness._streams(project, dg.DagsterRun(job_name="pull_erp", **told))  # pyright: ignore[reportPrivateUsage]

    assert streams() is None, "its whole job"
    assert streams(asset_selection=frozenset({dg.AssetKey(["erp", "items"])})) == ("erp/items",)
    assert streams(step_keys_to_execute=["erp__suppliers"]) == ("erp/suppliers",)
    assert streams(step_keys_to_execute=["erp__suppliers"], asset_selection=frozenset({dg.AssetKey(["erp", "items"])})) == ()
