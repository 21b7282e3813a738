"""Chains of membership: every way into a granted group is told once, none is invented, and circles end."""

from __future__ import annotations

from itertools import pairwise

from hypothesis import given
from hypothesis import strategies as st

from pipelines.reports.access.paths import Chain, Edge, Membership

NAMES = st.sampled_from("uvabcdef")
EDGES = st.lists(st.tuples(st.sampled_from("abcdef"), NAMES), max_size=18)
PEOPLE = {"u", "v"}


def every_simple_path(edges: set[Edge], person: str, granted: str, walked: Chain = ()) -> list[Chain]:
    """All of them, by trying every edge: what no shortcut can get wrong."""
    walked = walked or (person,)
    if walked[-1] == granted:
        return [walked]
    onward = [group for group, member in edges if member == walked[-1] and group not in walked]
    return [path for group in onward for path in every_simple_path(edges, person, granted, (*walked, group))]


def shortest_by_last_step(paths: list[Chain]) -> dict[Chain, int]:
    """For each last step into the granted group, the length of the shortest path that takes it."""
    found: dict[Chain, int] = {}
    for path in paths:
        step = path[-2:]
        found[step] = min(found.get(step, len(path)), len(path))
    return found


@given(EDGES, st.sampled_from("abcdef"))
def test_for_each_member_of_the_granted_group_the_shortest_chain_through_it_is_told(edges: list[Edge], granted: str) -> None:
    told = Membership(edges).chains(granted, PEOPLE)
    for person in PEOPLE:
        mine = [chain for chain in told if chain[0] == person]
        assert {chain[-2:]: len(chain) for chain in mine} == shortest_by_last_step(every_simple_path(set(edges), person, granted))
        assert len(mine) == len({chain[-2:] for chain in mine})


@given(EDGES, st.sampled_from("abcdef"))
def test_every_chain_is_made_of_edges_and_meets_nobody_twice(edges: list[Edge], granted: str) -> None:
    for chain in Membership(edges).chains(granted, PEOPLE):
        assert all((group, member) in edges for member, group in pairwise(chain))
        assert len(chain) == len(set(chain))


@given(EDGES, NAMES, st.sampled_from("uabcdef"))
def test_walking_up_from_a_person_and_down_from_a_group_tell_the_same(edges: list[Edge], person: str, granted: str) -> None:
    known = Membership(edges)
    up, down = known.chains_of(person, granted), known.chains(granted, {person})
    assert {chain[-2:]: len(chain) for chain in up} == {chain[-2:]: len(chain) for chain in down}


def test_a_person_who_is_granted_something_themselves_needs_no_group() -> None:
    assert Membership([]).chains("u", PEOPLE) == [("u",)]


def test_groups_that_hold_each_other_end() -> None:
    circle = [("a", "b"), ("b", "a"), ("b", "u"), ("a", "a")]
    assert Membership(circle).chains("a", PEOPLE) == [("u", "b", "a")]
