"""Who sees what in memory: what the engine's own filter says, and what a plain loop says, of the same rows and readers."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pipelines.index.store.engine import connect
from pipelines.index.store.filters import SAME, access_filter
from pipelines.index.store.readers import Read, Readers

#: Quotes, SQL, look-alikes (Latin, Cyrillic, composed and not), nearly the same; nothing, and the mark, which are no principals.
NAMES = (
    "everyone:k",
    "group:k:a",
    "group:k:a ",
    "GROUP:k:a",
    "user:x:o'brien",
    "user:x:') OR true --",
    "user:x:а",
    "user:x:が",
    "user:x:か\u3099",
    "",
    SAME,
)
LISTS = st.lists(st.sampled_from(NAMES), max_size=4)
ROWS = st.lists(st.tuples(LISTS, LISTS), min_size=1, max_size=12)
PERSON = st.frozensets(st.sampled_from((*NAMES, "nobody:k")), max_size=5)
TEXTS = pa.list_(pa.string())


def read(rows: list[tuple[list[str], list[str]]], slices: int = 3) -> Readers:
    made = Read()
    for at in range(0, len(rows), slices):
        some = rows[at : at + slices]
        made.add(pa.array([acl for acl, _ in some], TEXTS), pa.array([narrow for _, narrow in some], TEXTS))
    return made.done()


@given(ROWS, PERSON)
def test_a_row_is_seen_exactly_where_both_of_its_lists_say_so(rows: list[tuple[list[str], list[str]]], person: frozenset[str]) -> None:
    names = person - {"", SAME}
    expected = [bool(names & set(acl)) and bool((names | {SAME}) & set(narrow)) for acl, narrow in rows]
    readers = read(rows)
    assert readers.mask(person).tolist() == expected
    # What no row names may be left out.
    assert readers.mask(person & readers.principals).tolist() == expected


@pytest.fixture(scope="module")
def database(tmp_path_factory: pytest.TempPathFactory) -> Any:
    return connect(str(tmp_path_factory.mktemp("readers")))


@settings(max_examples=25, deadline=None)
@given(ROWS, st.lists(PERSON, min_size=1, max_size=6))
def test_the_engine_s_filter_says_the_same(database: Any, rows: list[tuple[list[str], list[str]]], people: list[frozenset[str]]) -> None:
    columns = {"at": list(range(len(rows))), "acl": [acl for acl, _ in rows], "field_acl": [narrow for _, narrow in rows]}
    schema = pa.schema([("at", pa.int64()), ("acl", TEXTS), ("field_acl", TEXTS)])
    table = database.create_table("t", pa.table(columns, schema=schema), mode="overwrite")
    readers = read(rows)
    for person in people:
        found = table.search().where(access_filter(person)).select(["at"]).limit(len(rows)).to_arrow()
        assert sorted(found["at"].to_pylist()) == readers.mask(person).nonzero()[0].tolist(), person


def test_nobody_sees_nothing_and_a_version_without_rows_shows_none() -> None:
    assert not read([(["everyone:k"], [SAME])]).mask(frozenset()).any()
    assert Read().done().mask(frozenset({"everyone:k"})).tolist() == []


@pytest.mark.parametrize(
    ("acl", "field_acl"),
    [
        (pa.array([None], TEXTS), pa.array([[SAME]], TEXTS)),
        (pa.array([["a"]], TEXTS), pa.array([[None]], TEXTS)),
        (pa.array([[1]], pa.list_(pa.int32())), pa.array([[SAME]], TEXTS)),
        (pa.array(["a"]), pa.array([[SAME]], TEXTS)),
        (pa.array([["a"], ["b"]], TEXTS), pa.array([[SAME]], TEXTS)),
    ],
    ids=["no list", "no name", "numbers", "no lists", "another length"],
)
def test_a_column_that_is_not_what_it_must_be_lets_nobody_in(acl: Any, field_acl: Any) -> None:
    with pytest.raises(RuntimeError):
        Read().add(acl, field_acl)
