"""What a table's log tells by the names in it, without opening the table."""

from __future__ import annotations

from pathlib import Path

import pyarrow as pa
import pytest
from deltalake import DeltaTable, write_deltalake

from pipelines.landing.log import stands_at
from pipelines.landing.published import open_store


@pytest.fixture(scope="module")
def table(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Twelve versions, a checkpoint at the last but one."""
    root = tmp_path_factory.mktemp("root")
    for number in range(12):
        write_deltalake(str(root / "current" / "a"), pa.table({"id": [number]}), mode="append")
        if number == 10:
            DeltaTable(str(root / "current" / "a")).create_checkpoint()
    return root


@pytest.mark.parametrize("known", [0, 5, 11], ids=["nothing known", "an old version known", "the newest known"])
def test_the_newest_version_is_the_one_that_opening_the_table_gives(table: Path, known: int) -> None:
    assert stands_at(open_store(str(table)), "current/a", known) == DeltaTable(str(table / "current" / "a")).version() == 11


def test_a_table_that_fell_behind_what_was_known_is_told_as_it_stands(table: Path) -> None:
    assert stands_at(open_store(str(table)), "current/a", 40) == 11


def test_where_there_is_no_table_there_is_no_version(table: Path) -> None:
    assert stands_at(open_store(str(table)), "current/b") is None
    assert stands_at(open_store(str(table)), "current/b", 3) is None
